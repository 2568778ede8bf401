#include "crfgrad/states.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace seg {
namespace crfgrad {

absl::Status WriteStates(const std::string& prefix, const at::Tensor& image,
                         const Palette& palette, c10::Device device,
                         Model* model) {
  const c10::InferenceMode inference;
  const at::Tensor images = image.unsqueeze(0).to(device, at::kFloat);
  std::vector<at::Tensor> states;
  (*model)->Crf((*model)->Scores(images), images, &states);
  for (size_t t = 0; t < states.size(); ++t) {
    SEG_RETURN_IF_ERROR(
        WriteMask(absl::StrCat(prefix, "_state-", t, ".png"),
                  states[t][0].argmax(0).to(at::kCPU, at::kByte), palette));
  }
  return absl::OkStatus();
}

}  // namespace crfgrad
}  // namespace seg
