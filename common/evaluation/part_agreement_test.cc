#include "common/evaluation/part_agreement.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/datasets/synthetic/articulated.h"
#include "common/datasets/synthetic/generated.h"
#include "common/evaluation/evaluate.h"
#include "common/testing/status_matchers.h"
#include "common/testing/torch_errors.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

// Labels that are known beforehand: of each output, by image.
class Known : public Predictor {
 public:
  explicit Known(std::vector<std::vector<at::Tensor>> labels)
      : labels_(std::move(labels)) {}
  std::vector<std::string> Names() const override {
    std::vector<std::string> names = {"parts", "other"};
    names.resize(labels_.size());
    return names;
  }
  Prediction Predict(const Batch& /*batch*/) override {
    Prediction prediction;
    for (const auto& output : labels_) {
      prediction.labels.push_back(output.at(seen_).unsqueeze(0));
    }
    ++seen_;
    return prediction;
  }

 private:
  std::vector<std::vector<at::Tensor>> labels_;
  size_t seen_ = 0;
};

std::shared_ptr<const Dataset> Masks(std::vector<at::Tensor> masks) {
  DatasetInfo info = ArticulatedInfo();
  info.name = "toy";
  const int64_t size = static_cast<int64_t>(masks.size());
  return GeneratedDataset(info, "toy", 0, size, [masks](int64_t index) {
    Sample sample;
    sample.id = "toy" + std::to_string(index);
    sample.mask = masks[index];
    sample.image =
        at::zeros({3, sample.mask.size(0), sample.mask.size(1)}, at::kByte);
    return sample;
  });
}

absl::StatusOr<Findings> Measured(const Dataset& data, Predictor& predictor,
                                  PartAgreementOptions options = {}) {
  Measures measures;
  measures.push_back(
      std::make_unique<PartAgreement>(data.info(), predictor.Names(), options));
  return Evaluate(data, predictor, measures, {});
}

at::Tensor Map(std::vector<int64_t> values) {
  const int64_t side = std::lround(std::sqrt(values.size()));
  return at::tensor(values).to(at::kByte).view({side, side});
}

const at::Tensor& Centre() {
  static const auto* map = new at::Tensor(Map({0, 0, 0, 0,  //
                                               0, 1, 1, 0,  //
                                               0, 2, 2, 0,  //
                                               0, 0, 0, 0}));
  return *map;
}

TEST(PartAgreementTest, ByHand) {
  // One output has other names for the classes, the second sees one part, one
  // pixel too far to the right.
  const at::Tensor renamed = Map({0, 0, 0, 0,  //
                                  0, 7, 7, 0,  //
                                  0, 3, 3, 0,  //
                                  0, 0, 0, 0});
  const at::Tensor shifted = Map({0, 0, 0, 0,  //
                                  0, 0, 1, 1,  //
                                  0, 0, 1, 1,  //
                                  0, 0, 0, 0});
  Known predictor({{renamed}, {shifted}});
  const auto data = Masks({Centre()});
  ASSERT_OK_AND_ASSIGN(const Findings findings, Measured(*data, predictor));
  const Metrics& m = findings.scalars;
  EXPECT_NEAR(m.at("foreground_iou"), 4 / (4 + 1e-6), 1e-14);
  EXPECT_NEAR(m.at("part_nmi"), 1.0, 1e-14);
  EXPECT_NEAR(m.at("part_ari"), 1.0, 1e-14);
  EXPECT_NEAR(m.at("foreground_nmi"), 1.0, 1e-14);
  EXPECT_NEAR(m.at("foreground_ari"), 1.0, 1e-14);
  EXPECT_NEAR(m.at("other/foreground_iou"), 2 / (6 + 1e-6), 1e-14);
  // Within the foreground: 0, 1 against 0, 1 of the other axis.
  EXPECT_NEAR(m.at("other/foreground_nmi"), 0.0, 1e-14);
  EXPECT_NEAR(m.at("other/foreground_ari"), -0.5, 1e-14);
  EXPECT_LT(m.at("other/part_nmi"), 0.5);
  // A quarter of the image: the four pixels in the middle.
  EXPECT_NEAR(m.at("disc_foreground_iou"), 4 / (4 + 1e-6), 1e-14);
  EXPECT_DOUBLE_EQ(m.at("foreground_gain"),
                   m.at("foreground_iou") - m.at("disc_foreground_iou"));
  EXPECT_NEAR(findings.json.at("disc_share").get<double>(), 0.25, 1e-14);
  ASSERT_FALSE(findings.tables.empty());
  EXPECT_THAT(findings.tables[0],
              HasSubstr("25.0 % of the image, the mean share"));
}

TEST(PartAgreementTest, IgnoredPixelsCountNowhere) {
  at::Tensor mask = Centre().clone();
  mask[1][2] = 255;
  mask[0].fill_(255);
  at::Tensor labels = Centre().clone();
  labels[1][2] = 9;
  labels[0].fill_(4);
  Known predictor({{labels, labels}});
  // An image of nothing else changes nothing.
  const auto data = Masks({mask, at::full({4, 4}, 255, at::kByte)});
  ASSERT_OK_AND_ASSIGN(const Findings findings, Measured(*data, predictor));
  EXPECT_NEAR(findings.scalars.at("foreground_iou"), 3 / (3 + 1e-6), 1e-14);
  EXPECT_NEAR(findings.scalars.at("part_ari"), 1.0, 1e-14);
  EXPECT_NEAR(findings.scalars.at("disc_foreground_iou"), 3 / (3 + 1e-6),
              1e-14);
  EXPECT_NEAR(findings.json.at("disc_share").get<double>(), 3.0 / 11, 1e-14);
}

// The disc, drawn.
TEST(PartAgreementTest, DiscOfAGivenShareAndOfTheDatas) {
  constexpr int64_t kSide = 48;
  std::vector<at::Tensor> masks;
  for (int64_t i = 0; i < 12; ++i) {
    ArticulatedOptions options;
    options.height = options.width = kSide;
    masks.push_back(MakeArticulated(options, i).mask);
  }
  const auto data = Masks(masks);
  double mean_share = 0;
  for (const at::Tensor& mask : masks) {
    mean_share += mask.ne(0).to(at::kDouble).mean().item<double>() / 12;
  }
  for (const double share : {0.2, 0.0}) {
    PartAgreementOptions options;
    options.disc_share = share;
    Known predictor({masks});
    ASSERT_OK_AND_ASSIGN(const Findings findings,
                         Measured(*data, predictor, options));
    const double drawn =
        std::round((share > 0 ? share : mean_share) * 1000) / 1000;
    const at::Tensor offset = at::arange(kSide, at::kDouble) - 23.5;
    const at::Tensor disc =
        ((offset * offset).unsqueeze(1) + offset * offset)
            .lt(drawn * kSide * kSide / 3.14159265358979323846);
    double iou = 0;
    for (const at::Tensor& mask : masks) {
      const at::Tensor truth = mask.ne(0);
      iou += (disc & truth).sum().item<double>() /
             ((disc | truth).sum().item<double>() + 1e-6) / 12;
    }
    EXPECT_NEAR(findings.scalars.at("disc_foreground_iou"), iou, 1e-12);
    EXPECT_NEAR(findings.scalars.at("foreground_iou"), 1.0, 1e-6);
    EXPECT_THAT(findings.tables[0],
                HasSubstr(share > 0 ? "20.0 % of the image, as given"
                                    : "in these data"));
  }
}

TEST(PartAgreementTest, WithoutAnyKnownPixelAndErrors) {
  const at::Tensor none = at::full({4, 4}, 255, at::kByte);
  Known predictor({{Centre()}});
  const auto data = Masks({none});
  ASSERT_OK_AND_ASSIGN(const Findings findings, Measured(*data, predictor));
  for (const char* name : {"foreground_iou", "part_nmi", "foreground_ari",
                           "disc_foreground_iou"}) {
    EXPECT_TRUE(std::isnan(findings.scalars.at(name))) << name;
  }
  PartAgreementOptions options;
  options.disc_share = 1.5;
  ExpectError([&] { PartAgreement(data->info(), {"parts"}, options); },
              "disc_share must be in 0 .. 1, got 1.5");
}

}  // namespace
}  // namespace seg
