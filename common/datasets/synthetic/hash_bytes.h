// For the golden tests of generated pictures.
#ifndef COMMON_DATASETS_SYNTHETIC_HASH_BYTES_H_
#define COMMON_DATASETS_SYNTHETIC_HASH_BYTES_H_

#include <cstdint>

#include "ATen/core/Tensor.h"

namespace seg {

// FNV-1a over the bytes of a contiguous uint8 tensor, going on from `hash`.
inline uint64_t HashBytes(const at::Tensor& t, uint64_t hash) {
  const uint8_t* p = t.data_ptr<uint8_t>();
  for (int64_t i = 0; i < t.numel(); ++i) {
    hash = (hash ^ p[i]) * 1099511628211ULL;
  }
  return hash;
}

}  // namespace seg

#endif  // COMMON_DATASETS_SYNTHETIC_HASH_BYTES_H_
