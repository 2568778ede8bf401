// The device that a program computes on.
#ifndef COMMON_BASE_DEVICE_H_
#define COMMON_BASE_DEVICE_H_

#include <string>

#include "absl/status/statusor.h"
#include "c10/core/Device.h"

namespace seg {

// "auto" (CUDA when this build and machine have it), "cpu", "cuda" or "cuda:N",
// for a system of which `cpu_only` names a part that runs on the CPU only (""
// for none): `auto` is the CPU then. Errors (usage): another word, or CUDA that
// the build, the machine or the system does not have, with the remedy.
absl::StatusOr<c10::Device> ResolveDevice(const std::string& device,
                                          const std::string& cpu_only = "");

}  // namespace seg

#endif  // COMMON_BASE_DEVICE_H_
