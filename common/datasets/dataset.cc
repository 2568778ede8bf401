#include "common/datasets/dataset.h"

#include <ATen/ATen.h>

namespace seg {

Batch MakeBatch(const Sample& sample, c10::Device device) {
  Batch batch;
  batch.ids = {sample.id};
  batch.images = sample.image.unsqueeze(0).to(device, at::kFloat);
  if (sample.mask.defined()) {
    batch.masks = sample.mask.unsqueeze(0).to(device, at::kLong);
  }
  if (sample.probabilities.defined()) {
    batch.probabilities = sample.probabilities.unsqueeze(0).to(device);
  }
  if (sample.points.defined()) {
    batch.points = sample.points.unsqueeze(0).to(device);
  }
  return batch;
}

void MoveBatch(c10::Device device, Batch* batch) {
  for (at::Tensor* t :
       {&batch->images, &batch->masks, &batch->probabilities, &batch->points}) {
    if (!t->defined()) continue;
    // Out of page-locked memory a copy to a GPU runs beside other work.
    if (device.is_cuda() && t->is_cpu()) *t = t->pin_memory();
    *t = t->to(device, /*non_blocking=*/true);
  }
}

}  // namespace seg
