#include "cgm/evaluation.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cgm/inference.h"
#include "cgm/paper.h"
#include "cgm/score_table.h"
#include "cgm/tiny_model.h"
#include "common/evaluation/evaluate.h"
#include "common/testing/count_operators.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace cgm {
namespace {

using ::testing::HasSubstr;

// Images in memory.
class Memory : public Dataset {
 public:
  explicit Memory(std::vector<Sample> samples, bool has_masks = true)
      : samples_(std::move(samples)) {
    info_.name = "memory";
    info_.class_names = {"ground", "thing"};
    info_.palette.resize(2);
    info_.has_masks = has_masks;
  }
  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override {
    return static_cast<int64_t>(samples_.size());
  }
  std::string id(int64_t i) const override { return samples_[i].id; }
  absl::StatusOr<Sample> Get(int64_t i) const override { return samples_[i]; }

 private:
  DatasetInfo info_;
  std::vector<Sample> samples_;
};

Sample MakeSample(const std::string& id, const at::Tensor& mask) {
  Sample sample;
  sample.id = id;
  sample.image = at::randint(256, {3, mask.size(0), mask.size(1)}, at::kByte);
  sample.mask = mask.to(at::kByte);
  return sample;
}

TEST(LabelLogLikelihoodTest, ByHand) {
  // Pixels: label 0 with 0.25, label 1 with 0 (cut to 1e-7), void.
  const at::Tensor p = at::tensor(std::vector<double>{0.25, 1, 0.5,  //
                                                      0.75, 0, 0.5})
                           .view({1, 2, 1, 3});
  const at::Tensor target = at::tensor(std::vector<double>{1, 0, 0,  //
                                                           0, 1, 0})
                                .view({1, 2, 1, 3});
  EXPECT_NEAR(LabelLogLikelihood(p, target).item<double>(),
              std::log(0.25) + std::log(1e-7), 1e-12);
}

TEST(LogWeightsTest, WithoutInfluenceOfZEveryWeightIsExact) {
  const c10::InferenceMode inference;
  Model model = MakeModel("cvae");
  for (auto& item : model->named_parameters()) {
    if (item.key().find("generator.head.weight") == 0) item.value().zero_();
  }
  const at::Tensor x = model->Prepare(Images(1).images);
  const at::Tensor target = OneHot(at::randint(2, {1, 32, 32}, at::kLong), 2);
  at::Generator generator = MakeGenerator(1);
  const LogWeights weights = DrawLogWeights(model, x, target, 20, generator);
  const at::Tensor exact =
      LabelLogLikelihood(Deterministic(model, x).both, target);
  EXPECT_EQ(weights.monte_carlo.sizes(), at::IntArrayRef({20}));
  EXPECT_EQ(weights.posteriors.sizes(), at::IntArrayRef({20, 2, 32, 32}));
  // Sums of 1,024 float logarithms.
  EXPECT_TRUE(
      at::allclose(weights.monte_carlo, exact.expand({20}), 1e-5, 1e-3));
  EXPECT_THROW(DrawLogWeights(model, x, target, 0, generator), c10::Error);
}

// One latent number, so that p(y|x) is an integral over a line; q and p are far
// apart, so that every factor of the weights counts.
TEST(LogWeightsTest, BothEstimatorsMatchExactIntegration) {
  const c10::InferenceMode inference;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    at::manual_seed(seed);
    ModelConfig config = Tiny("hybrid");
    config.latent_channels = 1;
    Model model(config, 2);
    model->eval();
    auto parameters = model->named_parameters();
    parameters["prior.latent.mean.bias"].fill_(0.3);
    parameters["prior.latent.log_variance.bias"].fill_(-0.2);
    parameters["recognition.latent.mean.bias"].fill_(0);
    parameters["recognition.latent.log_variance.bias"].fill_(0.6);
    const at::Tensor x = model->Prepare(255 * at::rand({1, 3, 16, 16}));
    const at::Tensor target = OneHot(RandomMasks(1, 16, 2), 2);
    constexpr int64_t kPoints = 4801;
    constexpr double kEnd = 12;
    const at::Tensor z = at::linspace(-kEnd, kEnd, kPoints).view({-1, 1, 1, 1});
    const at::Tensor a = model->RunCnn(x).full;
    const at::Tensor joint =
        LabelLogLikelihood(at::softmax(a + model->Generate(z), 1), target) +
        LogDensity(Rows(model->Prior(x, a), kPoints), z);
    const double exact = at::logsumexp(joint, {0}).item<double>() +
                         std::log(2 * kEnd / (kPoints - 1));
    at::Generator generator = MakeGenerator(seed);
    const LogWeights weights =
        DrawLogWeights(model, x, target, 2000, generator);
    for (const at::Tensor& w : {weights.monte_carlo, weights.importance}) {
      const LikelihoodEstimate estimate = EstimateLogLikelihood(
          {w.data_ptr<double>(), static_cast<size_t>(w.numel())});
      EXPECT_GT(estimate.effective_samples, 1000);
      EXPECT_NEAR(estimate.log_likelihood, exact, 4 * estimate.standard_error);
    }
  }
}

TEST(PathScoresTest, ByHand) {
  // Truth: image 0 has the thing in the left half, image 1 has none; the last
  // row is void. Prediction: the thing in the upper half.
  at::Tensor left = at::zeros({4, 4}, at::kByte);
  left.narrow(1, 0, 2).fill_(1);
  left[3].fill_(255);
  at::Tensor none = at::zeros({4, 4}, at::kByte);
  none[3].fill_(255);
  const Memory data({MakeSample("a", left), MakeSample("b", none)});
  FunctionPredictor predictor({"both"}, [](const Batch& batch) {
    at::Tensor p = at::zeros({batch.images.size(0), 2, 4, 4});
    p.select(1, 0).fill_(0.9);
    p.select(1, 0).narrow(1, 0, 2).fill_(0.2);
    p.select(1, 1).copy_(1 - p.select(1, 0));
    return std::vector<at::Tensor>{p};
  });
  auto scores =
      std::make_unique<SegmentationScores>(data.info(), predictor.Names());
  auto paths = std::make_unique<PathScores>(scores.get(), 1);
  Measures measures;
  measures.push_back(std::move(scores));
  measures.push_back(std::move(paths));
  EvaluateOptions options;
  options.batch_size = 2;
  ASSERT_OK_AND_ASSIGN(const Findings findings,
                       Evaluate(data, predictor, measures, options));
  // Image 0: 4 of 6 hit, 4 false, 2 missed of 12 pixels: 6 right; image 1: 8
  // false: 4 right.
  for (const std::string prefix : {"", "both/"}) {
    const auto found = [&](const std::string& name) {
      return findings.scalars.at(prefix + name);
    };
    EXPECT_DOUBLE_EQ(found("pixel_accuracy"), 10.0 / 24);
    EXPECT_DOUBLE_EQ(found("class_accuracy"), 0.5 * (4.0 / 6 + 6.0 / 18));
    EXPECT_DOUBLE_EQ(found("image_iou"), 0.5 * (4.0 / 10 + 0));
    EXPECT_DOUBLE_EQ(found("corpus_iou"), 4.0 / 18);
  }
}

// What GenerativeMeasure finds on a data set.
absl::StatusOr<GenerativeScores> Score(const Dataset& data, Model& model,
                                       const Config& config,
                                       int64_t batch_size = 1) {
  System system({model}, config.inference);
  Measures measures;
  measures.push_back(
      std::make_unique<GenerativeMeasure>(data.info(), config, &system));
  EvaluateOptions options;
  options.batch_size = batch_size;
  const auto findings = Evaluate(data, system, measures, options);
  if (!findings.ok()) return findings.status();
  return static_cast<GenerativeMeasure&>(*measures[0]).scores();
}

TEST(GenerativeMeasureTest, EstimatorsByType) {
  at::manual_seed(2);
  // One mask of a single class, one all void, two sizes.
  const Memory data({MakeSample("a", at::zeros({16, 16})),
                     MakeSample("b", at::full({16, 16}, 255)),
                     MakeSample("c", at::randint(2, {32, 16}, at::kByte))});
  Config config;
  config.evaluation.likelihood_samples = 5;
  config.evaluation.energy_samples = 3;
  config.evaluation.omission_block = 4;
  for (const std::string type : {"cnn", "gdnn", "gsnn", "cvae", "hybrid"}) {
    Model model = MakeModel(type);
    ASSERT_OK_AND_ASSIGN(const GenerativeScores scores,
                         Score(data, model, config));
    const bool sampled = model->samples(), q = model->has_recognition();
    EXPECT_EQ(scores.exact.has_value(), !sampled) << type;
    EXPECT_EQ(scores.monte_carlo.has_value(), sampled) << type;
    EXPECT_EQ(scores.importance.has_value(), q) << type;
    EXPECT_EQ(scores.energy_distance.has_value(), sampled) << type;
    EXPECT_EQ(scores.kl.has_value(), q) << type;
    EXPECT_FALSE(scores.latents_in_use.has_value()) << type;  // two sizes
    ASSERT_NE(scores.Main(), nullptr) << type;
    EXPECT_TRUE(std::isfinite(scores.Main()->negative_cll)) << type;
    EXPECT_GT(scores.Main()->negative_cll, 0) << type;
    if (sampled) {
      EXPECT_EQ(scores.Main()->samples, 5);
      EXPECT_GE(scores.Main()->effective_samples, 1);
      EXPECT_GE(scores.Main()->standard_error, 0);
    }
    ASSERT_TRUE(scores.omission.has_value()) << type;
    // The same numbers again.
    ASSERT_OK_AND_ASSIGN(const GenerativeScores again,
                         Score(data, model, config));
    EXPECT_EQ(scores.Main()->negative_cll, again.Main()->negative_cll);
    EXPECT_EQ(scores.omission->pixel_accuracy, again.omission->pixel_accuracy);
    // Whatever lies beside an image.
    ASSERT_OK_AND_ASSIGN(const GenerativeScores batched,
                         Score(data, model, config, /*batch_size=*/3));
    EXPECT_NEAR(scores.Main()->negative_cll, batched.Main()->negative_cll,
                1e-4 * scores.Main()->negative_cll);
    Metrics metrics;
    AddScores(scores, &metrics);
    EXPECT_EQ(metrics["negative_cll"], scores.Main()->negative_cll);
    EXPECT_THAT(ScoreTable(scores), HasSubstr("-CLL"));
  }
}

TEST(GenerativeMeasureTest, KlIsOfRecognitionAgainstPrior) {
  const c10::InferenceMode inference;
  at::manual_seed(3);
  const Memory data({MakeSample("a", at::randint(2, {32, 16}, at::kByte))});
  Model model = MakeModel("cvae");
  ASSERT_OK_AND_ASSIGN(const GenerativeScores scores,
                       Score(data, model, Config()));
  ASSERT_OK_AND_ASSIGN(const Sample sample, data.Get(0));
  const Batch batch = MakeBatch(sample, c10::kCPU);
  const at::Tensor x = model->Prepare(batch.images);
  const DiagonalGaussian p = model->Prior(x, model->RunCnn(x).full);
  const DiagonalGaussian q = model->Recognition(x, OneHot(batch.masks, 2));
  const double kl = KlDivergence(q, p).item<double>();
  EXPECT_NEAR(*scores.kl, kl, 1e-4 * kl);
  EXPECT_GT(std::abs(kl - KlDivergence(p, q).item<double>()), 0.01 * kl);
}

// Neither the image nor the labels of an unseen pixel have a say: with all of
// them unseen, flipped labels flip what is right.
TEST(GenerativeMeasureTest, OmissionSeesNothingOfWhatItHides) {
  at::manual_seed(4);
  const Sample sample = MakeSample("a", at::randint(2, {32, 32}, at::kByte));
  Sample flipped = sample;
  flipped.mask = 1 - sample.mask;
  Sample other = sample;
  other.image = 255 - sample.image;
  Config config;
  config.evaluation.generative = false;
  config.evaluation.omission_block = 4;
  config.evaluation.omitted = 1;
  for (const char* type : {"gdnn", "cvae"}) {
    Model model = MakeModel(type);
    const auto accuracy = [&](const Sample& of) {
      const auto scores = Score(Memory({of}), model, config);
      EXPECT_OK(scores);
      return scores->omission->pixel_accuracy;
    };
    EXPECT_DOUBLE_EQ(accuracy(sample) + accuracy(flipped), 1);
    EXPECT_DOUBLE_EQ(accuracy(sample), accuracy(other));
  }
  // Which pixels are hidden does not depend on what else is measured.
  config.evaluation.omitted = 0.5;
  Model model = MakeModel("cvae");
  const Memory data({sample});
  ASSERT_OK_AND_ASSIGN(const GenerativeScores alone,
                       Score(data, model, config));
  config.evaluation.generative = true;
  ASSERT_OK_AND_ASSIGN(const GenerativeScores all, Score(data, model, config));
  EXPECT_EQ(alone.omission->pixel_accuracy, all.omission->pixel_accuracy);
}

// CNN and prior run once for an image, whatever is measured; the recognition
// network once for the likelihood, the generator for the answer and for the
// samples of both estimators.
TEST(GenerativeMeasureTest, EachNetworkSeesAnImageOnce) {
  const c10::InferenceMode inference;
  at::manual_seed(5);
  const Memory data({MakeSample("a", at::randint(2, {16, 16}, at::kByte)),
                     MakeSample("b", at::randint(2, {16, 16}, at::kByte))});
  Config config;
  config.evaluation.likelihood_samples = 4;
  config.evaluation.energy_samples = 4;
  Model model = MakeModel("cvae");
  const at::Tensor x = model->Prepare(Images(1).images);
  const at::Tensor a = model->RunCnn(x).full;
  const at::Tensor z = model->Prior(x, a).mean;
  const auto count = [](const std::function<void()>& body) {
    return CountOperators("aten::convolution", body);
  };
  const int64_t once = count([&] { model->RunCnn(x); }) +
                       count([&] { model->Prior(x, a); }) +
                       count([&] { model->Recognition(x, a); });
  const int64_t generator = count([&] { model->Generate(z); });
  EXPECT_GT(generator, 0);
  System system({model}, config.inference);
  const Measures measures =
      Paper::MakeMeasures(config, system, data.info(), Moment::kEval);
  EXPECT_EQ(measures.size(), 3u);
  const int64_t all =
      count([&] { EXPECT_OK(Evaluate(data, system, measures, {}).status()); });
  EXPECT_EQ(all, 2 * (once + 3 * generator));
}

}  // namespace
}  // namespace cgm
}  // namespace seg
