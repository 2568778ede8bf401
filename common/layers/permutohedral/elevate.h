// Points to simplices: elevation, nearest remainder-0 vertex, ranks,
// barycentric weights and packed vertex keys, for blocks of 16 points
// (internal).
//
// A vertex of remainder r has coordinates x_i = (d+1) q_i + r, so the key is
// the quotients q_0..q_{d-1} and r (q_d follows from sum(x) = 0).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_ELEVATE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_ELEVATE_H_

#include <cstdint>

namespace seg {
namespace permutohedral {

constexpr int64_t kBlock = 16;

// Largest |q|: quotients stay exact in float and far from int32's end.
constexpr double kMaxQuotient = 1 << 22;
// Beyond this, float32 features are elevated in float64: in float32 the
// weights' error would be more than 1e-4 (it is proportional to |q|).
constexpr double kMaxFloatQuotient = 1 << 12;

constexpr int64_t kMaxDim = 64;

// Fields of a packed key: r in the low `remainder_bits`, then d fields of
// `field_bits` holding q_i + bias. At most 63 bits, so that ~0 is no key.
struct KeyLayout {
  explicit KeyLayout(int64_t dim);
  int64_t dim;
  int remainder_bits;
  int field_bits;  // < 3 when d is too large to pack
  int64_t bias;
  int Shift(int64_t axis) const {
    return remainder_bits + static_cast<int>(axis) * field_bits;
  }
};

// Scale factors of the features, [d] (Adams et al. 2010, Sec. 3; unit
// variance).
template <typename T>
void LatticeScale(int64_t dim, T* scale);

// All arrays are [.][kBlock]: features d rows, the others d+1 rows. `quotient`
// and `rank` hold integers in T. Raises *max_quotient to the largest |q| seen;
// returns false when a coordinate is not finite or above kMaxQuotient.
bool ElevateBlock(const float* features, int64_t dim, const float* scale,
                  float* quotient, float* rank, float* weights,
                  float* max_quotient);
bool ElevateBlock(const double* features, int64_t dim, const double* scale,
                  double* quotient, double* rank, double* weights,
                  double* max_quotient);

// keys: [d+1][kBlock], row r = the vertex of remainder r.
void PackBlock(const float* quotient, const float* rank,
               const KeyLayout& layout, uint64_t* keys);
void PackBlock(const double* quotient, const double* rank,
               const KeyLayout& layout, uint64_t* keys);

}  // namespace permutohedral
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_ELEVATE_H_
