// What a build of the lattice on a device leaves in its memory, for host code
// too (internal; see lattice_cuda.h).
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_STATE_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_STATE_H_

#include <cstdint>

namespace seg {
namespace cuda {

constexpr int kLatticeMaxDim = 16;

// Why a build failed.
enum LatticeError : int32_t {
  kLatticeGood = 0,
  kLatticeOutOfRange = 1,  // a feature is not finite or beyond 2^22 cells
  kLatticeMoreBits = 2,    // keys need `key_bits`, more than max_key_bits
};

// How keys are put together. Field i, at `shift`, is q_i - base or, where
// `differs`, q_i - q_{i+1} - base: neighbouring quotients often move together.
struct LatticeKeys {
  int32_t dim;
  int32_t remainder_bits;
  int32_t image_shift;
  int32_t shift[kLatticeMaxDim];
  int32_t bits[kLatticeMaxDim];
  int32_t base[kLatticeMaxDim];
  int32_t differs[kLatticeMaxDim];
};

// What the device knows of a build; the host reads it once, whole.
struct LatticeState {
  int32_t error;  // LatticeError
  int32_t vertices;
  int32_t key_bits;
  int32_t sort_bits;  // key_bits; 0 after an error
  int32_t largest;    // max |q|: beyond kMaxFloatQuotient weights are coarse
  int32_t blocks_done;
  int32_t reach[4][kLatticeMaxDim];  // max of q, -q, q_i - q_{i+1}, its minus
  LatticeKeys keys;
};

// Entries that one group of threads adds up in the splat.
constexpr int kLatticeBlock = 32;

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_STATE_H_
