// Kernels with one fault each are stopped, and the message says what and where.
#include <gtest/gtest-spi.h>

#include <string>
#include <tuple>
#include <vector>

#include "common/testing/cuda_emulator/emulator.h"
#include "common/testing/cuda_emulator/schedules.h"
#include "common/testing/cuda_emulator/test_kernels.h"

namespace seg::cuda::emulator {
namespace {

using test_kernels::ClusterFault;
using test_kernels::Fault;
using test_kernels::RingFault;

std::vector<float> Numbers(int size) {
  std::vector<float> x(size);
  for (int i = 0; i < size; ++i) x[i] = static_cast<float>(i + 1);
  return x;
}

// Its result, whatever the launch says.
std::vector<float> Reversed(Fault fault) {
  const ScopedUnwatched unwatched;
  const DeviceArray<float> x(Numbers(64)), y(std::vector<float>(64));
  test_kernels::Reverse(fault, x.data(), y.data(), nullptr);
  ResetDevice();
  return y.ToVector();
}

struct Expected {
  Fault fault;
  cudaError_t error;
  std::vector<std::string> words;  // of the message
  bool by_accesses;                // needs SeesAccesses()
};

std::ostream& operator<<(std::ostream& out, const Expected& expected) {
  return out << "fault " << static_cast<int>(expected.fault);
}

class FaultTest : public testing::TestWithParam<Expected> {
 protected:
  void TearDown() override { ResetDevice(); }
};

TEST_P(FaultTest, IsFoundInEverySchedule) {
  const Expected& expected = GetParam();
  ForEachSchedule([&] {
    const DeviceArray<float> x(Numbers(64)), y(std::vector<float>(64));
    EXPECT_EQ(
        test_kernels::Reverse(expected.fault, x.data(), y.data(), nullptr),
        expected.error);
    const std::string message = LastError();
    for (const std::string& word : expected.words) {
      EXPECT_NE(message.find(word), std::string::npos)
          << "no '" << word << "' in: " << message;
    }
    // As on the card, until the device is reset.
    EXPECT_EQ(test_kernels::Reverse(Fault::kNone, x.data(), y.data(), nullptr),
              expected.error);
    EXPECT_EQ(cudaGetLastError(), expected.error);
    ResetDevice();
    EXPECT_EQ(test_kernels::Reverse(Fault::kNone, x.data(), y.data(), nullptr),
              cudaSuccess);
    EXPECT_EQ(y.ToVector()[0], 64);
  });
}

// In a build with a sanitizer of its own accesses are not the emulator's.
std::vector<Expected> Found(const std::vector<Expected>& all) {
  std::vector<Expected> found;
  for (const Expected& expected : all) {
    if (SeesAccesses() || !expected.by_accesses) found.push_back(expected);
  }
  return found;
}

INSTANTIATE_TEST_SUITE_P(
    Barriers, FaultTest,
    testing::ValuesIn(Found(
        {Expected{Fault::kMissingBarrier,
                  cudaErrorLaunchFailure,
                  {"ReverseKernel: block (0,0,0), thread", "reads byte",
                   "`rows`", "test_kernels.cu:", "nobody has written"},
                  true},
         Expected{Fault::kMissingSecondBarrier,
                  cudaErrorLaunchFailure,
                  {"`rows`", "test_kernels.cu:", "with no barrier between",
                   "a race"},
                  true},
         Expected{Fault::kMissingWarpBarrier,
                  cudaErrorLaunchFailure,
                  {"dynamic shared memory", "test_kernels.cu:"},
                  true},
         Expected{Fault::kPlainIncrement,
                  cudaErrorLaunchFailure,
                  {"global memory", "a race"},
                  true},
         Expected{Fault::kDivergentReturn,
                  cudaErrorLaunchFailure,
                  {"diverges at a barrier", "thread (33,0,0) has returned",
                   "waits at __syncthreads", "test_kernels.cu:"},
                  false},
         Expected{Fault::kDivergentSite,
                  cudaErrorLaunchFailure,
                  {"diverges at a barrier", "waits at __syncthreads"},
                  false},
         Expected{Fault::kEndlessLoop,
                  cudaErrorLaunchTimeout,
                  {"a loop waits"},
                  true},
         Expected{Fault::kTrap,
                  cudaErrorLaunchFailure,
                  {"thread (5,0,0): the kernel called __trap"},
                  false}})));

INSTANTIATE_TEST_SUITE_P(
    Memory, FaultTest,
    testing::ValuesIn(Found(
        {Expected{Fault::kSharedBelow,
                  cudaErrorIllegalAddress,
                  {"thread (0,0,0)", "writes byte -4 of `rows` (256 bytes"},
                  true},
         Expected{Fault::kSharedAbove,
                  cudaErrorIllegalAddress,
                  {"writes byte 256 of `rows` (256 bytes"},
                  true},
         Expected{Fault::kDynamicAbove,
                  cudaErrorIllegalAddress,
                  {"writes byte 256 of `dynamic shared memory`"},
                  true},
         Expected{Fault::kUnwritten,
                  cudaErrorLaunchFailure,
                  {"reads byte", "which nobody has written"},
                  true},
         Expected{Fault::kGlobalAbove,
                  cudaErrorIllegalAddress,
                  {"thread (63,0,0)", "writes global memory"},
                  true},
         Expected{Fault::kMisaligned, cudaErrorMisalignedAddress, {}, true}})));

INSTANTIATE_TEST_SUITE_P(
    Warps, FaultTest,
    testing::ValuesIn(Found(
        {Expected{Fault::kLaneAbsent,
                  cudaErrorLaunchFailure,
                  {"lanes of a mask do not arrive", "mask 0xffffffff",
                   "waits at __syncthreads"},
                  false},
         Expected{Fault::kLaneReturned,
                  cudaErrorLaunchFailure,
                  {"lanes of a shuffle's mask do not arrive", "has returned"},
                  false},
         Expected{Fault::kLaneOutsideMask,
                  cudaErrorLaunchFailure,
                  {"which is not in the mask", "mask 0x0000ffff"},
                  false},
         Expected{Fault::kLaneMissing,
                  cudaErrorLaunchFailure,
                  {"HalfWarpKernel", "which is not there"},
                  false},
         Expected{Fault::kNotInMask,
                  cudaErrorLaunchFailure,
                  {"is not in the mask", "__syncwarp"},
                  false}})));

TEST(CudaEmulatorFaultsTest, LimitsOfTheCard) {
  EXPECT_EQ(test_kernels::Nothing(1, 1025, 0, 1, nullptr),
            cudaErrorInvalidConfiguration);
  EXPECT_NE(LastError().find("block of (1025,1,1) threads"), std::string::npos)
      << LastError();
  EXPECT_EQ(test_kernels::Nothing(1, 0, 0, 1, nullptr),
            cudaErrorInvalidConfiguration);
  EXPECT_EQ(test_kernels::Nothing(1, 32, (227 << 10) + 1, 1, nullptr),
            cudaErrorInvalidValue);
  EXPECT_NE(LastError().find("232449 bytes of dynamic"), std::string::npos)
      << LastError();
  EXPECT_EQ(test_kernels::Nothing(6, 32, 0, 4, nullptr),
            cudaErrorInvalidClusterSize);
  EXPECT_EQ(test_kernels::Nothing(17, 32, 0, 17, nullptr),
            cudaErrorInvalidClusterSize);
  // Refused launches leave the device as it was.
  EXPECT_EQ(test_kernels::Nothing(1, 32, 0, 1, nullptr), cudaSuccess);
}

TEST(CudaEmulatorFaultsTest, StaticAndDynamicSharedMemoryTogether) {
  EXPECT_EQ(test_kernels::TooMuchStatic(179 << 10, nullptr), cudaSuccess)
      << LastError();
  EXPECT_EQ(test_kernels::TooMuchStatic(180 << 10, nullptr),
            cudaErrorInvalidValue);
  EXPECT_NE(LastError().find("`rest`"), std::string::npos) << LastError();
  ResetDevice();
}

// Also without the record of accesses a fault shows in the result.
TEST(CudaEmulatorFaultsTest, ResultsDifferWithoutABarrier) {
  std::vector<std::vector<float>> results;
  for (int seed = 0; seed < 4; ++seed) {
    ScopedSchedule schedule(seed);
    results.push_back(Reversed(Fault::kMissingBarrier));
  }
  // Bits: what nobody wrote is NaN.
  const auto same = [&](int a, int b) {
    return std::memcmp(results[a].data(), results[b].data(),
                       64 * sizeof(float)) == 0;
  };
  EXPECT_FALSE(same(0, 1));
  EXPECT_FALSE(same(0, 2));
  EXPECT_FALSE(same(2, 3));
}

TEST(CudaEmulatorFaultsTest, ExpectSameInAllSchedulesSeesIt) {
  testing::TestPartResultArray failures;
  {
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::
            INTERCEPT_ONLY_CURRENT_THREAD,
        &failures);
    ExpectSameInAllSchedules([] { return Reversed(Fault::kMissingBarrier); });
  }
  ASSERT_GE(failures.size(), 1);
  EXPECT_NE(std::string(failures.GetTestPartResult(0).message())
                .find("a barrier is missing"),
            std::string::npos);
}

TEST(CudaEmulatorFaultsTest, ClusterBarriers) {
  if (!SeesAccesses()) GTEST_SKIP() << "accesses are the sanitizer's";
  for (const auto& [fault, words] :
       {std::make_tuple(ClusterFault::kNoSyncBefore, "may not have started"),
        std::make_tuple(ClusterFault::kNoSyncAfter, "before the return")}) {
    ForEachSchedule([fault = fault, words = words] {
      const DeviceArray<float> x(Numbers(256)), y(256);
      EXPECT_EQ(test_kernels::MirrorInCluster(x.data(), 4, 2, fault, y.data(),
                                              nullptr),
                cudaErrorIllegalAddress);
      EXPECT_NE(LastError().find(words), std::string::npos) << LastError();
      ResetDevice();
    });
  }
}

TEST(CudaEmulatorFaultsTest, AsynchronousCopies) {
  for (const RingFault fault : {RingFault::kNoWait, RingFault::kNoBarrier,
                                RingFault::kOverwritesTooEarly}) {
    ForEachSchedule([fault] {
      const std::vector<float> numbers = Numbers(64 * 6);
      const DeviceArray<float> x(numbers), y(numbers.size());
      const cudaError_t error =
          test_kernels::Ring(x.data(), 6, fault, y.data(), nullptr);
      if (SeesAccesses()) {
        EXPECT_EQ(error, cudaErrorLaunchFailure);
        const char* const word =
            fault == RingFault::kNoWait ? "an asynchronous copy" : "";
        EXPECT_NE(LastError().find(word), std::string::npos) << LastError();
        ResetDevice();
      } else if (fault == RingFault::kNoWait) {
        // What has not arrived is a pattern that is NaN.
        const std::vector<float> result = y.ToVector();
        for (int i = 0; i < 64; ++i) EXPECT_NE(result[i], result[i]);
      }
    });
  }
}

TEST(CudaEmulatorFaultsTest, LastBlockWithoutAFence) {
  if (!SeesAccesses()) GTEST_SKIP() << "accesses are the sanitizer's";
  ForEachSchedule([] {
    const DeviceArray<float> x(Numbers(10)), partial(5), sum(1);
    const DeviceArray<unsigned> arrived(std::vector<unsigned>(1));
    EXPECT_EQ(
        test_kernels::LastBlockAdds(x.data(), 5, 2, partial.data(),
                                    arrived.data(), false, sum.data(), nullptr),
        cudaErrorLaunchFailure);
    EXPECT_NE(LastError().find("a race"), std::string::npos) << LastError();
    ResetDevice();
  });
}

#if defined(__SANITIZE_ADDRESS__)
TEST(CudaEmulatorFaultsDeathTest, AddressSanitizerSeesBesideArrays) {
  for (const Fault fault : {Fault::kSharedBelow, Fault::kSharedAbove,
                            Fault::kDynamicAbove, Fault::kGlobalAbove}) {
    EXPECT_DEATH(Reversed(fault), "use-after-poison|runtime error");
  }
}
#endif

}  // namespace
}  // namespace seg::cuda::emulator
