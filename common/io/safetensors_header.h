// The header of a safetensors file, parsed and checked, without LibTorch.
// The format and what is refused: safetensors.h.
#ifndef SEGPAPERS_COMMON_IO_SAFETENSORS_HEADER_H_
#define SEGPAPERS_COMMON_IO_SAFETENSORS_HEADER_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/raw_tensor.h"

namespace seg {

// Longest header that is read; the reference implementation has the same.
constexpr int64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsFile {
  std::map<std::string, RawTensor> tensors;  // bytes point into the input
  std::map<std::string, std::string> metadata;
};

// `bytes` must outlive the result.
absl::StatusOr<SafetensorsFile> ParseSafetensorsFile(absl::string_view bytes);

// "F32" and so on; null for the types that the format does not have.
const char* SafetensorsTypeName(RawType type);

// Whether the first bytes look like the format: a plausible length, then '{'.
bool LooksLikeSafetensors(absl::string_view bytes);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_SAFETENSORS_HEADER_H_
