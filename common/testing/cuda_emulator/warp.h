// Threads, barriers, shuffles and votes of the emulator.
#ifndef COMMON_TESTING_CUDA_EMULATOR_WARP_H_
#define COMMON_TESTING_CUDA_EMULATOR_WARP_H_

#include <cstdint>
#include <cstring>

#include "common/testing/cuda_emulator/vector_types.h"

// Of the thread that runs; its scheduler sets them.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
constexpr int warpSize = 32;

namespace seg::cuda::emulator {

// Where in a kernel a thread waits; two barriers are one if their site is.
struct Site {
  const char* file;
  int line;
};

enum class BarrierKind { kPlain, kCount, kAnd, kOr };

// Waits for all threads of the block; what __syncthreads_* returns.
int BlockBarrier(BarrierKind kind, bool predicate, Site site);

enum class WarpOperation {
  kSync,
  kShuffle,
  kBallot,
  kAny,
  kAll,
  kMatchAny,
  kAdd,
  kMin,
  kMax,
  kMinSigned,
  kMaxSigned,
  kAnd,
  kOr,
  kXor,
};

// Waits for the lanes of `mask`. kShuffle returns `value` of lane `source`.
uint64_t WarpCollective(WarpOperation operation, unsigned mask, uint64_t value,
                        int source, Site site);

int LaneId();
void ThreadFence();
void Yield();

template <typename T>
inline T Shuffle(unsigned mask, T value, int source, Site site) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = WarpCollective(WarpOperation::kShuffle, mask, bits, source, site);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace seg::cuda::emulator

#define SEG_SITE \
  const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(SEG_SITE) {
  namespace emulator = seg::cuda::emulator;
  emulator::BlockBarrier(emulator::BarrierKind::kPlain, false, {file, line});
}
inline int __syncthreads_count(int predicate, SEG_SITE) {
  namespace emulator = seg::cuda::emulator;
  return emulator::BlockBarrier(emulator::BarrierKind::kCount, predicate != 0,
                                {file, line});
}
inline int __syncthreads_and(int predicate, SEG_SITE) {
  namespace emulator = seg::cuda::emulator;
  return emulator::BlockBarrier(emulator::BarrierKind::kAnd, predicate != 0,
                                {file, line});
}
inline int __syncthreads_or(int predicate, SEG_SITE) {
  namespace emulator = seg::cuda::emulator;
  return emulator::BlockBarrier(emulator::BarrierKind::kOr, predicate != 0,
                                {file, line});
}
inline void __syncwarp(unsigned mask = ~0u, SEG_SITE) {
  namespace emulator = seg::cuda::emulator;
  emulator::WarpCollective(emulator::WarpOperation::kSync, mask, 0, 0,
                           {file, line});
}
inline void __threadfence() { seg::cuda::emulator::ThreadFence(); }
inline void __threadfence_block() { seg::cuda::emulator::ThreadFence(); }
inline void __nanosleep(unsigned) { seg::cuda::emulator::Yield(); }

template <typename T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
                     SEG_SITE) {
  const int lane = seg::cuda::emulator::LaneId();
  const int from = (lane & ~(width - 1)) | (source & (width - 1));
  return seg::cuda::emulator::Shuffle(mask, value, from, {file, line});
}
template <typename T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta,
                        int width = warpSize, SEG_SITE) {
  const int lane = seg::cuda::emulator::LaneId();
  const int place = lane & (width - 1);
  const int from = static_cast<int>(delta) > place ? lane : lane - delta;
  return seg::cuda::emulator::Shuffle(mask, value, from, {file, line});
}
template <typename T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta,
                          int width = warpSize, SEG_SITE) {
  const int lane = seg::cuda::emulator::LaneId();
  const int place = lane & (width - 1);
  const int from =
      place + static_cast<int>(delta) >= width ? lane : lane + delta;
  return seg::cuda::emulator::Shuffle(mask, value, from, {file, line});
}
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask,
                         int width = warpSize, SEG_SITE) {
  const int lane = seg::cuda::emulator::LaneId();
  const int other = lane ^ lane_mask;
  const int from = other > (lane | (width - 1)) ? lane : other;
  return seg::cuda::emulator::Shuffle(mask, value, from, {file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, SEG_SITE) {
  namespace emulator = seg::cuda::emulator;
  return static_cast<unsigned>(emulator::WarpCollective(
      emulator::WarpOperation::kBallot, mask, predicate != 0, 0, {file, line}));
}
inline int __any_sync(unsigned mask, int predicate, SEG_SITE) {
  namespace emulator = seg::cuda::emulator;
  return static_cast<int>(emulator::WarpCollective(
      emulator::WarpOperation::kAny, mask, predicate != 0, 0, {file, line}));
}
inline int __all_sync(unsigned mask, int predicate, SEG_SITE) {
  namespace emulator = seg::cuda::emulator;
  return static_cast<int>(emulator::WarpCollective(
      emulator::WarpOperation::kAll, mask, predicate != 0, 0, {file, line}));
}
template <typename T>
inline unsigned __match_any_sync(unsigned mask, T value, SEG_SITE) {
  namespace emulator = seg::cuda::emulator;
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return static_cast<unsigned>(emulator::WarpCollective(
      emulator::WarpOperation::kMatchAny, mask, bits, 0, {file, line}));
}

#define SEG_REDUCE(type, name, operation)                                      \
  inline type __reduce_##name##_sync(unsigned mask, type value, SEG_SITE) {    \
    namespace emulator = seg::cuda::emulator;                                  \
    return static_cast<type>(emulator::WarpCollective(                         \
        emulator::WarpOperation::operation, mask,                              \
        static_cast<uint64_t>(static_cast<int64_t>(value)), 0, {file, line})); \
  }
SEG_REDUCE(unsigned, add, kAdd)
SEG_REDUCE(int, add, kAdd)
SEG_REDUCE(unsigned, min, kMin)
SEG_REDUCE(int, min, kMinSigned)
SEG_REDUCE(unsigned, max, kMax)
SEG_REDUCE(int, max, kMaxSigned)
SEG_REDUCE(unsigned, and, kAnd)
SEG_REDUCE(unsigned, or, kOr)
SEG_REDUCE(unsigned, xor, kXor)
#undef SEG_REDUCE
#undef SEG_SITE

#endif  // COMMON_TESTING_CUDA_EMULATOR_WARP_H_
