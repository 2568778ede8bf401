// For the golden tests of generated pictures.
#ifndef COMMON_DATASETS_SYNTHETIC_HASH_BYTES_H_
#define COMMON_DATASETS_SYNTHETIC_HASH_BYTES_H_

#include <cstddef>
#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/base/hash.h"
#include "common/datasets/dataset.h"

namespace seg {

// FNV-1a over the bytes of a contiguous uint8 tensor, going on from `hash`.
inline uint64_t HashBytes(const at::Tensor& t, uint64_t hash) {
  return Fnv1a({reinterpret_cast<const char*>(t.data_ptr<uint8_t>()),
                static_cast<size_t>(t.numel())},
               hash);
}

// HashBytes over image and mask of the samples make(0) .. make(count - 1), one
// behind the other.
template <typename Make>
uint64_t HashSamples(int64_t count, Make make) {
  uint64_t hash = kFnvStart;
  for (int64_t i = 0; i < count; ++i) {
    const Sample sample = make(i);
    hash = HashBytes(sample.mask, HashBytes(sample.image, hash));
  }
  return hash;
}

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_HASH_BYTES_H_
