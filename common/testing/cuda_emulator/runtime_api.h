// The part of CUDA's runtime that launchers use, in the emulator.
#ifndef COMMON_TESTING_CUDA_EMULATOR_RUNTIME_API_H_
#define COMMON_TESTING_CUDA_EMULATOR_RUNTIME_API_H_

#include <cstddef>

// CUDA's runtime header has these too, for functions of both sides.
#define __device__
#define __host__

// Values are CUDA's.
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorLaunchOutOfResources = 701,
  cudaErrorLaunchTimeout = 702,
  cudaErrorIllegalAddress = 700,
  cudaErrorMisalignedAddress = 716,
  cudaErrorLaunchFailure = 719,
  cudaErrorNotSupported = 801,
  cudaErrorInvalidClusterSize = 912,
};

// Everything is done when a call returns: streams are names.
namespace seg::cuda::emulator {
struct Stream;
}
using cudaStream_t = seg::cuda::emulator::Stream*;

enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault,
};

enum cudaDeviceAttr {
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
};

// The text of a kernel's error is longer: seg::cuda::emulator::LastError().
const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);

// The last error; forgotten by Get unless a kernel failed (as on the card,
// where every later call then fails).
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes,
                            cudaStream_t stream = nullptr);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes,
                            cudaMemcpyKind kind, cudaStream_t stream = nullptr);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute,
                                   int device);

#endif  // COMMON_TESTING_CUDA_EMULATOR_RUNTIME_API_H_
