// Shared memory, clusters and asynchronous copies of the emulator.
#ifndef COMMON_TESTING_CUDA_EMULATOR_SHARED_MEMORY_H_
#define COMMON_TESTING_CUDA_EMULATOR_SHARED_MEMORY_H_

#include <cstddef>

// `key` makes the array one a place in the source and instance of a template.
#define SEG_SHARED(type, name, count)                                   \
  static char name##_key;                                               \
  type(&name)[count] =                                                  \
      *static_cast<type(*)[count]>(::seg::cuda::emulator::StaticShared( \
          &name##_key, #name, sizeof(type) * (count)))

namespace seg::cuda {
namespace emulator {

// The block's array of `key`; made by the first thread that asks.
void* StaticShared(const void* key, const char* name, size_t bytes);
void* DynamicSharedStart();
void* MapToRank(void* shared, int rank);
void ClusterBarrier(const char* file, int line);

// `from` null: zeros.
void IssueCopy(void* to, const void* from, int bytes);
void CommitCopyGroup();
void WaitForCopyGroups(int pending);

}  // namespace emulator

template <typename T>
inline T* DynamicShared() {
  return static_cast<T*>(emulator::DynamicSharedStart());
}

int ClusterRank();
int ClusterSize();
inline void ClusterSync(const char* file = __builtin_FILE(),
                        int line = __builtin_LINE()) {
  emulator::ClusterBarrier(file, line);
}

template <typename T>
inline T* ClusterMap(T* shared, int rank) {
  return static_cast<T*>(emulator::MapToRank(shared, rank));
}

template <int BYTES>
inline void CopyAsyncZero(void* shared, const void* global, bool valid) {
  static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "4, 8 or 16 bytes");
  emulator::IssueCopy(shared, valid ? global : nullptr, BYTES);
}

template <int BYTES>
inline void CopyAsync(void* shared, const void* global) {
  CopyAsyncZero<BYTES>(shared, global, true);
}

inline void CommitCopies() { emulator::CommitCopyGroup(); }

template <int N>
inline void WaitForCopies() {
  emulator::WaitForCopyGroups(N);
}

}  // namespace seg::cuda

#endif  // COMMON_TESTING_CUDA_EMULATOR_SHARED_MEMORY_H_
