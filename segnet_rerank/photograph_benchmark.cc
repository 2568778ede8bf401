// Seconds of each step from a photograph to the pick, medians of nine, and the
// process's peak memory:
//   photograph_benchmark --checkpoint=RUN --input=PHOTO --threads=2
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/app/main.h"
#include "common/app/restore.h"
#include "common/backbones/image_features.h"
#include "common/base/status_macros.h"
#include "common/io/image.h"
#include "common/training/run_folder.h"
#include "segnet_rerank/coarse.h"
#include "segnet_rerank/contour_network.h"
#include "segnet_rerank/image_analysis.h"
#include "segnet_rerank/o2p/div_m_best.h"
#include "segnet_rerank/paper.h"
#include "segnet_rerank/regions/region_pool.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr Command kCommand = {"photograph_benchmark", kRunFlag | kInputFlag,
                              ""};
constexpr int kRepetitions = 9;

template <typename Step>
double MedianSeconds(const Step& step) {
  step();
  std::vector<double> seconds;
  for (int i = 0; i < kRepetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    step();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kRepetitions / 2,
                   seconds.end());
  return seconds[kRepetitions / 2];
}

absl::Status TimeSteps(const MainArgs& args) {
  const c10::InferenceMode inference;
  SEG_ASSIGN_OR_RETURN(Restored<Paper> restored,
                       Restore<Paper>(args, kCommand));
  const Config& config = restored.config;
  SEG_ASSIGN_OR_RETURN(const at::Tensor image, ReadImage(args.input));
  Sample sample;
  sample.id = "photograph";
  sample.image = image;
  const Batch batch = MakeBatch(sample, restored.run.device);
  SEG_ASSIGN_OR_RETURN(const ImageFeatures network,
                       ImageFeatures::EfficientNetLite0(c10::kCPU));
  SEG_ASSIGN_OR_RETURN(const ContourNetwork contours,
                       ContourNetwork::Load(config.regions));
  Model model = restored.models[0];
  const Fitted fitted = model->fitted();

  std::vector<std::pair<std::string, double>> steps;
  const auto time = [&](const std::string& name, const auto& step) {
    steps.emplace_back(name, MedianSeconds(step));
  };
  Regions regions;
  at::Tensor coarse, vectors, shares, features;
  RegionsAndProposals made;
  time("coarse map", [&] {
    coarse =
        at::softmax(model->segnet()->forward(batch.images), 1)[0].to(at::kCPU);
  });
  if (config.generator == Generator::kO2p) {
    time("regions", [&] {
      regions =
          ProposeRegions(image, config.regions, ObjectScore, contours(image));
    });
    time("descriptors and pooling",
         [&] { vectors = RegionVectors(image, regions, config.o2p); });
    time("scores and DivMBest", [&] {
      DivMBest(LinearScores(vectors.matmul(fitted.axes), fitted.region_scorer),
               regions, Pasting(config.o2p, fitted.threshold.item<double>()),
               config.proposals, /*key=*/0);
    });
  }
  const double making = MedianSeconds([&] {
    made = MakeProposals(image, coarse, config, fitted, contours, /*key=*/0);
  });
  if (config.generator != Generator::kO2p) {
    steps.emplace_back("superpixels and random field", making);
  }
  time("features of the image",
       [&] { features = DescribeImage(network, image); });
  time("features of the proposals", [&] {
    shares = ClassShares(made.proposals.labels, model->classes(),
                         /*ignore_label=*/255, coarse.size(1));
    DescribeProposals(image, made.proposals, coarse, shares, features, config,
                      fitted);
  });
  time("all of it", [&] { restored.system->Predict(batch); });
  std::printf("%ld x %ld, %ld regions, %ld proposals, %d threads\n",
              image.size(2), image.size(1),
              regions.members.defined() ? regions.members.size(0) : 0,
              made.proposals.labels.size(0), at::get_num_threads());
  for (const auto& [name, seconds] : steps) {
    std::printf("%-28s %7.3f s\n", name.c_str(), seconds);
  }
  std::printf("peak memory %ld MiB\n", PeakMemoryMib());
  return absl::OkStatus();
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg

int main(int argc, char** argv) {
  return seg::RunMain(argc, argv, seg::segnet_rerank::kCommand,
                      seg::segnet_rerank::Paper::kName,
                      seg::segnet_rerank::TimeSteps);
}
