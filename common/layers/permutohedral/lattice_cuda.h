// The permutohedral lattice on the device: one for the points of N images, with
// the simplices, weights and neighbours of lattice.h. Raw device memory and
// launchers (internal); tensors are in lattice_ops.h.
//
// A vertex is a key of one 64-bit word: the image, d quotients and the
// remainder (elevate.h). How many bits each takes is decided on the device by
// the range that occurs. Keys of all (point, vertex) pairs are sorted; equal
// ones are one vertex, numbered in the order of keys. So the order of vertices
// differs from the CPU's, the sorted pairs are the transposed splat matrix, and
// everything is deterministic.
#ifndef COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_CUDA_H_
#define COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_CUDA_H_

#include <cstddef>
#include <cstdint>

#include "common/cuda/runtime.h"
#include "common/layers/permutohedral/lattice_state.h"

namespace seg {
namespace cuda {

// What there is of a built lattice, as the filters take it. Entry e of the
// sorted (point, vertex) pairs has a point p, of all N P, as p or, where it is
// the first entry of a vertex, as ~p; and a weight. Arrays are aligned to 16.
template <typename T>
struct LatticeParts {
  int64_t images = 0;
  int64_t points = 0;  // of one image
  int64_t dim = 0;
  int64_t vertices = 0;                   // M, of all images
  const int32_t* vertex = nullptr;        // [N,P,d+1]
  const T* weight = nullptr;              // [N,P,d+1]
  const int32_t* begin = nullptr;         // [M+1], of each vertex's entries
  const int32_t* entry_point = nullptr;   // [N P (d+1)]
  const T* entry_weight = nullptr;        // [N P (d+1)]
  const int32_t* block_vertex = nullptr;  // of every kLatticeBlock-th entry
  const int32_t* next = nullptr;          // [d+1,stride]: v + step k, or -1
  const int32_t* previous = nullptr;      // [d+1,stride]: v - step k, or -1
  int64_t neighbor_stride = 0;
};

// Builds all of LatticeParts but the neighbours. Sizes where M is not known
// beforehand: at most N P (d+1) =: S, which must be below 2^31.
template <typename T>
struct LatticeBuildArguments {
  const T* features = nullptr;  // point p of image n, coordinate j at
  int64_t image_stride = 0;     //   n image_stride + p point_stride
  int64_t point_stride = 0;     //   + j dim_stride
  int64_t dim_stride = 0;
  int64_t images = 0;         // >= 1
  int64_t points = 0;         // >= 1
  int64_t dim = 0;            // <= kLatticeMaxDim
  int max_key_bits = 63;      // sorts at most these; kLatticeMoreBits otherwise
  int32_t* vertex = nullptr;  // [S]
  T* weight = nullptr;        // [S]
  uint64_t* keys = nullptr;   // [M], ascending
  int32_t* begin = nullptr;   // [M+1]
  int32_t* entry_point = nullptr;   // [S]
  T* entry_weight = nullptr;        // [S]
  int32_t* block_vertex = nullptr;  // [ceil(S / kLatticeBlock)]
  LatticeState* state = nullptr;
  void* scratch = nullptr;  // LatticeBuildScratchBytes(S)
};

size_t LatticeBuildScratchBytes(int64_t entries);

template <typename T>
cudaError_t LatticeBuild(const LatticeBuildArguments<T>& arguments,
                         cudaStream_t stream);

// Neighbours one step away along each axis, both ways. `vertices` may be a
// bound: those beyond state->vertices are not looked at.
struct LatticeNeighborArguments {
  const LatticeState* state = nullptr;
  const uint64_t* keys = nullptr;
  int64_t dim = 0;
  int64_t vertices = 0;
  int64_t stride = 0;           // >= M
  int32_t* next = nullptr;      // [d+1,stride]
  int32_t* previous = nullptr;  // [d+1,stride]
};
cudaError_t LatticeNeighbors(const LatticeNeighborArguments& arguments,
                             cudaStream_t stream);

// Neighbours at any offsets: table[o stride + v] is the vertex v + offset o, or
// `missing`.
struct LatticeTapArguments {
  const LatticeState* state = nullptr;
  const uint64_t* keys = nullptr;
  int64_t dim = 0;
  int64_t vertices = 0;  // M
  int64_t stride = 0;    // >= M
  int64_t taps = 0;
  const int32_t* offsets = nullptr;  // [taps,d+1] on the device, each >= 0
  int32_t missing = -1;
  int32_t* table = nullptr;  // [taps,stride]
};
cudaError_t LatticeTapNeighbors(const LatticeTapArguments& arguments,
                                cudaStream_t stream);

}  // namespace cuda
}  // namespace seg

#endif  // COMMON_LAYERS_PERMUTOHEDRAL_LATTICE_CUDA_H_
