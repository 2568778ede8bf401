#include "common/training/bound_watch.h"

#include <ATen/ATen.h>

namespace seg {
namespace {

constexpr int64_t kReadEvery = 10;  // updates between looks at a GPU

}  // namespace

bool BoundWatch::Update(const at::Tensor& value) {
  if (told_) return false;
  const at::Tensor now = value.detach();
  const at::Tensor beyond =
      (bound_.side == ScalarBound::Side::kBelow ? now.lt(bound_.bound)
                                                : now.gt(bound_.bound))
          .to(at::kLong);
  in_a_row_ = in_a_row_.defined() ? (in_a_row_ + 1) * beyond : beyond;
  longest_ = longest_.defined() ? at::maximum(longest_, in_a_row_) : in_a_row_;
  if (value.is_cuda() && ++calls_ % kReadEvery != 0) return false;
  told_ = longest_.item<int64_t>() >= bound_.updates;
  return told_;
}

}  // namespace seg
