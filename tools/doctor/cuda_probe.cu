#include <cuda_runtime.h>

#include <string>
#include <vector>

#include "tools/doctor/cuda_probe.h"

namespace seg {
namespace {

__global__ void AddKernel(const float* __restrict__ a,
                          const float* __restrict__ b, int n, float* sum) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += gridDim.x * blockDim.x) {
    sum[i] = a[i] + b[i];
  }
}

cudaError_t Add(const std::vector<float>& a, const std::vector<float>& b,
                std::vector<float>* sum) {
  const int n = static_cast<int>(a.size());
  const size_t bytes = a.size() * sizeof(float);
  float* device = nullptr;
  cudaError_t error = cudaMalloc(&device, 3 * bytes);
  if (error != cudaSuccess) return error;
  error = cudaMemcpy(device, a.data(), bytes, cudaMemcpyHostToDevice);
  if (error == cudaSuccess) {
    error = cudaMemcpy(device + n, b.data(), bytes, cudaMemcpyHostToDevice);
  }
  if (error == cudaSuccess) {
    AddKernel<<<4, 128>>>(device, device + n, n, device + 2 * n);
    error = cudaGetLastError();
  }
  if (error == cudaSuccess) {
    error =
        cudaMemcpy(sum->data(), device + 2 * n, bytes, cudaMemcpyDeviceToHost);
  }
  cudaFree(device);
  return error;
}

}  // namespace

std::string CudaProbe() {
  std::vector<float> a(1000), b(1000), sum(1000);
  for (int i = 0; i < 1000; ++i) {
    a[i] = static_cast<float>(i);
    b[i] = 1.0f;
  }
  const cudaError_t error = Add(a, b, &sum);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  for (int i = 0; i < 1000; ++i) {
    if (sum[i] != a[i] + 1.0f) return "a kernel ran but gave a wrong sum";
  }
  return "";
}

}  // namespace seg
