#include "cgm/evaluation.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cgm/corruption.h"
#include "cgm/objective.h"
#include "common/base/status_macros.h"
#include "common/datasets/random.h"
#include "common/inference/evaluate.h"
#include "common/metrics/arg_max.h"
#include "common/metrics/confusion_matrix.h"
#include "common/metrics/energy_distance.h"

namespace seg {
namespace cgm {
namespace {

constexpr int64_t kBatch = 32;
constexpr int64_t kBatchPixels = int64_t{1} << 23;  // bounds the memory
constexpr double kLeastProbability = 1e-7;          // authors' code

absl::Status CheckDataset(const Dataset& dataset) {
  if (dataset.size() > 0 && dataset.info().has_masks) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      dataset.info().name, dataset.size() == 0
                               ? ": the split is empty"
                               : ": has no masks to evaluate against"));
}

// Samples first, first + 1, .. of one size: at most kBatch of them and, unless
// it is one alone, kBatchPixels.
absl::StatusOr<Batch> ReadBatch(const Dataset& dataset, int64_t first,
                                c10::Device device) {
  Batch batch;
  std::vector<at::Tensor> images, masks;
  for (int64_t i = first; i < std::min(first + kBatch, dataset.size()); ++i) {
    SEG_ASSIGN_OR_RETURN(const Sample sample, dataset.Get(i));
    const int64_t pixels = sample.image.size(1) * sample.image.size(2);
    const int64_t count = static_cast<int64_t>(images.size());
    if (count > 0 && (sample.image.sizes() != images[0].sizes() ||
                      (count + 1) * pixels > kBatchPixels)) {
      break;
    }
    batch.ids.push_back(sample.id);
    images.push_back(sample.image);
    masks.push_back(sample.mask);
  }
  batch.images = at::stack(images).to(at::kFloat);
  batch.masks = at::stack(masks).to(at::kLong);
  MoveBatch(device, &batch);
  return batch;
}

double Ratio(double a, double b) { return b > 0 ? a / b : 0; }

// |a and b| / |a or b| of each row, 0 where both are empty: authors' code.
struct Overlap {
  at::Tensor both, either;  // int64 [N]
  Overlap(const at::Tensor& a, const at::Tensor& b, const at::Tensor& valid)
      : both((a & b & valid).flatten(1).sum(1)),
        either(((a | b) & valid).flatten(1).sum(1)) {}
  at::Tensor Iou() const {
    return both.to(at::kDouble) / either.clamp_min(1).to(at::kDouble);
  }
};

// A running mean of estimates.
class LikelihoodMean {
 public:
  void Add(const at::Tensor& log_weights) {
    const at::Tensor weights =
        log_weights.to(at::kCPU, at::kDouble).contiguous();
    const LikelihoodEstimate estimate = EstimateLogLikelihood(
        {weights.data_ptr<double>(), static_cast<size_t>(weights.numel())});
    sum_ -= estimate.log_likelihood;
    variance_ += estimate.standard_error * estimate.standard_error;
    effective_ += estimate.effective_samples;
    samples_ = estimate.samples;
    ++images_;
  }
  std::optional<LikelihoodScores> Result() const {
    if (images_ == 0) return std::nullopt;
    const double n = static_cast<double>(images_);
    return LikelihoodScores{sum_ / n,
                            samples_ > 1 ? std::sqrt(variance_) / n : 0,
                            effective_ / n, samples_};
  }

 private:
  double sum_ = 0, variance_ = 0, effective_ = 0;
  int64_t samples_ = 0, images_ = 0;
};

// Mean KL, spreads, and latents in use over images of one size.
class LatentMean {
 public:
  void Add(const DiagonalGaussian& p) {
    sigma_p_ += Sigma(p);
    ++images_;
  }
  void Add(const DiagonalGaussian& q, const DiagonalGaussian& p) {
    const at::Tensor kl = KlByComponent(q, p);
    kl_ += kl.sum().item<double>();
    sigma_q_ += Sigma(q);
    if (sum_.defined() && sum_.sizes() != kl.sizes()) one_size_ = false;
    if (one_size_) sum_ = sum_.defined() ? sum_ + kl : kl;
    ++encoded_;
  }
  void Store(GenerativeScores* scores) const {
    if (images_ > 0) scores->sigma_prior = sigma_p_ / images_;
    if (encoded_ == 0) return;
    scores->kl = kl_ / encoded_;
    scores->sigma_recognition = sigma_q_ / encoded_;
    if (one_size_) {
      scores->latents_in_use = LatentsInUse(sum_ / encoded_).item<float>();
    }
  }

 private:
  static double Sigma(const DiagonalGaussian& gaussian) {
    return StandardDeviation(gaussian).mean().item<double>();
  }
  double kl_ = 0, sigma_p_ = 0, sigma_q_ = 0;
  double images_ = 0, encoded_ = 0;
  bool one_size_ = true;
  at::Tensor sum_;
};

// The class probabilities at unseen pixels, see OmissionScores.
at::Tensor Complete(Model& model, const at::Tensor& images,
                    const at::Tensor& target, const at::Tensor& unseen,
                    int64_t rounds) {
  const at::Tensor x =
      model->Prepare(images.masked_fill(unseen.unsqueeze(1), 0));
  const Paths paths = Deterministic(model, x);
  at::Tensor y = paths.both.defined() ? paths.both : paths.cnn;
  if (!model->has_recognition()) return y;
  for (int64_t r = 0; r < rounds; ++r) {
    const at::Tensor seen = at::where(unseen.unsqueeze(1), y, target);
    y = at::softmax(paths.a + model->Generate(model->Recognition(x, seen).mean),
                    1);
  }
  return y;
}

class OmissionMean {
 public:
  void Add(const at::Tensor& probabilities, const at::Tensor& masks,
           const at::Tensor& unseen, int64_t foreground, int64_t ignore) {
    const at::Tensor valid = unseen & masks.ne(ignore);
    const at::Tensor labels = probabilities.argmax(1);
    correct_ += (labels.eq(masks) & valid).sum().item<double>();
    pixels_ += valid.sum().item<double>();
    const Overlap overlap(probabilities.select(1, foreground).gt(0.5),
                          masks.eq(foreground), valid);
    iou_ += overlap.Iou().sum().item<double>();
    images_ += static_cast<double>(masks.size(0));
  }
  OmissionScores Result() const {
    return {Ratio(correct_, pixels_), Ratio(iou_, images_)};
  }

 private:
  double correct_ = 0, pixels_ = 0, iou_ = 0, images_ = 0;
};

}  // namespace

at::Tensor LabelLogLikelihood(const at::Tensor& probabilities,
                              const at::Tensor& target) {
  return (probabilities.to(at::kDouble)
              .clamp(kLeastProbability, 1 - kLeastProbability)
              .log() *
          target.to(at::kDouble))
      .flatten(1)
      .sum(1);
}

LogWeights DrawLogWeights(Model& model, const at::Tensor& x,
                          const at::Tensor& target, int64_t samples,
                          at::Generator& generator) {
  TORCH_CHECK(samples > 0, "DrawLogWeights: samples must be at least 1, got ",
              samples);
  TORCH_CHECK(x.size(0) == 1, "DrawLogWeights: expected one image, got ",
              x.size(0));
  const c10::InferenceMode inference;
  const at::Tensor a = model->RunCnn(x).full;
  LogWeights weights;
  weights.prior = model->Prior(x, a);
  if (model->has_recognition()) {
    weights.recognition = model->Recognition(x, target);
  }
  std::vector<at::Tensor> monte_carlo, importance, posteriors;
  for (int64_t done = 0; done < samples; done += kDecodedAtOnce) {
    const int64_t n = std::min(kDecodedAtOnce, samples - done);
    const DiagonalGaussian p = Rows(weights.prior, n);
    posteriors.push_back(at::softmax(
        a + model->Generate(SampleGaussian(p, Noise(p.mean, generator))), 1));
    monte_carlo.push_back(LabelLogLikelihood(posteriors.back(), target));
    if (!model->has_recognition()) continue;
    const DiagonalGaussian q = Rows(weights.recognition, n);
    const at::Tensor z = SampleGaussian(q, Noise(q.mean, generator));
    importance.push_back(
        LabelLogLikelihood(at::softmax(a + model->Generate(z), 1), target) +
        LogDensity(p, z) - LogDensity(q, z));
  }
  weights.monte_carlo = at::cat(monte_carlo);
  if (!importance.empty()) weights.importance = at::cat(importance);
  weights.posteriors = at::cat(posteriors);
  return weights;
}

const LikelihoodScores* GenerativeScores::Main() const {
  if (importance) return &*importance;
  if (monte_carlo) return &*monte_carlo;
  return exact ? &*exact : nullptr;
}

absl::StatusOr<std::vector<PathScores>> ScorePaths(
    const Dataset& dataset, const BatchPredictFn& predict,
    const std::vector<std::string>& names, int64_t foreground,
    c10::Device device) {
  SEG_RETURN_IF_ERROR(CheckDataset(dataset));
  const c10::InferenceMode inference;
  const DatasetInfo& info = dataset.info();
  std::vector<ConfusionMatrix> confusions(
      names.size(), ConfusionMatrix(info.num_classes(), info.ignore_label));
  std::vector<double> iou(names.size(), 0.0), both(names.size(), 0.0),
      either(names.size(), 0.0);
  for (int64_t first = 0; first < dataset.size();) {
    SEG_ASSIGN_OR_RETURN(const Batch batch, ReadBatch(dataset, first, device));
    first += static_cast<int64_t>(batch.ids.size());
    const at::Tensor truth = batch.masks.eq(foreground);
    const at::Tensor valid = batch.masks.ne(info.ignore_label);
    const std::vector<at::Tensor> outputs =
        PredictBatch(predict, batch, absl::StrJoin(batch.ids, ", "));
    for (size_t k = 0; k < names.size(); ++k) {
      confusions[k].Add(ArgMaxLabels(outputs[k]), batch.masks.to(at::kCPU));
      const Overlap overlap(outputs[k].select(1, foreground).gt(0.5), truth,
                            valid);
      iou[k] += overlap.Iou().sum().item<double>();
      both[k] += overlap.both.sum().item<double>();
      either[k] += overlap.either.sum().item<double>();
    }
  }
  std::vector<PathScores> scores;
  for (size_t k = 0; k < names.size(); ++k) {
    scores.push_back({names[k], confusions[k].PixelAccuracy(),
                      confusions[k].MeanClassAccuracy(),
                      iou[k] / static_cast<double>(dataset.size()),
                      Ratio(both[k], either[k])});
  }
  return scores;
}

absl::StatusOr<GenerativeScores> ScoreGenerative(const Dataset& dataset,
                                                 Model& model,
                                                 const Config& config,
                                                 c10::Device device) {
  SEG_RETURN_IF_ERROR(CheckDataset(dataset));
  const c10::InferenceMode inference;
  const DatasetInfo& info = dataset.info();
  const EvaluationConfig& evaluation = config.evaluation;
  LikelihoodMean exact, monte_carlo, importance;
  LatentMean latent;
  OmissionMean omission;
  EnergyDistanceOptions energy_options;
  energy_options.num_classes = info.num_classes();
  energy_options.first_class = info.num_classes() > 1 ? 1 : 0;
  energy_options.ignore_label = info.ignore_label;
  double energy = 0, diversity = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    SEG_ASSIGN_OR_RETURN(const Sample sample, dataset.Get(i));
    const Batch batch = MakeBatch(sample, device);
    const auto source = [&](uint64_t use) {
      return MakeGenerator(
          RandomKey({static_cast<uint64_t>(config.inference.seed),
                     static_cast<uint64_t>(i), use}));
    };
    const at::Tensor target = OneHot(batch.masks, model->classes());
    if (evaluation.generative) {
      const at::Tensor x = model->Prepare(batch.images);
      if (!model->samples()) {
        const Paths paths = Deterministic(model, x);
        exact.Add(LabelLogLikelihood(
            paths.both.defined() ? paths.both : paths.cnn, target));
      } else {
        const int64_t samples =
            std::max(evaluation.likelihood_samples, evaluation.energy_samples);
        at::Generator noise = source(0);
        const LogWeights weights =
            DrawLogWeights(model, x, target, samples, noise);
        const auto used = [&](const at::Tensor& w) {
          return w.narrow(0, 0, evaluation.likelihood_samples);
        };
        monte_carlo.Add(used(weights.monte_carlo));
        if (weights.importance.defined()) {
          importance.Add(used(weights.importance));
        }
        const EnergyDistance distance = GeneralizedEnergyDistance(
            weights.posteriors.narrow(0, 0, evaluation.energy_samples)
                .argmax(1)
                .to(at::kCPU),
            batch.masks.to(at::kCPU), energy_options);
        energy += distance.squared;
        diversity += distance.samples;
        latent.Add(weights.prior);
        if (model->has_recognition()) {
          latent.Add(weights.recognition, weights.prior);
        }
      }
    }
    if (evaluation.omission_block > 0) {
      const at::Tensor unseen =
          OmittedPixels(1, batch.images.size(2), batch.images.size(3),
                        evaluation.omission_block, evaluation.omitted,
                        source(1))
              .to(device);
      omission.Add(Complete(model, batch.images, target, unseen,
                            evaluation.omission_rounds),
                   batch.masks, unseen, evaluation.foreground,
                   info.ignore_label);
    }
  }
  GenerativeScores scores;
  scores.exact = exact.Result();
  scores.monte_carlo = monte_carlo.Result();
  scores.importance = importance.Result();
  latent.Store(&scores);
  if (evaluation.generative && model->samples()) {
    const double images = static_cast<double>(dataset.size());
    scores.energy_distance = energy / images;
    scores.sample_diversity = diversity / images;
  }
  if (evaluation.omission_block > 0) scores.omission = omission.Result();
  return scores;
}

}  // namespace cgm
}  // namespace seg
