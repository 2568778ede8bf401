// For the golden tests of generated pictures.
#ifndef COMMON_DATASETS_SYNTHETIC_HASH_BYTES_H_
#define COMMON_DATASETS_SYNTHETIC_HASH_BYTES_H_

#include <cstddef>
#include <cstdint>

#include "ATen/core/Tensor.h"
#include "common/base/hash.h"

namespace seg {

// FNV-1a over the bytes of a contiguous uint8 tensor, going on from `hash`.
inline uint64_t HashBytes(const at::Tensor& t, uint64_t hash) {
  return Fnv1a({reinterpret_cast<const char*>(t.data_ptr<uint8_t>()),
                static_cast<size_t>(t.numel())},
               hash);
}

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_HASH_BYTES_H_
