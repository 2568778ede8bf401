#include "crfgrad/states.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/datasets/dataset.h"
#include "common/io/image.h"
#include "common/testing/status_matchers.h"
#include "crfgrad/config.h"
#include "crfgrad/model.h"
#include "crfgrad/system.h"

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

TEST(MixColoursTest, SharesOfColours) {
  const Palette palette = {{0, 0, 0}, {200, 100, 0}, {0, 0, 40}};
  const at::Tensor q =
      at::tensor({0.f, 0.5f, 1.f, 0.25f, 0.f, 0.25f}).view({3, 1, 2});
  const at::Tensor rgb = MixColours(q, palette);
  ASSERT_EQ(rgb.sizes(), at::IntArrayRef({3, 1, 2}));
  EXPECT_TRUE(at::equal(
      rgb, at::tensor({200, 50, 100, 25, 0, 10}, at::kByte).view({3, 1, 2})));
  EXPECT_THROW(MixColours(q, {{0, 0, 0}}), c10::Error);
}

TEST(StatePicturesTest, TheFirstImagesAndSomeIterations) {
  at::manual_seed(4);
  Config config;
  config.crf.iterations = 12;
  config.crf.leak = 0.2;
  Model model(config, 2);
  model->eval();
  System system(model);
  DatasetInfo info;
  info.class_names = {"background", "thing"};
  info.palette = {{0, 0, 0}, {255, 0, 0}};
  StatePictures pictures(info, 1, &system);
  const c10::InferenceMode inference;
  for (const char* id : {"a", "b"}) {
    Sample sample;
    sample.id = id;
    sample.image = at::randint(0, 256, {3, 16, 20}, at::kByte);
    sample.mask = at::zeros({16, 20}, at::kByte);
    const Batch batch = MakeBatch(sample, c10::kCPU);
    const Prediction prediction = system.Predict(batch);
    ASSERT_OK(pictures.Add({sample, batch, prediction}));
    // What is drawn has an energy, whatever the leak.
    const System::States& states = system.states();
    ASSERT_EQ(states.feasible.size(), states.q.size());
    EXPECT_GE(states.feasible.back().min().item<float>(), 0);
    EXPECT_LT(states.q.back().min().item<float>(), 0);
  }
  Findings findings;
  ASSERT_OK(pictures.Finish(&findings));
  ASSERT_EQ(findings.report.pictures.size(), 1u);
  const ReportPicture& picture = findings.report.pictures[0];
  EXPECT_EQ(picture.title, "a");
  std::vector<std::string> labels;
  for (const ReportPanel& panel : picture.panels) labels.push_back(panel.label);
  EXPECT_THAT(labels, ::testing::ElementsAre("image", "truth", "t = 0", "t = 1",
                                             "t = 2", "t = 3", "t = 5",
                                             "t = 10", "t = 12"));
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
