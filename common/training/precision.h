// The precision of a training's steps (`train.precision`).
#ifndef COMMON_TRAINING_PRECISION_H_
#define COMMON_TRAINING_PRECISION_H_

#include "c10/core/Device.h"
#include "c10/core/DeviceType.h"
#include "c10/core/ScalarType.h"
#include "common/training/train_config.h"

namespace seg {

// Where `device` is a GPU: its convolutions and matrix products take TF32 from
// now on or not, and cuDNN takes algorithms that give the same bits each time.
// Nothing changes for a CPU.
void SetProducts(Precision precision, c10::Device device);

// While it lives, operators on `device` run under LibTorch's autocast in
// bfloat16 if `precision` is bf16. Differentiate outside of it.
class AutocastScope {
 public:
  AutocastScope(Precision precision, c10::Device device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  const c10::DeviceType device_;
  const bool active_;
  bool was_enabled_ = false;
  c10::ScalarType was_dtype_ = c10::ScalarType::Undefined;
};

}  // namespace seg

#endif  // COMMON_TRAINING_PRECISION_H_
