#include "common/training/run_watch.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/nearest.h"
#include "common/base/usage_error.h"
#include "common/config/config.h"

namespace seg {

using Finding = ScalarWatch::Finding;

absl::Status CheckBestMetric(const Metrics& metrics,
                             const TrainConfig& config) {
  const std::string& wanted = config.best_metric;
  if (wanted.empty() || metrics.count(wanted) > 0) return absl::OkStatus();
  std::vector<std::string> names;
  for (const auto& [name, value] : metrics) names.push_back(name);
  return UsageError(absl::InvalidArgumentError(absl::StrCat(
      "train.best_metric: validation gives no '", wanted, "'; did you mean '",
      NearestKey(wanted, names), "'? It gives ", absl::StrJoin(names, ", "),
      "; \"\" keeps the last checkpoint")));
}

RunWatch::RunWatch(const std::vector<ScalarBound>& bounds)
    : bounds_(bounds.begin(), bounds.end()) {}

void RunWatch::Step(int64_t step, const std::string& name,
                    const at::Tensor& value) {
  for (BoundWatch& watch : bounds_) {
    if (watch.bound().name != name || !watch.Update(value)) continue;
    LogWarning(absl::StrCat("step ", step, ": ", watch.bound().message));
  }
}

void RunWatch::Train(int64_t step, const std::string& name, double value) {
  const Finding finding = watch_.Update("train/" + name, value);
  if (finding == Finding::kNotFinite) {
    LogWarning(absl::StrCat("step ", step, ": train/", name, " is ", value));
  } else if (finding == Finding::kPlateau && absl::EndsWith(name, "loss")) {
    LogWarning(absl::StrCat(
        "step ", step, ": train/", name, " was exactly ", value, " the last ",
        kPlateau,
        " times it was logged, so nothing is learnt; are all training masks "
        "void, or is a learning rate 0?"));
  }
}

void RunWatch::Validation(int64_t step, const Metrics& metrics,
                          const TrainConfig& config) {
  std::vector<std::string> no_number;
  for (const auto& [name, value] : metrics) {
    const Finding finding = watch_.Update("val/" + name, value);
    if (finding == Finding::kNotFinite) no_number.push_back(name);
    const bool perfect = config.best_is_max && value == 1.0;
    if (finding == Finding::kPlateau && name == config.best_metric &&
        !perfect) {
      LogWarning(absl::StrCat(
          "step ", step, ": val/", name, " was exactly ", value,
          " in the last ", kPlateau,
          " validations, so the labels do not change; is what trains here too "
          "slow (train.optimizer.lr), or not what is validated?"));
    }
  }
  if (no_number.empty()) return;
  LogWarning(absl::StrCat(
      "step ", step, ": validation gives no number for ",
      absl::StrJoin(no_number, ", "),
      "; are all pixels of the validation masks void? (check_dataset says what "
      "they hold)"));
}

}  // namespace seg
