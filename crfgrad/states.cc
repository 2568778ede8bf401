#include "crfgrad/states.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace seg {
namespace crfgrad {

absl::Status WriteStates(const std::string& prefix, const Sample& sample,
                         const Palette& palette, c10::Device device,
                         Model* model) {
  const c10::InferenceMode inference;
  const Batch batch = MakeBatch(sample, device);
  std::vector<at::Tensor> states;
  (*model)->Crf((*model)->Unary(batch), batch.images, &states);
  for (size_t t = 0; t < states.size(); ++t) {
    SEG_RETURN_IF_ERROR(
        WriteMask(absl::StrCat(prefix, "_state-", t, ".png"),
                  states[t][0].argmax(0).to(at::kCPU, at::kByte), palette));
  }
  return absl::OkStatus();
}

}  // namespace crfgrad
}  // namespace seg
