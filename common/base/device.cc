#include "common/base/device.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/usage_error.h"

namespace seg {

absl::StatusOr<c10::Device> ResolveDevice(const std::string& device,
                                          const std::string& cpu_only) {
  const bool can_run = at::hasCUDA() && cpu_only.empty();
  if (device == "cpu" || (device == "auto" && !can_run)) {
    return c10::Device(c10::kCPU);
  }
  int index = 0;
  absl::string_view rest = device;
  const bool is_cuda =
      device == "auto" || (absl::ConsumePrefix(&rest, "cuda") &&
                           (rest.empty() || (absl::ConsumePrefix(&rest, ":") &&
                                             absl::SimpleAtoi(rest, &index))));
  if (!is_cuda || index < 0) {
    return UsageError(absl::InvalidArgumentError(absl::StrCat(
        "flag --device: expected auto, cpu or cuda:N, got '", device, "'")));
  }
  std::string missing;
  if (!cpu_only.empty()) {
    missing = absl::StrCat(cpu_only, " has no CUDA kernel");
  } else if (!at::CUDAHooksRegistry()->Has("CUDAHooks")) {
    missing = "this build has no CUDA; build with --config=cuda";
  } else if (!at::hasCUDA()) {
    missing = "no CUDA device or driver was found here";
  } else if (index >= at::detail::getCUDAHooks().deviceCount()) {
    missing = absl::StrCat("this machine has ",
                           at::detail::getCUDAHooks().deviceCount(),
                           " CUDA device(s), counted from 0");
  }
  if (!missing.empty()) {
    return UsageError(absl::InvalidArgumentError(absl::StrCat(
        "flag --device=", device, ": ", missing, "; --device=cpu works")));
  }
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace seg
