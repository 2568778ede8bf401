#include "segnet_rerank/fitting.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/base/log.h"
#include "common/solvers/duality_gap.h"
#include "common/solvers/linear_svm.h"
#include "common/solvers/ranking_svm.h"
#include "segnet_rerank/image_classifier.h"
#include "segnet_rerank/proposal_accuracy.h"

namespace seg {
namespace segnet_rerank {
namespace {

// liblinear's default in the released code.
constexpr double kSvmTolerance = 0.01;
constexpr int64_t kSvmPasses = 100;

LinearSvmOptions SvmOptions(double c, uint64_t seed) {
  LinearSvmOptions options;
  options.c = c;
  options.constant_feature = 1;
  options.tolerance = kSvmTolerance;
  options.max_passes = kSvmPasses;
  options.seed = seed;
  return options;
}

void LogGap(const DualityGap& gap, double tolerance, const std::string& what) {
  if (gap.Relative() <= tolerance) return;
  LogInfo(absl::StrCat(what, ": stopped at a relative duality gap of ",
                       gap.Relative()));
}

// [T,F+1]: weights and bias side by side.
at::Tensor Scorer(const LinearSvm& svm, const char* what) {
  DualityGap worst;
  for (const DualityGap& gap : svm.gaps) {
    if (gap.Relative() > worst.Relative()) worst = gap;
  }
  LogGap(worst, kSvmTolerance, what);
  return at::cat({svm.weights, svm.bias.unsqueeze(1)}, 1).to(at::kFloat);
}

// ProposalAccuracies of int32 counts, which may be those of very many images.
at::Tensor Accuracies(const at::Tensor& counts) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : counts.split(4096)) {
    parts.push_back(ProposalAccuracies(part.to(at::kLong)));
  }
  return at::cat(parts);
}

// Corpus IoU of the picks of the images from `first` on.
double CorpusIou(const at::Tensor& counts, const std::vector<int64_t>& sizes,
                 int64_t first_image, int64_t first_row,
                 const std::vector<int64_t>& picks) {
  at::Tensor total = at::zeros({counts.size(1), 3}, at::kLong);
  for (size_t i = 0; i < picks.size(); ++i) {
    total += counts[first_row + picks[i]];
    first_row += sizes[first_image + static_cast<int64_t>(i)];
  }
  return MeanIouOfCounts(total).item<double>();
}

}  // namespace

at::Tensor ChooseExamples(const at::Tensor& overlap, int64_t truths,
                          int64_t most) {
  const int64_t regions = overlap.size(0) - truths;
  std::vector<int64_t> chosen;
  const auto take = [&](int64_t row) {
    if (static_cast<int64_t>(chosen.size()) < most) chosen.push_back(row);
  };
  for (int64_t t = 0; t < truths; ++t) take(regions + t);
  std::vector<int64_t> rest;
  if (regions > 0) {
    const at::Tensor best =
        overlap.size(1) > 1 ? std::get<0>(overlap.narrow(0, 0, regions)
                                              .narrow(1, 1, overlap.size(1) - 1)
                                              .max(1))
                            : at::zeros({regions});
    const auto value = best.accessor<float, 1>();
    std::vector<int64_t> good;
    for (int64_t r = 0; r < regions; ++r) {
      (value[r] > 0.5f ? good : rest).push_back(r);
    }
    std::stable_sort(good.begin(), good.end(),
                     [&](int64_t a, int64_t b) { return value[a] > value[b]; });
    for (int64_t r : good) take(r);
  }
  const int64_t left = most - static_cast<int64_t>(chosen.size());
  const int64_t others = static_cast<int64_t>(rest.size());
  for (int64_t i = 0; i < std::min(left, others); ++i) {
    chosen.push_back(rest[left >= others ? i : i * others / left]);
  }
  return at::tensor(chosen, at::kLong);
}

at::Tensor FitRegionScorer(const at::Tensor& rows, const at::Tensor& overlap,
                           const O2pConfig& config, uint64_t seed) {
  at::Tensor targets = overlap.narrow(1, 1, overlap.size(1) - 1).t();
  if (targets.numel() > 0) {
    targets = targets - targets.mean(1, /*keepdim=*/true);
  }
  return Scorer(
      TrainLinearRegression(rows.contiguous(), targets.contiguous(),
                            config.epsilon, SvmOptions(config.c, seed)),
      "region scorer");
}

at::Tensor FitImageScorer(const at::Tensor& features, const at::Tensor& areas,
                          const at::Tensor& thresholds, double c,
                          uint64_t seed) {
  // One scale for all, into the weights afterwards: C then means the same for
  // features of any length. Those of EfficientNet-Lite0 are 28 long, and with
  // them as they are C = 1 hardly bounds the weights: the solver does not
  // converge, and unseen images are told apart less well.
  const double length = std::sqrt(
      features.square().sum(1, false, at::kDouble).mean().item<double>());
  const double scale = length > 0 ? 1 / length : 1;
  const at::Tensor scorer =
      Scorer(TrainLinearClassifier(features.mul(scale).contiguous(),
                                   ImageTargets(areas, thresholds), {},
                                   SvmOptions(c, seed)),
             "image classifiers");
  scorer.narrow(1, 0, features.size(1)).mul_(scale);
  return scorer;
}

at::Tensor FitRanker(const std::string& name, const at::Tensor& rows,
                     const at::Tensor& counts,
                     const std::vector<int64_t>& sizes, int64_t held_out,
                     const RankConfig& config, uint64_t seed) {
  const at::Tensor accuracies = Accuracies(counts);
  const int64_t fit_images = static_cast<int64_t>(sizes.size()) - held_out;
  const int64_t fit_rows =
      std::accumulate(sizes.begin(), sizes.begin() + fit_images, int64_t{0});
  RankingSvmOptions options;
  options.loss = config.loss;
  options.seed = seed;
  options.c = config.c.at(0);
  if (config.c.size() > 1 && held_out > 0 && fit_images > 0) {
    double best = -1;
    const absl::Span<const int64_t> all(sizes);
    for (double c : config.c) {
      RankingSvmOptions candidate = options;
      candidate.c = c;
      const RankingSvm svm = TrainRankingSvm(rows.narrow(0, 0, fit_rows),
                                             accuracies.narrow(0, 0, fit_rows),
                                             all.first(fit_images), candidate);
      const std::vector<int64_t> picks = RankFirst(
          svm.weights, rows.narrow(0, fit_rows, rows.size(0) - fit_rows),
          all.subspan(fit_images));
      const double iou = CorpusIou(counts, sizes, fit_images, fit_rows, picks);
      if (iou > best) {
        best = iou;
        options.c = c;
      }
    }
    LogInfo(absl::StrCat(name, ": c = ", options.c, ", mean IoU of its picks ",
                         best, " on ", held_out,
                         " training images that it had not learned from"));
  }
  const RankingSvm svm = TrainRankingSvm(rows, accuracies, sizes, options);
  LogGap(svm.gap, options.tolerance, name);
  return svm.weights;
}

}  // namespace segnet_rerank
}  // namespace seg
