// What a run should say of its own scalars: that validation gives the metric
// that the best checkpoint is chosen by, that some scalars say nothing, and
// that some stay beyond a bound of the task's.
#ifndef COMMON_TRAINING_RUN_WATCH_H_
#define COMMON_TRAINING_RUN_WATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/evaluation/measure.h"
#include "common/training/bound_watch.h"
#include "common/training/scalar_watch.h"
#include "common/training/train_config.h"

namespace seg {

// Usage error when validation gives `metrics` without config.best_metric: names
// the nearest and all that there are.
absl::Status CheckBestMetric(const Metrics& metrics, const TrainConfig& config);

// Warns, once for each name, of scalars that are not finite, of a loss that is
// exactly the same each time it is logged, and of a best metric that validation
// always gives alike; and with the bound's own message of a scalar that stays
// beyond it.
class RunWatch {
 public:
  explicit RunWatch(const std::vector<ScalarBound>& bounds);

  // A scalar of every step, on the device; steps count from 1.
  void Step(int64_t step, const std::string& name, const at::Tensor& value);
  // A scalar of training, as it is logged.
  void Train(int64_t step, const std::string& name, double value);
  void Validation(int64_t step, const Metrics& metrics,
                  const TrainConfig& config);

 private:
  static constexpr int64_t kPlateau = 5;  // equal values in a row
  ScalarWatch watch_{kPlateau};
  std::vector<BoundWatch> bounds_;
};

}  // namespace seg

#endif  // COMMON_TRAINING_RUN_WATCH_H_
