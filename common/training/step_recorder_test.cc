#include "common/training/step_recorder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace seg {
namespace {

// Computes where a GPU would launch: what is left are the recorder's own parts.
class PlainGraph : public StepGraph {
 public:
  void Record(const std::function<void()>& work) override {
    TORCH_CHECK(!refuses, "operation not permitted when stream is capturing");
    work_ = work;
    work_();
  }
  void Replay() override {
    ++replays;
    work_();
  }
  static inline bool refuses = false;
  static inline int replays = 0;

 private:
  std::function<void()> work_;
};

struct Model {
  at::Tensor weight = at::ones({3}).requires_grad_();
  at::Tensor unused = at::ones({1}).requires_grad_();
  int calls = 0;

  PhaseResult Compute(const Batch& batch) {
    ++calls;
    weight.mutable_grad() = at::Tensor();
    const at::Tensor loss = (batch.images * weight).sum();
    loss.backward();
    return {loss.detach(),
            {{"twice", loss.detach() * 2}},
            at::ones({}),
            at::zeros({})};
  }
};

Batch Images(double value, int64_t rows = 2) {
  Batch batch;
  batch.images = at::full({rows, 3}, value);
  return batch;
}

class StepRecorderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    PlainGraph::refuses = false;
    PlainGraph::replays = 0;
    RegisterStepGraph([]() -> std::unique_ptr<StepGraph> {
      return std::make_unique<PlainGraph>();
    });
  }
  void TearDown() override { RegisterStepGraph(nullptr); }

  PhaseResult Run(const std::string& key, const Batch& batch) {
    return recorder_.Run(key, batch, {model_.weight, model_.unused},
                         [this](const Batch& b) { return model_.Compute(b); });
  }

  Model model_;
  StepRecorder recorder_;
};

TEST_F(StepRecorderTest, ComputesTwiceThenReplaysWithTheBatchOfTheStep) {
  for (int i = 1; i <= 5; ++i) {
    const PhaseResult result = Run("main 0", Images(i));
    EXPECT_EQ(result.loss.item<float>(), 6.0F * i);
    EXPECT_EQ(result.logged[0].first, "twice");
    EXPECT_EQ(result.logged[0].second.item<float>(), 12.0F * i);
    EXPECT_TRUE(model_.weight.grad().equal(at::full({3}, 2.0 * i)));
    EXPECT_FALSE(model_.unused.grad().defined());
    EXPECT_EQ(PlainGraph::replays, std::max(0, i - 2));
  }
}

TEST_F(StepRecorderTest, KeysAndShapesHaveRecordingsOfTheirOwn) {
  for (int i = 1; i <= 4; ++i) {
    EXPECT_EQ(Run("a", Images(i)).loss.item<float>(), 6.0F * i);
    EXPECT_EQ(Run("b", Images(10 * i)).loss.item<float>(), 60.0F * i);
    EXPECT_EQ(Run("a", Images(i, 5)).loss.item<float>(), 15.0F * i);
  }
  EXPECT_EQ(PlainGraph::replays, 6);
}

TEST_F(StepRecorderTest, ResultsOutliveTheNextReplay) {
  std::vector<PhaseResult> results;
  for (int i = 1; i <= 5; ++i) results.push_back(Run("main 0", Images(i)));
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(results[i - 1].loss.item<float>(), 6.0F * i);
  }
}

TEST_F(StepRecorderTest, WhatCannotBeRecordedIsComputed) {
  PlainGraph::refuses = true;
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(Run("main 0", Images(i)).loss.item<float>(), 6.0F * i);
  }
  EXPECT_EQ(model_.calls, 5);
  EXPECT_EQ(PlainGraph::replays, 0);
}

TEST_F(StepRecorderTest, ABuildWithoutCudaComputes) {
  RegisterStepGraph(nullptr);
  for (int i = 1; i <= 4; ++i) {
    EXPECT_EQ(Run("main 0", Images(i)).loss.item<float>(), 6.0F * i);
  }
  EXPECT_EQ(model_.calls, 4);
}

}  // namespace
}  // namespace seg
