#include "spn/refinement_head.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/testing/gradcheck.h"

namespace seg {
namespace spn {
namespace {

using ::testing::HasSubstr;
using Kind = RefinementHeadOptions::Kind;
using Form = RefinementHeadOptions::Form;

SpatialPropagationOptions Rule(bool three_way, GateNormalization rule) {
  return SpatialPropagationOptions().three_way(three_way).normalization(rule);
}

int64_t CountParameters(const RefinementHead& head) {
  int64_t count = 0;
  for (const at::Tensor& p : head->parameters()) count += p.numel();
  return count;
}

TEST(RefinementHeadTest, SizesOfTheReleasedModels) {
  RefinementHead faces(RefinementHeadOptions(11));
  EXPECT_EQ(faces->guidance_channels(), 384);
  // entry 4x4 11 -> 32, deconvolution 4x4 32 -> 64, 3x3 64 -> 11, with biases.
  EXPECT_EQ(CountParameters(faces),
            (16 * 11 * 32 + 32) + (16 * 32 * 64 + 64) + (9 * 64 * 11 + 11));
  RefinementHead voc(RefinementHeadOptions(21).form(Form::kVoc));
  EXPECT_EQ(CountParameters(voc),
            (16 * 21 * 32 + 32) + (9 * 32 * 64 + 64) + (9 * 64 * 21 + 21));
  RefinementHead one_way(RefinementHeadOptions(21).propagation(
      Rule(false, GateNormalization::kTanh)));
  EXPECT_EQ(one_way->guidance_channels(), 128);
}

TEST(RefinementHeadTest, EveryFormKindAndSize) {
  for (const Kind kind : {Kind::kPropagation, Kind::kConvolution}) {
    for (const Form form : {Form::kSupplement, Form::kFaces, Form::kVoc}) {
      RefinementHead head(
          RefinementHeadOptions(3).kind(kind).form(form).channels(4));
      for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{
               {8, 12}, {7, 5}, {1, 6}, {1, 1}}) {
        const at::Tensor coarse = at::rand({2, 3, h, w});
        const at::Tensor gates = at::rand({2, 48, (h + 1) / 2, (w + 1) / 2});
        EXPECT_EQ(head->forward(coarse, gates).sizes(),
                  at::IntArrayRef({2, 3, h, w}));
      }
      EXPECT_EQ(head->forward(at::rand({0, 3, 8, 8}), at::rand({0, 48, 4, 4}))
                    .sizes(),
                at::IntArrayRef({0, 3, 8, 8}));
    }
  }
}

TEST(RefinementHeadTest, ZeroGatesPropagateNothing) {
  // With gates 0 each unit returns its input: no pixel far away has a say.
  at::manual_seed(5);
  RefinementHead head(RefinementHeadOptions(2).channels(4).propagation(
      Rule(true, GateNormalization::kClamp)));
  at::Tensor coarse = at::rand({1, 2, 32, 32});
  const at::Tensor gates = at::zeros({1, 48, 16, 16});
  const at::Tensor before = head->forward(coarse, gates);
  coarse.select(3, 31).fill_(5);
  const at::Tensor after = head->forward(coarse, gates);
  EXPECT_TRUE(at::equal(before.narrow(3, 0, 24), after.narrow(3, 0, 24)));
  EXPECT_FALSE(at::equal(before.select(3, 31), after.select(3, 31)));
}

TEST(RefinementHeadTest, OpenGatesReachAcrossTheImage) {
  at::manual_seed(5);
  RefinementHead head(RefinementHeadOptions(2).channels(4).propagation(
      Rule(true, GateNormalization::kClamp)));
  at::Tensor coarse = at::rand({1, 2, 32, 32});
  const at::Tensor gates = at::full({1, 48, 16, 16}, 0.3);
  const at::Tensor before = head->forward(coarse, gates);
  coarse.select(3, 31).fill_(5);
  EXPECT_FALSE(at::equal(before.select(3, 0),
                         head->forward(coarse, gates).select(3, 0)));
}

TEST(RefinementHeadTest, GradientMatchesFiniteDifferences) {
  at::manual_seed(6);
  for (const Form form : {Form::kSupplement, Form::kFaces, Form::kVoc}) {
    RefinementHead head(
        RefinementHeadOptions(2).channels(2).form(form).propagation(
            Rule(true, GateNormalization::kTanh)));
    head->to(at::kDouble);
    EXPECT_TRUE(GradCheck(
        [&](const std::vector<at::Tensor>& in) {
          return head->forward(in[0], in[1]);
        },
        {at::rand({1, 2, 6, 5}, at::kDouble),
         at::randn({1, 24, 3, 3}, at::kDouble)}));
  }
}

TEST(RefinementHeadTest, WrongShapesAreNamed) {
  RefinementHead head(RefinementHeadOptions(3).channels(4));
  const auto message = [&](const at::Tensor& coarse, const at::Tensor& gates) {
    try {
      head->forward(coarse, gates);
    } catch (const c10::Error& e) {
      return std::string(e.what_without_backtrace());
    }
    return std::string();
  };
  EXPECT_THAT(message(at::rand({1, 4, 8, 8}), at::rand({1, 48, 4, 4})),
              HasSubstr("coarse must be [N,3,H,W], got [1, 4, 8, 8]"));
  EXPECT_THAT(message(at::rand({1, 3, 8, 8}), at::rand({1, 47, 4, 4})),
              HasSubstr("guidance must be [1,48,4,4], got [1, 47, 4, 4]"));
  EXPECT_THROW(RefinementHead(RefinementHeadOptions(3).propagation(
                   Rule(false, GateNormalization::kDivide))),
               c10::Error);
}

}  // namespace
}  // namespace spn
}  // namespace seg
