#include "common/layers/permutohedral/key_table.h"

#include <algorithm>
#include <cmath>

namespace seg {
namespace permutohedral {

int32_t PackedKeys::Append(uint64_t key, uint64_t at) {
  const int32_t id = static_cast<int32_t>(keys_.size());
  slots_[at] = {key, id};
  keys_.push_back(key);
  const double size = static_cast<double>(keys_.size());
  if (2 * size > static_cast<double>(mask_)) {
    // Twice, or what the share of insertions done so far lets expect, but no
    // more than eight times.
    int bits = 65 - shift_;
    const double expected = size / std::max(progress_, 1e-9);
    while (bits < 67 - shift_ && std::ldexp(1.0, bits) < 2 * expected) ++bits;
    Resize(bits);
  }
  return id;
}

void PackedKeys::Resize(int bits) {
  shift_ = 64 - bits;
  mask_ = (uint64_t{1} << bits) - 1;
  slots_ = Buffer<Slot>(int64_t{1} << bits);
  std::fill(slots_.data(), slots_.data() + slots_.size(), Slot{kEmpty, -1});
  keys_.reserve(slots_.size() / 2 + 1);
  for (size_t id = 0; id < keys_.size(); ++id) {
    uint64_t at = Home(keys_[id]);
    while (slots_[at].key != kEmpty) at = (at + 1) & mask_;
    slots_[at] = {keys_[id], static_cast<int32_t>(id)};
  }
}

uint64_t WideKeys::Locate(const int32_t* key) const {
  uint64_t hash = 0;
  for (int64_t i = 0; i <= dim_; ++i) {
    hash = (hash ^ static_cast<uint32_t>(key[i])) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
  }
  hash *= 0x9E3779B97F4A7C15u;
  uint64_t at = hash >> shift_;
  while (table_[at] >= 0 &&
         !std::equal(key, key + dim_ + 1,
                     keys_.data() + table_[at] * (dim_ + 1))) {
    at = (at + 1) & mask_;
  }
  return at;
}

int32_t WideKeys::Insert(const int32_t* key) {
  const uint64_t at = Locate(key);
  if (table_[at] >= 0) return table_[at];
  const int32_t id = static_cast<int32_t>(size_++);
  table_[at] = id;
  keys_.insert(keys_.end(), key, key + dim_ + 1);
  if (2 * static_cast<uint64_t>(size_) > mask_) Resize(65 - shift_);
  return id;
}

void WideKeys::Resize(int bits) {
  shift_ = 64 - bits;
  mask_ = (uint64_t{1} << bits) - 1;
  table_.assign(mask_ + 1, -1);
  for (int64_t id = 0; id < size_; ++id) {
    table_[Locate(key(id))] = static_cast<int32_t>(id);
  }
}

}  // namespace permutohedral

int64_t PermutohedralLattice::KeyTable::Decode(int64_t vertex, int64_t dim,
                                               int64_t* quotient) const {
  if (packed != nullptr) {
    const uint64_t key = packed->key(vertex);
    for (int64_t i = 0; i < dim; ++i) quotient[i] = packed->Quotient(key, i);
    return packed->Remainder(key);
  }
  const int32_t* key = wide->key(vertex);
  std::copy(key, key + dim, quotient);
  return key[dim];
}

}  // namespace seg
