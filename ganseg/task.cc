#include "ganseg/task.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "common/losses/cross_entropy.h"
#include "common/losses/dice.h"
#include "ganseg/heatmaps.h"
#include "ganseg/losses.h"

namespace seg {
namespace ganseg {
namespace {

constexpr char kDiscriminator[] = "discriminator";
constexpr char kGenerator[] = "generator";
constexpr char kSegmenter[] = "segmenter";
constexpr char kAutoencoder[] = "autoencoder";

// Bounds of section 13 of the fact sheet (ours, not the paper's), seen this
// many times in a row.
constexpr int64_t kAlarmUpdates = 20;
// What they look at is computed at every so many updates.
constexpr int64_t kAlarmEvery = 16;

// While it lives, the parameters of a network need no gradients: the graph that
// is recorded leaves them out.
class WithoutGradients {
 public:
  explicit WithoutGradients(torch::nn::Module& module)
      : parameters_(module.parameters()) {
    for (at::Tensor& p : parameters_) p.set_requires_grad(false);
  }
  ~WithoutGradients() {
    for (at::Tensor& p : parameters_) p.set_requires_grad(true);
  }

 private:
  std::vector<at::Tensor> parameters_;
};

// What the alarms look at: scalars of a batch of generated pictures.
std::vector<std::pair<std::string, at::Tensor>> AlarmScalars(
    const Generated& generated) {
  const at::NoGradGuard no_grad;
  const int64_t parts = generated.centres.size(1);
  const at::Tensor scale =
      MeanAbsoluteDeviation(generated.points.detach(), parts);
  return {{"largest_share",
           generated.masks.detach().mean(at::IntArrayRef({0, 2, 3})).max()},
          {"largest_scale", scale.max()},
          {"centre_deviation", generated.centres.detach().std(0).mean()},
          {"largest_coordinate", generated.points.detach().abs().max()}};
}

}  // namespace

GansegTask::GansegTask(const Config& config, Model model)
    : config_(config), model_(std::move(model)) {
  const int64_t boundary = config_.FirstSegmenterStep();
  if (config_.has_gan()) {
    Phase discriminator;
    discriminator.name = kDiscriminator;
    discriminator.groups = {{"all", model_->discriminator()->parameters(),
                             config_.discriminator.lr}};
    discriminator.end_step = boundary;
    phases_.push_back(std::move(discriminator));
    Phase generator;
    generator.name = kGenerator;
    generator.groups = {{"all", model_->generator()->parameters()}};
    generator.end_step = boundary;
    phases_.push_back(std::move(generator));
  }
  if (config_.has_encoder()) {
    Phase autoencoder;
    autoencoder.name = kAutoencoder;
    autoencoder.groups = {{"all", model_->parameters()}};
    phases_.push_back(std::move(autoencoder));
  }
  if (config_.has_segmenter()) {
    Phase segmenter;
    segmenter.name = kSegmenter;
    segmenter.groups = {{"all", model_->segmenter()->parameters()}};
    segmenter.first_step = boundary;
    segmenter.optimizer = config_.segmenter.optimizer;
    phases_.push_back(std::move(segmenter));
  }
}

std::vector<Phase> GansegTask::Phases() { return phases_; }

std::vector<ScalarBound> GansegTask::Bounds() {
  if (!config_.has_gan()) return {};
  using Side = ScalarBound::Side;
  const std::string remedy =
      "; try another --seed, a larger generator.points_per_part or a smaller "
      "loss.concentration";
  return {
      {"generator_largest_share", Side::kAbove, 0.98, kAlarmUpdates,
       "one part or the background covers more than 98 % of the pictures" +
           remedy},
      {"generator_largest_scale", Side::kBelow, 1.0 / 64, kAlarmUpdates,
       "every part's points are less than a pixel of 128 apart" + remedy},
      {"generator_centre_deviation", Side::kBelow, 0.01, kAlarmUpdates,
       "parts are at the same place in all pictures" + remedy},
      {"generator_largest_coordinate", Side::kAbove, 0.95, kAlarmUpdates,
       "points are at the picture's border" + remedy},
      {"generator_adversarial", Side::kAbove, 5, 16 * kAlarmUpdates,
       "the discriminator always wins" + remedy},
  };
}

bool GansegTask::TakesFromOtherRun(const std::string& name) const {
  return config_.stage != Stage::kSegmenter ||
         !absl::StartsWith(name, kSegmenter);
}

void GansegTask::SetTraining(int64_t step) {
  model_->train();
  if (step < config_.FirstSegmenterStep()) return;
  Freeze(*model_->generator());
  if (config_.has_gan()) Freeze(*model_->discriminator());
}

std::optional<int64_t> GansegTask::KindOfStep(int64_t phase,
                                              int64_t step) const {
  const std::string& name = phases_[static_cast<size_t>(phase)].name;
  if (name == kSegmenter) return 0;
  // The average of the generator's weights depends on the step.
  if (name == kDiscriminator && config_.generator_ema > 0) return std::nullopt;
  const LossConfig& loss = config_.loss;
  const bool penalized = step % loss.gradient_penalty_every == 0;
  const bool shaped = step % loss.shape_every == 0;
  const bool watched = step % kAlarmEvery == 0;
  return name == kDiscriminator ? penalized : 2 * shaped + watched;
}

StepLoss GansegTask::Loss(int64_t phase, const Batch& batch, int64_t step) {
  const std::string& name = phases_[static_cast<size_t>(phase)].name;
  if (name == kSegmenter) return LossOfSegmenter();
  const int64_t size = model_->image_size();
  TORCH_CHECK(batch.images.size(2) == size && batch.images.size(3) == size,
              "images are ", batch.images.size(2), " x ", batch.images.size(3),
              " (rows x columns), the generator's ", size, " x ", size,
              "; set data.resize_height and data.resize_width to ", size,
              " (or data.synthetic.height and .width)");
  if (name == kAutoencoder) return LossOfAutoencoder(batch, step);
  return name == kDiscriminator ? LossOfDiscriminator(batch, step)
                                : LossOfGenerator(batch, step);
}

StepLoss GansegTask::LossOfDiscriminator(const Batch& batch, int64_t step) {
  model_->AverageGenerator(step);  // as the last update left it
  const LossConfig& loss = config_.loss;
  const bool penalized =
      loss.gradient_penalty > 0 && step % loss.gradient_penalty_every == 0;
  at::Tensor fake;
  {
    const at::NoGradGuard no_grad;
    Generator& generator = model_->generator();
    fake = generator
               ->forward(SampleLatents(batch.images.size(0),
                                       generator->options(), model_->device()))
               .images;
  }
  at::Tensor real = FromColours(batch.images);
  if (penalized) real.set_requires_grad(true);
  Discriminator& discriminator = model_->discriminator();
  const at::Tensor real_scores = discriminator->forward(real);
  const at::Tensor fake_scores = discriminator->forward(fake);
  StepLoss result;
  result.loss = DiscriminatorLoss(real_scores, fake_scores);
  result.logged = {{"real_score", real_scores.detach().mean()},
                   {"fake_score", fake_scores.detach().mean()}};
  if (penalized) {
    const at::Tensor penalty =
        GradientPenalty(real_scores, real, loss.gradient_penalty_target);
    result.loss = result.loss + loss.gradient_penalty * penalty;
    result.logged.emplace_back("penalty", penalty.detach());
  }
  return result;
}

StepLoss GansegTask::LossOfGenerator(const Batch& batch, int64_t step) {
  Generator& generator = model_->generator();
  const Generated generated = generator->forward(SampleLatents(
      batch.images.size(0), generator->options(), model_->device()));
  StepLoss result;
  {
    const WithoutGradients fixed(*model_->discriminator());
    result.loss =
        GeneratorLoss(model_->discriminator()->forward(generated.images));
  }
  result.logged.emplace_back("adversarial", result.loss.detach());
  AddShapeTerms(generated, step, &result);
  if (step % kAlarmEvery == 0) {
    for (auto& scalar : AlarmScalars(generated)) {
      result.logged.push_back(std::move(scalar));
    }
  }
  return result;
}

StepLoss GansegTask::LossOfAutoencoder(const Batch& batch, int64_t step) {
  const Generated again = model_->Reconstruct(batch.images);
  StepLoss result;
  result.loss = at::mse_loss(again.images, FromColours(batch.images));
  result.logged.emplace_back("reconstruction", result.loss.detach());
  AddShapeTerms(again, step, &result);
  return result;
}

void GansegTask::AddShapeTerms(const Generated& generated, int64_t step,
                               StepLoss* result) const {
  const LossConfig& loss = config_.loss;
  if (step % loss.shape_every != 0 ||
      (loss.concentration == 0 && loss.area == 0)) {
    return;
  }
  const at::Tensor concentration =
      Concentration(generated.masks, generated.centres);
  result->logged.emplace_back("concentration", concentration.detach());
  if (config_.objective == Objective::kAutoencoderB) {  // no points: no area
    result->loss = result->loss + loss.concentration * concentration;
    return;
  }
  const at::Tensor area = Area(generated.masks, generated.points);
  result->loss =
      result->loss + loss.concentration * concentration + loss.area * area;
  result->logged.emplace_back("area", area.detach());
}

StepLoss GansegTask::LossOfSegmenter() {
  const LabelledImages pairs = model_->Sample(config_.segmenter.batch_size);
  const at::Tensor scores = model_->segmenter()->forward(pairs.images);
  const at::Tensor cross_entropy = CrossEntropy(scores, pairs.labels);
  const at::Tensor dice = DiceLoss(scores, pairs.labels);
  const double weight = config_.segmenter.dice;
  model_->CountSegmenterUpdate();
  StepLoss result;
  result.loss = (1 - weight) * cross_entropy + weight * dice;
  result.logged = {{"cross_entropy", cross_entropy.detach()},
                   {"dice", dice.detach()}};
  return result;
}

}  // namespace ganseg
}  // namespace seg
