// Widths and weight of the dense CRF (and starts for the CRF-Grad layer) by
// grid search on a validation split: see README.md.
//
//   bazel run //crfgrad:tune -- --checkpoint=RUN --split=val
//
// Prints one line a setting, best last, and the best as overrides for eval.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/config/main.h"
#include "common/datasets/open.h"
#include "common/layers/mean_field/mean_field.h"
#include "common/layers/permutohedral/features.h"
#include "common/metrics/confusion_matrix.h"
#include "crfgrad/restore.h"

namespace {

struct Setting {
  double theta_position;
  double theta_colour;
  double weight;
  double mean_iou;
};

constexpr double kPositions[] = {10, 20, 40};  // pixels
constexpr double kColours[] = {5, 10, 20};     // grey levels
constexpr double kWeights[] = {1.5, 3, 6, 12};

absl::Status Tune(const seg::MainArgs& args) {
  SEG_ASSIGN_OR_RETURN(seg::crfgrad::Restored restored,
                       seg::crfgrad::Restore(args));
  SEG_ASSIGN_OR_RETURN(
      const auto dataset,
      seg::OpenDataset(restored.config.data, args.data_root, args.split));
  const c10::InferenceMode inference;
  std::vector<seg::Sample> samples;
  std::vector<at::Tensor> energies;
  for (int64_t i = 0; i < dataset->size(); ++i) {
    SEG_ASSIGN_OR_RETURN(seg::Sample sample, dataset->Get(i));
    const at::Tensor image = sample.image.unsqueeze(0).to(at::kFloat);
    energies.push_back(-at::log_softmax(restored.model->Scores(image), 1));
    samples.push_back(std::move(sample));
  }
  std::vector<Setting> settings;
  for (const double position : kPositions) {
    for (const double colour : kColours) {
      std::vector<seg::LatticeVector> lattices;
      for (const seg::Sample& sample : samples) {
        lattices.push_back(seg::BuildBilateralLattices(
            sample.image.unsqueeze(0), position, colour));
      }
      for (const double weight : kWeights) {
        seg::MeanFieldOptions options = restored.config.dense_crf.Options();
        options.spatial_weight = 0;
        options.bilateral_weight = weight;
        seg::ConfusionMatrix confusion(dataset->info().num_classes(),
                                       dataset->info().ignore_label);
        for (size_t i = 0; i < samples.size(); ++i) {
          const at::Tensor q =
              seg::MeanField(energies[i], {}, lattices[i], options);
          confusion.Add(q[0].argmax(0).to(at::kByte), samples[i].mask);
        }
        settings.push_back({position, colour, weight, confusion.MeanIou()});
      }
    }
  }
  std::stable_sort(settings.begin(), settings.end(),
                   [](const Setting& a, const Setting& b) {
                     return a.mean_iou < b.mean_iou;
                   });
  for (const Setting& s : settings) {
    std::printf("position %4g  colour %4g  weight %4g  mean IoU %.2f\n",
                s.theta_position, s.theta_colour, s.weight, 100 * s.mean_iou);
  }
  const Setting& best = settings.back();
  std::printf(
      "dense_crf.theta_position=%g dense_crf.theta_colour=%g "
      "dense_crf.bilateral_weight=%g\n",
      best.theta_position, best.theta_colour, best.weight);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::Command::kEval, "crfgrad", Tune);
}
