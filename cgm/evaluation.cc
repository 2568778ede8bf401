#include "cgm/evaluation.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cgm/corruption.h"
#include "cgm/objective.h"
#include "cgm/score_table.h"
#include "common/base/random.h"
#include "common/metrics/confusion_matrix.h"
#include "common/metrics/energy_distance.h"

namespace seg {
namespace cgm {
namespace {

constexpr double kLeastProbability = 1e-7;  // authors' code

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
  const c10::InferenceMode inference;
  const at::Tensor a = model->RunCnn(x).full;
  return DrawLogWeights(model, x, a, model->Prior(x, a), target, samples,
                        samples, generator);
}

LogWeights DrawLogWeights(Model& model, const at::Tensor& x,
                          const at::Tensor& a, const DiagonalGaussian& prior,
                          const at::Tensor& target, int64_t samples,
                          int64_t kept, at::Generator& generator) {
  TORCH_CHECK(samples > 0, "DrawLogWeights: samples must be at least 1, got ",
              samples);
  TORCH_CHECK(x.size(0) == 1, "DrawLogWeights: expected one image, got ",
              x.size(0));
  const c10::InferenceMode inference;
  LogWeights weights;
  weights.prior = prior;
  if (model->has_recognition()) {
    weights.recognition = model->Recognition(x, target);
  }
  std::vector<at::Tensor> monte_carlo, importance, posteriors;
  for (int64_t done = 0; done < samples; done += kDecodedAtOnce) {
    const int64_t n = std::min(kDecodedAtOnce, samples - done);
    const DiagonalGaussian p = Rows(weights.prior, n);
    const at::Tensor posterior = at::softmax(
        a + model->Generate(SampleGaussian(p, Noise(p.mean, generator))), 1);
    monte_carlo.push_back(LabelLogLikelihood(posterior, target));
    if (done < kept) posteriors.push_back(posterior);
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

PathScores::PathScores(const SegmentationScores* scores, int64_t foreground)
    : scores_(*scores),
      foreground_(foreground),
      iou_(scores->outputs().size()),
      both_(iou_.size()),
      either_(iou_.size()) {}

absl::Status PathScores::Add(const Scored& image) {
  const at::Tensor& masks = image.batch.masks;
  const at::Tensor truth = masks.eq(foreground_);
  const at::Tensor valid = masks.ne(scores_.info().ignore_label);
  for (size_t k = 0; k < iou_.size(); ++k) {
    const at::Tensor& output = image.prediction.probabilities[k];
    const Overlap overlap(output.select(1, foreground_).gt(0.5), truth, valid);
    iou_[k] += overlap.Iou().sum().item<double>();
    both_[k] += overlap.both.sum().item<double>();
    either_[k] += overlap.either.sum().item<double>();
  }
  ++images_;
  return absl::OkStatus();
}

absl::Status PathScores::Finish(Findings* findings) {
  Metrics& scalars = findings->scalars;
  std::string table = absl::StrFormat("%-12s%10s%12s%11s%12s", "", "pixel acc.",
                                      "class acc.", "image IoU", "corpus IoU");
  for (size_t k = 0; k < iou_.size(); ++k) {
    const std::string& name = scores_.outputs()[k];
    const ConfusionMatrix& confusion = scores_.confusion(k);
    const double image_iou = iou_[k] / images_;
    const double corpus_iou = Ratio(both_[k], either_[k]);
    for (const std::string& prefix : {std::string(), name + "/"}) {
      if (prefix.empty() && k > 0) continue;
      scalars[prefix + "pixel_accuracy"] = confusion.PixelAccuracy();
      scalars[prefix + "class_accuracy"] = confusion.MeanClassAccuracy();
      scalars[prefix + "image_iou"] = image_iou;
      scalars[prefix + "corpus_iou"] = corpus_iou;
    }
    absl::StrAppendFormat(&table, "\n%-12s%10.2f%12.2f%11.2f%12.2f", name,
                          100 * confusion.PixelAccuracy(),
                          100 * confusion.MeanClassAccuracy(), 100 * image_iou,
                          100 * corpus_iou);
  }
  const auto difference = [&](const std::string& a, const std::string& b) {
    const auto of_a = scalars.find(a + "/image_iou");
    const auto of_b = scalars.find(b + "/image_iou");
    if (of_a == scalars.end() || of_b == scalars.end()) return;
    scalars[absl::StrCat(a, "_minus_", b)] = of_a->second - of_b->second;
  };
  difference("both", "gen");
  difference("averaged", "both");
  findings->tables.push_back(std::move(table));
  return absl::OkStatus();
}

struct GenerativeMeasure::Sums {
  LikelihoodMean exact, monte_carlo, importance;
  LatentMean latent;
  OmissionMean omission;
  double energy = 0, diversity = 0, images = 0;
};

GenerativeMeasure::GenerativeMeasure(const DatasetInfo& info,
                                     const Config& config, System* system)
    : info_(info),
      inference_(config.inference),
      evaluation_(config.evaluation),
      system_(*system),
      sums_(std::make_unique<Sums>()) {}

GenerativeMeasure::~GenerativeMeasure() = default;

absl::Status GenerativeMeasure::Add(const Scored& image) {
  Model& model = system_.model();
  const Batch& batch = image.batch;
  const at::Tensor target = OneHot(batch.masks, model->classes());
  const auto source = [&](uint64_t use) {
    return MakeGenerator(RandomKey({static_cast<uint64_t>(inference_.seed),
                                    static_cast<uint64_t>(image.index), use}));
  };
  const auto row = [&](const at::Tensor& rows) {
    return rows.narrow(0, image.row, 1);
  };
  const Paths& paths = system_.paths();
  ++sums_->images;
  if (evaluation_.generative && !model->samples()) {
    sums_->exact.Add(LabelLogLikelihood(
        row(paths.both.defined() ? paths.both : paths.cnn), target));
  } else if (evaluation_.generative) {
    const int64_t samples =
        std::max(evaluation_.likelihood_samples, evaluation_.energy_samples);
    at::Generator noise = source(0);
    const LogWeights weights =
        DrawLogWeights(model, row(system_.images()), row(paths.a),
                       {row(paths.prior.mean), row(paths.prior.log_variance)},
                       target, samples, evaluation_.energy_samples, noise);
    const auto used = [&](const at::Tensor& w) {
      return w.narrow(0, 0, evaluation_.likelihood_samples);
    };
    sums_->monte_carlo.Add(used(weights.monte_carlo));
    if (weights.importance.defined()) {
      sums_->importance.Add(used(weights.importance));
    }
    EnergyDistanceOptions options;
    options.num_classes = info_.num_classes();
    options.first_class = info_.num_classes() > 1 ? 1 : 0;
    options.ignore_label = info_.ignore_label;
    const EnergyDistance distance = GeneralizedEnergyDistance(
        weights.posteriors.narrow(0, 0, evaluation_.energy_samples)
            .argmax(1)
            .to(at::kCPU),
        batch.masks.to(at::kCPU), options);
    sums_->energy += distance.squared;
    sums_->diversity += distance.samples;
    sums_->latent.Add(weights.prior);
    if (model->has_recognition()) {
      sums_->latent.Add(weights.recognition, weights.prior);
    }
  }
  if (evaluation_.omission_block == 0) return absl::OkStatus();
  const at::Tensor unseen =
      OmittedPixels(1, batch.images.size(2), batch.images.size(3),
                    evaluation_.omission_block, evaluation_.omitted, source(1))
          .to(batch.images.device());
  sums_->omission.Add(Complete(model, batch.images, target, unseen,
                               evaluation_.omission_rounds),
                      batch.masks, unseen, evaluation_.foreground,
                      info_.ignore_label);
  return absl::OkStatus();
}

GenerativeScores GenerativeMeasure::scores() const {
  GenerativeScores scores;
  scores.exact = sums_->exact.Result();
  scores.monte_carlo = sums_->monte_carlo.Result();
  scores.importance = sums_->importance.Result();
  sums_->latent.Store(&scores);
  if (scores.monte_carlo) {
    scores.energy_distance = sums_->energy / sums_->images;
    scores.sample_diversity = sums_->diversity / sums_->images;
  }
  if (evaluation_.omission_block > 0) {
    scores.omission = sums_->omission.Result();
  }
  return scores;
}

absl::Status GenerativeMeasure::Finish(Findings* findings) {
  const GenerativeScores found = scores();
  AddScores(found, &findings->scalars);
  const std::string table = ScoreTable(found);
  if (!table.empty()) findings->tables.push_back(table);
  return absl::OkStatus();
}

}  // namespace cgm
}  // namespace seg
