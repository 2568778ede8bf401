// Hash tables from lattice keys to vertex ids, numbered in insertion order
// (internal). Open addressing with linear probing at load <= 1/2.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_KEY_TABLE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_KEY_TABLE_H_

#include <cstdint>
#include <vector>

#include "common/layers/permutohedral/buffer.h"
#include "common/layers/permutohedral/elevate.h"
#include "common/layers/permutohedral/lattice.h"

namespace seg {
namespace permutohedral {

// Keys of one 64-bit word (KeyLayout).
class PackedKeys {
 public:
  explicit PackedKeys(const KeyLayout& layout) : layout_(layout) {
    Resize(kFirstBits);
  }

  const KeyLayout& layout() const { return layout_; }
  int64_t size() const { return static_cast<int64_t>(keys_.size()); }
  uint64_t key(int64_t vertex) const { return keys_[vertex]; }
  int64_t Remainder(uint64_t key) const {
    return static_cast<int64_t>(key & ((1u << layout_.remainder_bits) - 1));
  }
  int64_t Quotient(uint64_t key, int64_t axis) const {
    const uint64_t field = key >> layout_.Shift(axis);
    const uint64_t mask = (uint64_t{1} << layout_.field_bits) - 1;
    return static_cast<int64_t>(field & mask) - layout_.bias;
  }

  void Prefetch(uint64_t key) const {
    __builtin_prefetch(slots_.data() + Home(key));
  }

  int32_t Find(uint64_t key) const {
    for (uint64_t at = Home(key);; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.key == key) return slot.id;
      if (slot.key == kEmpty) return -1;
    }
  }

  int32_t Insert(uint64_t key) {
    uint64_t at = Home(key);
    for (;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.key == key) return slot.id;
      if (slot.key == kEmpty) return Append(key, at);
    }
  }

  // Tells which share of all insertions has been done, so that a table that
  // must grow can grow to its final size at once.
  void SetProgress(double share) { progress_ = share; }

 private:
  struct Slot {
    uint64_t key;
    int32_t id;
  };
  static constexpr int kFirstBits = 12;
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  // 2^64 / golden ratio: Fibonacci hashing (Knuth, TAOCP 3, 6.4).
  static constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;

  uint64_t Home(uint64_t key) const { return (key * kMultiplier) >> shift_; }
  int32_t Append(uint64_t key, uint64_t at);
  void Resize(int bits);

  KeyLayout layout_;
  int shift_ = 0;
  uint64_t mask_ = 0;
  double progress_ = 0;
  Buffer<Slot> slots_;
  std::vector<uint64_t> keys_;
};

// Keys of d+1 words: quotients q_0..q_{d-1}, then the remainder.
class WideKeys {
 public:
  explicit WideKeys(int64_t dim) : dim_(dim) { Resize(8); }

  int64_t size() const { return size_; }
  const int32_t* key(int64_t vertex) const {
    return keys_.data() + vertex * (dim_ + 1);
  }
  int32_t Find(const int32_t* key) const { return table_[Locate(key)]; }
  int32_t Insert(const int32_t* key);

 private:
  uint64_t Locate(const int32_t* key) const;  // its slot or an empty one
  void Resize(int bits);

  int64_t dim_;
  int64_t size_ = 0;
  int shift_ = 0;
  uint64_t mask_ = 0;
  std::vector<int32_t> table_;
  std::vector<int32_t> keys_;
};

}  // namespace permutohedral

// Exactly one of the two is set.
class PermutohedralLattice::KeyTable {
 public:
  std::unique_ptr<permutohedral::PackedKeys> packed;
  std::unique_ptr<permutohedral::WideKeys> wide;

  // Fills x[0..d-1] with the vertex's quotients; returns its remainder.
  int64_t Decode(int64_t vertex, int64_t dim, int64_t* quotient) const;
};

}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_KEY_TABLE_H_
