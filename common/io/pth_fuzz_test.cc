// Fuzzes the .pth parser: zip archive, both layouts, pickle interpreter and
// naming (all of pth but the copy to LibTorch).
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/io/pth_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file = seg::ParsePthFile(bytes);
  if (!file.ok()) return 0;
  if (!seg::LooksLikePth(bytes)) std::abort();
  // What is promised: storages lie in the input or in `inflated`, and together
  // are no larger than these; the first and the last element of each tensor lie
  // in its storage, and no tensor has more elements than that.
  size_t total = 0;
  size_t inflated = 0;
  for (const std::string& member : file->inflated) inflated += member.size();
  if (inflated > seg::MaxInflated(size)) std::abort();
  static volatile unsigned sink;
  for (const absl::string_view storage : file->storages) {
    total += storage.size();
    for (const char c : storage) sink = static_cast<uint8_t>(c);
  }
  if (total > size + inflated) std::abort();
  for (const auto& name : file->names) {
    const seg::PickleTensor& tensor = file->tensors.at(name.second);
    const auto capacity =
        static_cast<int64_t>(file->storages.at(tensor.storage).size()) /
        seg::RawTypeSize(tensor.type);
    const auto count = seg::CountElements(tensor.shape);
    if (!count.ok() || *count > capacity) std::abort();
    if (*count == 0) continue;
    int64_t last = tensor.offset;
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      last += (tensor.shape[i] - 1) * tensor.strides.at(i);
    }
    if (tensor.offset < 0 || last < tensor.offset || last >= capacity) {
      std::abort();
    }
  }
  (void)sink;
  return 0;
}
