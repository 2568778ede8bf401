// Notices a scalar of training that stays where it should not: a latent that
// carries nothing, a discriminator that always wins.
#ifndef COMMON_TRAINING_BOUND_WATCH_H_
#define COMMON_TRAINING_BOUND_WATCH_H_

#include <cstdint>
#include <string>
#include <utility>

#include "ATen/core/Tensor.h"

namespace seg {

struct ScalarBound {
  enum class Side { kBelow, kAbove };

  std::string name;  // as it is logged: "kl", "discriminator_loss"
  Side side = Side::kBelow;
  double bound = 0;
  int64_t updates = 1;  // so many in a row beyond the bound are too many
  std::string message;  // the warning: what was seen, what helps
};

class BoundWatch {
 public:
  explicit BoundWatch(ScalarBound bound) : bound_(std::move(bound)) {}

  // value: scalar tensor of one update. True once: at the call at which the
  // warning is due. Counts on the value's device; on a GPU the count is read at
  // every tenth call only, so a warning may come nine updates late. A value
  // that is not a number is not beyond the bound.
  bool Update(const at::Tensor& value);

  const ScalarBound& bound() const { return bound_; }

 private:
  const ScalarBound bound_;
  at::Tensor in_a_row_, longest_;  // int64 scalars
  int64_t calls_ = 0;
  bool told_ = false;
};

}  // namespace seg

#endif  // COMMON_TRAINING_BOUND_WATCH_H_
