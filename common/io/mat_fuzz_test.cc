// Fuzzes the parser of MATLAB files (all of mat but the copy to LibTorch).
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/io/mat_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  static volatile unsigned sink;
  for (const char* variable : {"x", "GTcls.Segmentation"}) {
    const auto array = seg::ParseMatFile(bytes, variable);
    if (!array.ok()) continue;
    // What is promised: the bytes are there and fill shape and type.
    const auto count = seg::CountElements(array->stored.shape);
    if (!count.ok() || *count * seg::RawTypeSize(array->stored.type) !=
                           static_cast<int64_t>(array->stored.bytes.size())) {
      std::abort();
    }
    for (const char c : array->stored.bytes) sink = static_cast<uint8_t>(c);
  }
  (void)sink;
  return 0;
}
