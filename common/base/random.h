// Random numbers that are a function of a key, equal on every machine: the
// SplitMix64 generator (Steele, Lea, Flood 2014, "Fast splittable pseudorandom
// number generators"), and a key made of several integers. Not for secrets.
#ifndef COMMON_BASE_RANDOM_H_
#define COMMON_BASE_RANDOM_H_

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace seg {

// The finaliser of SplitMix64: a bijection of the 64-bit integers in which each
// input bit changes half of the output bits.
inline uint64_t MixBits(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// A key that depends on every part and on their order: (seed, epoch, index).
inline uint64_t RandomKey(std::initializer_list<uint64_t> parts) {
  uint64_t key = 0x9e3779b97f4a7c15ULL;
  for (uint64_t part : parts) key = MixBits(key ^ MixBits(part + key));
  return key;
}

class Rng {
 public:
  explicit Rng(uint64_t key) : state_(key) {}

  uint64_t Bits() { return MixBits(state_ += 0x9e3779b97f4a7c15ULL); }
  // Uniform in [0, n), n >= 1. The bias is below n / 2^64.
  int64_t Below(int64_t n) {
    return static_cast<int64_t>(
        (static_cast<unsigned __int128>(Bits()) * static_cast<uint64_t>(n)) >>
        64);
  }
  // Uniform in [low, high], both included.
  int64_t Between(int64_t low, int64_t high) {
    return low + Below(high - low + 1);
  }
  // True once in n.
  bool OneIn(int64_t n) { return Below(n) == 0; }
  // Uniform in [0, 1), a multiple of 2^-53.
  double Uniform() { return static_cast<double>(Bits() >> 11) * 0x1.0p-53; }
  double Uniform(double low, double high) {
    return low + (high - low) * Uniform();
  }

 private:
  uint64_t state_;
};

// A uniformly drawn order of 0 .. n-1 (Fisher-Yates), a function of the key.
inline std::vector<int64_t> RandomPermutation(int64_t n, uint64_t key) {
  std::vector<int64_t> order(n);
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  Rng rng(key);
  for (int64_t i = n - 1; i > 0; --i)
    std::swap(order[i], order[rng.Below(i + 1)]);
  return order;
}

}  // namespace seg

#endif  // COMMON_BASE_RANDOM_H_
