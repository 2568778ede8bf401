#include "cgm/evaluation.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cgm/objective.h"
#include "common/base/status_macros.h"
#include "common/datasets/random.h"
#include "common/metrics/confusion_matrix.h"
#include "common/metrics/energy_distance.h"

namespace seg {
namespace cgm {
namespace {

constexpr int64_t kBatch = 32;
constexpr int64_t kChunk = 16;              // z that are decoded at once
constexpr double kLeastProbability = 1e-7;  // authors' code

absl::Status CheckDataset(const Dataset& dataset) {
  if (dataset.size() > 0 && dataset.info().has_masks) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      dataset.info().name, dataset.size() == 0
                               ? ": the split is empty"
                               : ": has no masks to evaluate against"));
}

// Samples first, first + 1, .. of one size, at most kBatch.
absl::StatusOr<Batch> ReadBatch(const Dataset& dataset, int64_t first,
                                c10::Device device) {
  Batch batch;
  std::vector<at::Tensor> images, masks;
  for (int64_t i = first; i < std::min(first + kBatch, dataset.size()); ++i) {
    SEG_ASSIGN_OR_RETURN(const Sample sample, dataset.Get(i));
    if (!images.empty() && sample.image.sizes() != images[0].sizes()) break;
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
    const at::Tensor ratio = q.log_variance - p.log_variance;
    const at::Tensor kl =
        0.5 * (ratio.expm1() - ratio +
               (q.mean - p.mean).square() * (-p.log_variance).exp());
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
      scores->latents_in_use = (sum_ / encoded_)
                                   .gt(kLatentInUse)
                                   .to(at::kFloat)
                                   .mean()
                                   .item<float>();
    }
  }

 private:
  static double Sigma(const DiagonalGaussian& gaussian) {
    return (0.5 * gaussian.log_variance).exp().mean().item<double>();
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
  const at::Tensor a = model->RunCnn(x).full;
  for (int64_t r = 0; r < rounds; ++r) {
    const at::Tensor seen = at::where(unseen.unsqueeze(1), y, target);
    y = at::softmax(a + model->Generate(model->Recognition(x, seen).mean), 1);
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
  const DiagonalGaussian p = model->Prior(x, a);
  DiagonalGaussian q;
  if (model->has_recognition()) q = model->Recognition(x, target);
  // One row of a distribution for each sample.
  const auto rows = [](const DiagonalGaussian& distribution, int64_t n) {
    const auto expand = [n](const at::Tensor& t) {
      return t.expand({n, -1, -1, -1});
    };
    return DiagonalGaussian{expand(distribution.mean),
                            expand(distribution.log_variance)};
  };
  std::vector<at::Tensor> monte_carlo, importance, posteriors;
  for (int64_t done = 0; done < samples; done += kChunk) {
    const int64_t n = std::min(kChunk, samples - done);
    posteriors.push_back(at::softmax(
        a + model->Generate(SampleRows(p, Noise(n, p.mean, generator))), 1));
    monte_carlo.push_back(LabelLogLikelihood(posteriors.back(), target));
    if (!q.mean.defined()) continue;
    const at::Tensor z = SampleRows(q, Noise(n, q.mean, generator));
    importance.push_back(
        LabelLogLikelihood(at::softmax(a + model->Generate(z), 1), target) +
        LogDensity(rows(p, n), z) - LogDensity(rows(q, n), z));
  }
  LogWeights weights;
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
    const std::vector<at::Tensor> outputs = predict(batch);
    for (size_t k = 0; k < names.size(); ++k) {
      confusions[k].Add(outputs[k].argmax(1).to(at::kCPU),
                        batch.masks.to(at::kCPU));
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
    at::Generator generator =
        MakeGenerator(RandomKey({static_cast<uint64_t>(config.inference.seed),
                                 static_cast<uint64_t>(i)}));
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
        const LogWeights weights =
            DrawLogWeights(model, x, target, samples, generator);
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
        const DiagonalGaussian p = model->Prior(x, model->RunCnn(x).full);
        latent.Add(p);
        if (model->has_recognition()) {
          latent.Add(model->Recognition(x, target), p);
        }
      }
    }
    if (evaluation.omission_block > 0) {
      const at::Tensor unseen =
          OmittedPixels(1, batch.images.size(2), batch.images.size(3),
                        evaluation.omission_block, evaluation.omitted,
                        generator)
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

void AddScores(const std::vector<PathScores>& paths,
               const GenerativeScores& scores, nlohmann::json* json) {
  nlohmann::json& metrics = (*json)["metrics"];
  for (size_t k = 0; k < paths.size(); ++k) {
    const PathScores& path = paths[k];
    // The first path without a prefix, every path with its own.
    for (const std::string& prefix :
         {std::string(), absl::StrCat(path.name, "/")}) {
      if (prefix.empty() && k > 0) continue;
      metrics[prefix + "pixel_accuracy"] = path.pixel_accuracy;
      metrics[prefix + "class_accuracy"] = path.class_accuracy;
      metrics[prefix + "image_iou"] = path.image_iou;
      metrics[prefix + "corpus_iou"] = path.corpus_iou;
    }
  }
  if (metrics.contains("both/image_iou") && metrics.contains("gen/image_iou")) {
    metrics["both_minus_gen"] = metrics["both/image_iou"].get<double>() -
                                metrics["gen/image_iou"].get<double>();
  }
  if (scores.sigma_prior && scores.sigma_recognition) {
    metrics["sigma_q_over_p"] = *scores.sigma_recognition / *scores.sigma_prior;
  }
  const auto add = [&](const std::string& prefix,
                       const LikelihoodScores& likelihood) {
    metrics[prefix + "negative_cll"] = likelihood.negative_cll;
    metrics[prefix + "standard_error"] = likelihood.standard_error;
    metrics[prefix + "effective_samples"] = likelihood.effective_samples;
    metrics[prefix + "samples"] = likelihood.samples;
  };
  if (scores.Main() != nullptr) {
    metrics["negative_cll"] = scores.Main()->negative_cll;
  }
  if (scores.exact) add("exact/", *scores.exact);
  if (scores.monte_carlo) add("monte_carlo/", *scores.monte_carlo);
  if (scores.importance) add("importance/", *scores.importance);
  const auto put = [&](const char* name, const std::optional<double>& value) {
    if (value) metrics[name] = *value;
  };
  put("energy_distance", scores.energy_distance);
  put("sample_diversity", scores.sample_diversity);
  put("kl", scores.kl);
  put("sigma_p", scores.sigma_prior);
  put("sigma_q", scores.sigma_recognition);
  put("latents_in_use", scores.latents_in_use);
  if (scores.omission) {
    metrics["omission/pixel_accuracy"] = scores.omission->pixel_accuracy;
    metrics["omission/image_iou"] = scores.omission->image_iou;
  }
}

std::string ScoreTable(const std::vector<PathScores>& paths,
                       const GenerativeScores& scores) {
  std::string table = absl::StrFormat("%-12s%10s%12s%11s%12s", "", "pixel acc.",
                                      "class acc.", "image IoU", "corpus IoU");
  for (const PathScores& path : paths) {
    absl::StrAppendFormat(&table, "\n%-12s%10.2f%12.2f%11.2f%12.2f", path.name,
                          100 * path.pixel_accuracy, 100 * path.class_accuracy,
                          100 * path.image_iou, 100 * path.corpus_iou);
  }
  const auto add = [&](const char* name,
                       const std::optional<LikelihoodScores>& likelihood) {
    if (!likelihood) return;
    absl::StrAppendFormat(&table, "\n-CLL, %s: %.1f nats an image", name,
                          likelihood->negative_cll);
    if (likelihood->samples > 1) {
      absl::StrAppendFormat(&table,
                            " (S = %d, standard error %.2g, effective %.1f)",
                            likelihood->samples, likelihood->standard_error,
                            likelihood->effective_samples);
    }
  };
  add("exact", scores.exact);
  add("monte carlo", scores.monte_carlo);
  add("importance", scores.importance);
  if (scores.energy_distance) {
    absl::StrAppendFormat(&table,
                          "\nenergy distance %.4f, between samples %.4f",
                          *scores.energy_distance, *scores.sample_diversity);
  }
  if (scores.sigma_prior) {
    absl::StrAppendFormat(&table, "\nsigma of the prior %.3f",
                          *scores.sigma_prior);
  }
  if (scores.kl) {
    absl::StrAppendFormat(&table, ", of q %.3f, KL(q||p) %.2f nats",
                          *scores.sigma_recognition, *scores.kl);
  }
  if (scores.latents_in_use) {
    absl::StrAppendFormat(&table, ", latents in use %.1f %%",
                          100 * *scores.latents_in_use);
  }
  if (scores.omission) {
    absl::StrAppendFormat(&table, "\nunseen pixels: accuracy %.2f, IoU %.2f",
                          100 * scores.omission->pixel_accuracy,
                          100 * scores.omission->image_iou);
  }
  return table;
}

}  // namespace cgm
}  // namespace seg
