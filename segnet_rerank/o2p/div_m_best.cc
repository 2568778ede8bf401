#include "segnet_rerank/o2p/div_m_best.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "common/base/random.h"

namespace seg {
namespace segnet_rerank {

SEG_DEFINE_ENUM(Diversity, {Diversity::kHamming, "hamming"},
                {Diversity::kDivMBest, "div_m_best"},
                {Diversity::kPerturb, "perturb"}, {Diversity::kMBest, "m_best"})
SEG_DEFINE_CONFIG(DivMBestConfig, diversity, proposals, lambda, perturbation)

std::vector<KeyRule> DivMBestConfig::Rules() {
  return {OneOf<Diversity>("diversity"),
          {"proposals", 1, 10000},
          {"lambda", 0, 1e6},
          {"perturbation", 0, 1e6}};
}

namespace {

using Choice = std::vector<PaintedRegion>;

// Advantages over the background, of regions and labels: pasting with the
// threshold 0.
std::vector<Choice> Diverse(const at::Tensor& scores,
                            const PastingConfig& pasting,
                            const DivMBestConfig& config) {
  at::Tensor advantages =
      scores.to(at::kDouble).clone(at::MemoryFormat::Contiguous) -
      pasting.threshold;
  double* const advantage = advantages.mutable_data_ptr<double>();
  const int64_t regions = advantages.size(0), labels = advantages.size(1);
  PastingConfig relative = pasting;
  relative.threshold = 0;
  std::vector<Choice> choices;
  std::vector<bool> is_painted(regions);
  for (int64_t m = 0; m < config.proposals; ++m) {
    choices.push_back(ChooseRegions(advantages, relative));
    std::fill(is_painted.begin(), is_painted.end(), false);
    for (const PaintedRegion& painted : choices.back()) {
      is_painted[painted.region] = true;
      advantage[painted.region * labels + painted.label - 1] -= config.lambda;
    }
    for (int64_t r = 0; r < regions; ++r) {
      if (is_painted[r]) continue;  // else the background's score falls
      for (int64_t l = 0; l < labels; ++l) {
        advantage[r * labels + l] += config.lambda;
      }
    }
  }
  return choices;
}

std::vector<Choice> Penalised(const at::Tensor& scores,
                              const PastingConfig& pasting,
                              const DivMBestConfig& config) {
  at::Tensor lowered =
      scores.to(at::kDouble).clone(at::MemoryFormat::Contiguous);
  double* const score = lowered.mutable_data_ptr<double>();
  std::vector<Choice> choices;
  PastingConfig now = pasting;
  for (int64_t m = 0; m < config.proposals; ++m) {
    choices.push_back(ChooseRegions(lowered, now));
    for (const PaintedRegion& painted : choices.back()) {
      score[painted.region * lowered.size(1) + painted.label - 1] -=
          config.lambda;
    }
    now.threshold =
        pasting.threshold - (choices.back().empty() ? config.lambda : 0.0);
  }
  return choices;
}

std::vector<Choice> Perturbed(const at::Tensor& scores,
                              const PastingConfig& pasting,
                              const DivMBestConfig& config, uint64_t key) {
  constexpr double kEulerGamma =
      0.57721566490153286;  // the mean of Gumbel(0,1)
  std::vector<Choice> choices = {ChooseRegions(scores, pasting)};
  for (int64_t m = 1; m < config.proposals; ++m) {
    at::Tensor noisy =
        scores.to(at::kDouble).clone(at::MemoryFormat::Contiguous);
    double* const score = noisy.mutable_data_ptr<double>();
    Rng rng(RandomKey({key, static_cast<uint64_t>(m)}));
    for (int64_t i = 0; i < noisy.numel(); ++i) {
      // Never 0 or 1, whose logarithms of logarithms are infinite.
      const double uniform =
          (static_cast<double>(rng.Bits() >> 12) + 0.5) * 0x1.0p-52;
      score[i] +=
          config.perturbation * (-std::log(-std::log(uniform)) - kEulerGamma);
    }
    choices.push_back(ChooseRegions(noisy, pasting));
  }
  return choices;
}

// A set of pairs of regions and labels, in the order of regions.
struct Candidate {
  double value = 0.0;  // sum of scores
  Choice painted;
};

// The `most` sets of greatest sum of each size 0 .. config.most_regions: region
// after region, each is in a set with one of its labels or not. Sets that are
// not among the first `most` now are not so later.
std::vector<std::vector<Candidate>> BestBySize(const at::Tensor& scores,
                                               const PastingConfig& pasting,
                                               size_t most) {
  const at::Tensor kept = scores.to(at::kDouble).contiguous();
  const double* score = kept.const_data_ptr<double>();
  const int64_t regions = kept.size(0), labels = kept.size(1);
  std::vector<std::vector<Candidate>> best(
      1 + std::min(pasting.most_regions, regions));
  best[0].emplace_back();
  std::vector<int64_t> order(labels);
  for (int64_t r = 0; r < regions; ++r, score += labels) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return score[a] > score[b]; });
    for (size_t n = best.size() - 1; n >= 1; --n) {
      std::vector<Candidate>& sets = best[n];
      for (const Candidate& smaller : best[n - 1]) {
        for (const int64_t l : order) {
          const double value = smaller.value + score[l];
          if (sets.size() == most && value <= sets.back().value) break;
          const auto place = std::upper_bound(
              sets.begin(), sets.end(), value,
              [](double v, const Candidate& c) { return v > c.value; });
          Candidate candidate = smaller;
          candidate.value = value;
          candidate.painted.push_back({r, l + 1, score[l]});
          sets.insert(place, std::move(candidate));
          if (sets.size() > most) sets.pop_back();
        }
      }
    }
  }
  return best;
}

bool SameChoice(const Choice& a, const Choice& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const PaintedRegion& p, const PaintedRegion& q) {
                      return p.region == q.region && p.label == q.label;
                    });
}

std::vector<Choice> NextBest(const at::Tensor& scores,
                             const PastingConfig& pasting,
                             const DivMBestConfig& config) {
  const size_t most = static_cast<size_t>(config.proposals);
  // A best set; ties and rounding may put others beside it.
  std::vector<Choice> choices = {ChooseRegions(scores, pasting)};
  std::vector<Candidate> all;
  double paid = 0.0;  // thresholds and biases of the regions of a set
  double last = pasting.threshold;
  for (std::vector<Candidate>& sets : BestBySize(scores, pasting, most)) {
    for (Candidate& candidate : sets) {
      candidate.value -= paid;
      std::stable_sort(candidate.painted.begin(), candidate.painted.end(),
                       [](const PaintedRegion& a, const PaintedRegion& b) {
                         return a.score > b.score;
                       });
      all.push_back(std::move(candidate));
    }
    paid += last;
    last += pasting.simplicity_bias;
  }
  std::stable_sort(
      all.begin(), all.end(),
      [](const Candidate& a, const Candidate& b) { return a.value > b.value; });
  for (const Candidate& candidate : all) {
    if (choices.size() == most) break;
    if (SameChoice(candidate.painted, choices[0])) continue;
    choices.push_back(candidate.painted);
  }
  choices.resize(most, Choice(choices[0]));
  return choices;
}

}  // namespace

std::vector<std::vector<PaintedRegion>> DiverseChoices(
    const at::Tensor& scores, const PastingConfig& pasting,
    const DivMBestConfig& config, uint64_t key) {
  TORCH_CHECK(config.proposals >= 1,
              "DiverseChoices: proposals must be >= 1, got ", config.proposals);
  TORCH_CHECK(scores.dim() == 2,
              "DiverseChoices: scores must be float32 or float64 [R,C-1], got ",
              scores.sizes());
  TORCH_CHECK(
      config.lambda >= 0.0 && std::isfinite(config.lambda) &&
          config.perturbation >= 0.0 && std::isfinite(config.perturbation),
      "DiverseChoices: lambda and perturbation must be finite and >= 0, "
      "got ",
      config.lambda, " and ", config.perturbation);
  std::vector<Choice> choices;
  switch (config.diversity) {
    case Diversity::kHamming:
      choices = Diverse(scores, pasting, config);
      break;
    case Diversity::kDivMBest:
      choices = Penalised(scores, pasting, config);
      break;
    case Diversity::kPerturb:
      choices = Perturbed(scores, pasting, config, key);
      break;
    case Diversity::kMBest:
      choices = NextBest(scores, pasting, config);
      break;
  }
  const at::Tensor kept = scores.to(at::kDouble).contiguous();
  const double* const score = kept.const_data_ptr<double>();
  for (Choice& choice : choices) {
    for (PaintedRegion& painted : choice) {
      painted.score = score[painted.region * kept.size(1) + painted.label - 1];
    }
  }
  return choices;
}

Proposals DivMBest(const at::Tensor& scores, const Regions& regions,
                   const PastingConfig& pasting, const DivMBestConfig& config,
                   uint64_t key) {
  TORCH_CHECK(scores.dim() == 2 && regions.members.dim() == 2 &&
                  scores.size(0) == regions.members.size(0),
              "DivMBest: expected a row of scores for each region, got scores ",
              scores.sizes(), " and members ", regions.members.sizes());
  std::vector<at::Tensor> labels;
  std::vector<float> sums;
  for (const Choice& choice : DiverseChoices(scores, pasting, config, key)) {
    labels.push_back(PaintRegions(choice, regions));
    double sum = 0.0;
    for (const PaintedRegion& painted : choice) sum += painted.score;
    sums.push_back(static_cast<float>(sum));
  }
  return {at::stack(labels), at::tensor(sums, at::kFloat)};
}

}  // namespace segnet_rerank
}  // namespace seg
