#include "cgm/score_table.h"

#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace seg {
namespace cgm {

void AddScores(const GenerativeScores& scores, Metrics* all) {
  Metrics& metrics = *all;
  if (scores.sigma_prior && scores.sigma_recognition) {
    metrics["sigma_q_over_p"] = *scores.sigma_recognition / *scores.sigma_prior;
  }
  const auto add = [&](const std::string& prefix,
                       const LikelihoodScores& likelihood) {
    metrics[prefix + "negative_cll"] = likelihood.negative_cll;
    metrics[prefix + "samples"] = static_cast<double>(likelihood.samples);
    if (likelihood.samples <= 1) return;  // exact, or without a spread
    metrics[prefix + "standard_error"] = likelihood.standard_error;
    metrics[prefix + "effective_samples"] = likelihood.effective_samples;
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

std::string ScoreTable(const GenerativeScores& scores) {
  std::string table;
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
  return std::string(absl::StripLeadingAsciiWhitespace(table));
}

}  // namespace cgm
}  // namespace seg
