#include "common/testing/cuda_emulator/runtime_api.h"

#include <cstring>

#include "common/testing/cuda_emulator/emulator.h"
#include "common/testing/cuda_emulator/machine.h"

using seg::cuda::emulator::Machine;

namespace {

struct ErrorName {
  cudaError_t error;
  const char *name, *text;
};

constexpr ErrorName kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources",
     "too many resources requested for launch"},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout",
     "the launch timed out and was terminated"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress",
     "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure",
     "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorInvalidClusterSize, "cudaErrorInvalidClusterSize",
     "Invalid cluster size"},
};

}  // namespace

const char* cudaGetErrorString(cudaError_t error) {
  for (const ErrorName& known : kErrors) {
    if (known.error == error) return known.text;
  }
  return "unrecognized error code";
}

const char* cudaGetErrorName(cudaError_t error) {
  for (const ErrorName& known : kErrors) {
    if (known.error == error) return known.name;
  }
  return "unrecognized error code";
}

cudaError_t cudaGetLastError() { return Machine::Get().sticky; }

cudaError_t cudaPeekAtLastError() { return Machine::Get().sticky; }

cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t) {
  if (Machine::Get().sticky != cudaSuccess) return Machine::Get().sticky;
  if (bytes > 0) std::memset(to, byte, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes,
                            cudaMemcpyKind, cudaStream_t) {
  if (Machine::Get().sticky != cudaSuccess) return Machine::Get().sticky;
  if (bytes > 0) std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return Machine::Get().sticky;
}

cudaError_t cudaDeviceSynchronize() { return Machine::Get().sticky; }

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return Machine::Get().sticky;
}

// An H100, but with few multiprocessors: grids stay small.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute,
                                   int device) {
  if (device != 0) return cudaErrorInvalidValue;
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = seg::cuda::emulator::kMaxSharedBytes;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = 4;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      return cudaSuccess;
  }
  return cudaErrorInvalidValue;
}

namespace seg::cuda::emulator {

ScopedSchedule::ScopedSchedule(uint64_t seed) : before_(Machine::Get().seed) {
  Machine::Get().seed = seed;
}

ScopedSchedule::~ScopedSchedule() { Machine::Get().seed = before_; }

ScopedUnwatched::ScopedUnwatched() : before_(Machine::Get().watched) {
  Machine::Get().watched = false;
}

ScopedUnwatched::~ScopedUnwatched() { Machine::Get().watched = before_; }

std::string LastError() { return Machine::Get().last_message; }

void ResetDevice() {
  Machine::Get().sticky = cudaSuccess;
  Machine::Get().last_message.clear();
}

}  // namespace seg::cuda::emulator
