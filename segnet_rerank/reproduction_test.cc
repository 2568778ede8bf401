// What can be checked of the paper in seconds or a few minutes on a CPU: sizes
// of the networks, the behaviour of the losses, claims on generated pictures,
// and that the record fits together.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "common/base/runfiles.h"
#include "common/reproduction/table.h"
#include "common/testing/status_matchers.h"
#include "segnet_rerank/ranking_features.h"
#include "segnet_rerank/segnet.h"

namespace seg {
namespace segnet_rerank {
namespace {

int64_t Count(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& p : module.parameters()) count += p.numel();
  return count;
}

// Below a tenth of CaffeNet's 60,965,224 parameters, for the kernels that the
// paper leaves open. (3 is the least with which a cell sees the whole image.)
TEST(ReproductionTest, SizesOfSegNet) {
  const std::vector<std::pair<int64_t, int64_t>> sizes = {
      {1, 2386197}, {3, 2800917}, {5, 3630357}, {7, 4874517}};
  for (const auto& [kernel, size] : sizes) {
    SegNetConfig config;
    config.trunk = Trunk::kCaffeNet;
    config.kernel = kernel;
    SegNet net(config, 21);
    EXPECT_EQ(Count(*net), size) << kernel;
    EXPECT_LT(10 * size, 60965224) << kernel;
    EXPECT_EQ(net->input_size(), 227);
  }
}

// The groups of Sec. 4.2 whose sizes the paper names.
TEST(ReproductionTest, SizesOfTheFeatures) {
  std::vector<std::string> found;
  for (const FeatureGroup& group : FeatureLayout(21)) {
    found.push_back(group.name + " " + std::to_string(group.size));
  }
  for (const char* expected :
       {"segnet_kl 2", "segnet_overlap 84", "classification 20",
        "size_classification 80", "centroids 420", "pair_mass 210",
        "co_occurrence 210", "contours 120"}) {
    EXPECT_THAT(found, testing::Contains(expected));
  }
}

// reported.yaml, results/ and the rendered documents agree.
TEST(ReproductionTest, TheRecordFitsTogether) {
  EXPECT_OK(CheckPaper(Runfile("segnet_rerank")));
}

}  // namespace
}  // namespace segnet_rerank
}  // namespace seg
