#include "crfgrad/states.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/io/image.h"
#include "common/testing/status_matchers.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"

namespace seg {
namespace crfgrad {
namespace {

TEST(WriteStatesTest, LabelsBeforeTheFirstIterationAndAfterEach) {
  at::manual_seed(3);
  Config config;
  config.crf.iterations = 3;
  Model model(config, 4);
  model->eval();
  Sample sample;
  sample.image = at::randint(0, 256, {3, 21, 30}, at::kByte);
  const std::string prefix = ::testing::TempDir() + "/states_test";
  const Palette palette = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}, {0, 0, 255}};
  ASSERT_OK(WriteStates(prefix, sample, palette, c10::kCPU, &model));

  const auto labels = [&](int64_t t) {
    return ReadMask(prefix + "_state-" + std::to_string(t) + ".png");
  };
  const auto same = [](const at::Tensor& mask, const at::Tensor& scores) {
    return at::equal(mask, scores[0].argmax(0).to(at::kByte));
  };
  // The last state is what predict gives; a state of the middle is what fewer
  // iterations give.
  const Batch batch = MakeBatch(sample, c10::kCPU);
  const c10::InferenceMode inference;
  for (const int64_t t : {1, 2, 3}) {
    ASSERT_OK_AND_ASSIGN(const at::Tensor mask, labels(t));
    Config shorter = config;
    shorter.crf.iterations = t;
    Model same_weights(shorter, 4);
    const auto from = model->named_parameters();
    for (auto& parameter : same_weights->named_parameters()) {
      parameter.value().copy_(from[parameter.key()]);
    }
    same_weights->eval();
    EXPECT_TRUE(same(mask, same_weights->Predict(batch)[0])) << t;
  }
  // Inference starts at the FCN's labels, and changes them.
  ASSERT_OK_AND_ASSIGN(const at::Tensor start, labels(0));
  EXPECT_TRUE(same(start, model->Predict(batch)[1]));
  EXPECT_FALSE(at::equal(start, labels(3).value()));
  EXPECT_FALSE(labels(4).ok());
}

TEST(WriteStatesTest, AFolderThatIsNotThereIsNamed) {
  Model model(Config(), 2);
  model->eval();
  const std::string prefix = ::testing::TempDir() + "/no_such_folder/a";
  Sample sample;
  sample.image = at::zeros({3, 8, 8}, at::kByte);
  EXPECT_THAT(
      WriteStates(prefix, sample, {{0, 0, 0}, {1, 1, 1}}, c10::kCPU, &model),
      StatusIs(absl::StatusCode::kNotFound, ::testing::HasSubstr(prefix)));
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
