// Fuzzes the safetensors parser (all of safetensors but the copy to LibTorch).
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/io/safetensors_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const bool plausible = seg::LooksLikeSafetensors(bytes);
  const auto file = seg::ParseSafetensorsFile(bytes);
  if (!file.ok()) return 0;
  if (!plausible) std::abort();
  // What is promised: the tensors lie in the input, each byte at most once,
  // and have the size of their shape.
  size_t total = 0;
  unsigned checksum = 0;
  for (const auto& entry : file->tensors) {
    const seg::RawTensor& tensor = entry.second;
    total += tensor.bytes.size();
    for (const char c : tensor.bytes) checksum += static_cast<uint8_t>(c);
    const auto count = seg::CountElements(tensor.shape);
    if (!count.ok() || *count * seg::RawTypeSize(tensor.type) !=
                           static_cast<int64_t>(tensor.bytes.size())) {
      std::abort();
    }
  }
  if (total > size) std::abort();
  static volatile unsigned sink;
  sink = checksum;  // keeps the reads above
  (void)sink;
  return 0;
}
