// Fuzzes the .npy parser (all of npy but the copy to LibTorch).
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/io/npy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = seg::ParseNpyFile(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!file.ok()) return 0;
  // What is promised: the data lies in the input and fills shape and type.
  const auto count = seg::CountElements(file->tensor.shape);
  if (!count.ok() || *count * seg::RawTypeSize(file->tensor.type) !=
                         static_cast<int64_t>(file->tensor.bytes.size())) {
    std::abort();
  }
  if (seg::NpyTypeName(file->tensor.type) == nullptr) std::abort();
  static volatile unsigned sink;
  for (const char c : file->tensor.bytes) sink = static_cast<uint8_t>(c);
  (void)sink;
  return 0;
}
