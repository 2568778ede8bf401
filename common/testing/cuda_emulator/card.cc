#include "common/testing/cuda_emulator/card.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

namespace seg::cuda::emulator {
namespace {

void Check(cudaError_t error, const char* what) {
  EXPECT_EQ(error, cudaSuccess) << what << ": " << cudaGetErrorString(error);
}

// A program that finds no card says so once and does nothing.
class NeedsCard : public testing::Environment {
 public:
  void SetUp() override {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0) {
      GTEST_SKIP() << "no card: " << cudaGetErrorString(error);
    }
  }
};

testing::Environment* const needs_card =
    testing::AddGlobalTestEnvironment(new NeedsCard);

}  // namespace

DeviceMemory::DeviceMemory(size_t bytes) {
  if (bytes == 0) return;
  Check(cudaMalloc(&start_, bytes), "cudaMalloc");
  Check(cudaMemset(start_, 0xff, bytes), "cudaMemset");
}

DeviceMemory::~DeviceMemory() { cudaFree(start_); }

void CopyToCard(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  Check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "copy to card");
}

void CopyFromCard(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  Check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "copy from card");
}

}  // namespace seg::cuda::emulator
