// Right kernels give right results in every schedule.
#include "common/testing/cuda_emulator/emulator.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "common/testing/cuda_emulator/schedules.h"
#include "common/testing/cuda_emulator/test_kernels.h"

namespace seg::cuda::emulator {
namespace {

constexpr int kSchedules = 8;

TEST(CudaEmulatorTest, ReducesInSharedMemoryAndByAtomics) {
  for (const int n : {0, 1, 127, 128, 1000}) {
    std::vector<int> x(n);
    std::iota(x.begin(), x.end(), -3);
    const auto run = [&] {
      const DeviceArray<int> in(x), sum(1);
      EXPECT_EQ(test_kernels::Sum(in.data(), n, sum.data(), nullptr),
                cudaSuccess)
          << LastError();
      return sum.ToVector();
    };
    EXPECT_EQ(ExpectSameInAllSchedules(run, kSchedules),
              std::vector<int>{std::accumulate(x.begin(), x.end(), 0)});
  }
}

TEST(CudaEmulatorTest, ScansByShufflesAndDynamicSharedMemory) {
  constexpr int kBlocks = 3;
  std::vector<float> x(kBlocks * 96), expected(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i % 7);
    expected[i] = x[i] + (i % 96 == 0 ? 0 : expected[i - 1]);
  }
  const auto run = [&] {
    const DeviceArray<float> in(x), out(x.size());
    EXPECT_EQ(test_kernels::Scan(in.data(), kBlocks, out.data(), nullptr),
              cudaSuccess)
        << LastError();
    return out.ToVector();
  };
  EXPECT_EQ(ExpectSameInAllSchedules(run, kSchedules), expected);
}

TEST(CudaEmulatorTest, VotesMatchesAndShufflesWithMasks) {
  std::vector<int> x(32);
  for (int lane = 0; lane < 32; ++lane) x[lane] = lane * 5 % 8;
  std::vector<int> expected;
  for (int lane = 0; lane < 32; ++lane) {
    const int first = lane / 16 * 16;
    unsigned ballot = 0, match = 0;
    int least = 8;
    for (int other = first; other < first + 16; ++other) {
      ballot |= static_cast<unsigned>(x[other] > 2) << other;
      match |= static_cast<unsigned>(x[other] == x[lane]) << other;
      least = std::min(least, x[other]);
    }
    const int place = lane - first;
    expected.insert(
        expected.end(),
        {static_cast<int>(ballot), 1, 1, static_cast<int>(match), x[first + 3],
         x[place < 2 ? lane : lane - 2], x[place >= 14 ? lane : lane + 2],
         x[lane ^ 5], x[31], -least});
  }
  const auto run = [&] {
    const DeviceArray<int> in(x), out(320);
    EXPECT_EQ(test_kernels::Votes(in.data(), out.data(), nullptr), cudaSuccess)
        << LastError();
    return out.ToVector();
  };
  EXPECT_EQ(ExpectSameInAllSchedules(run, kSchedules), expected);
}

TEST(CudaEmulatorTest, InsertsByCompareAndSwap) {
  std::vector<unsigned> keys;
  for (unsigned i = 0; i < 200; ++i) keys.push_back(1 + i * 37 % 50 * 8);
  std::vector<unsigned> expected(keys);
  std::sort(expected.begin(), expected.end());
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  expected.insert(expected.begin(), 64 - expected.size(), 0u);
  bool places_differ = false;
  std::vector<unsigned> places;
  ForEachSchedule(
      [&] {
        const DeviceArray<unsigned> in(keys);
        const DeviceArray<unsigned> table(std::vector<unsigned>(64));
        const DeviceArray<unsigned> count(std::vector<unsigned>(1));
        ASSERT_EQ(test_kernels::InsertKeys(in.data(), 200, table.data(), 64,
                                           count.data(), nullptr),
                  cudaSuccess)
            << LastError();
        EXPECT_EQ(count.ToVector()[0], 50u);
        std::vector<unsigned> found = table.ToVector();
        places_differ = places_differ || (!places.empty() && places != found);
        places = found;
        std::sort(found.begin(), found.end());
        EXPECT_EQ(found, expected);
      },
      kSchedules);
  // A card has one schedule, and may repeat it.
  EXPECT_TRUE(places_differ || !SeesAccesses()) << "all schedules are one";
}

TEST(CudaEmulatorTest, LastBlockReadsWhatOthersLeft) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const auto run = [&] {
    const DeviceArray<float> in(x), partial(5), sum(1);
    const DeviceArray<unsigned> arrived(std::vector<unsigned>(1));
    EXPECT_EQ(
        test_kernels::LastBlockAdds(in.data(), 5, 2, partial.data(),
                                    arrived.data(), true, sum.data(), nullptr),
        cudaSuccess)
        << LastError();
    return sum.ToVector();
  };
  EXPECT_EQ(ExpectSameInAllSchedules(run, kSchedules), std::vector<float>{55});
}

TEST(CudaEmulatorTest, ClustersExchangeSharedMemory) {
  for (const int cluster : {1, 2, 4}) {
    constexpr int kBlocks = 8;
    std::vector<float> x(kBlocks * 64), expected(x.size());
    std::iota(x.begin(), x.end(), 0.0f);
    for (int block = 0; block < kBlocks; ++block) {
      const int mirrored =
          block / cluster * cluster + cluster - 1 - block % cluster;
      std::copy_n(&x[mirrored * 64], 64, &expected[block * 64]);
    }
    const auto run = [&] {
      const DeviceArray<float> in(x), out(x.size());
      EXPECT_EQ(test_kernels::MirrorInCluster(in.data(), kBlocks, cluster,
                                              test_kernels::ClusterFault::kNone,
                                              out.data(), nullptr),
                cudaSuccess)
          << LastError();
      return out.ToVector();
    };
    EXPECT_EQ(ExpectSameInAllSchedules(run, kSchedules), expected);
  }
}

TEST(CudaEmulatorTest, RingOfAsynchronousCopies) {
  for (const int rounds : {1, 2, 3, 10}) {
    std::vector<float> x(rounds * 64), expected(x.size());
    std::iota(x.begin(), x.end(), 1.0f);
    for (size_t i = 0; i < x.size(); ++i) expected[i] = 2 * x[i];
    const auto run = [&] {
      const DeviceArray<float> in(x), out(x.size());
      EXPECT_EQ(
          test_kernels::Ring(in.data(), rounds, test_kernels::RingFault::kNone,
                             out.data(), nullptr),
          cudaSuccess)
          << LastError();
      return out.ToVector();
    };
    EXPECT_EQ(ExpectSameInAllSchedules(run, kSchedules), expected);
  }
}

TEST(CudaEmulatorTest, LargestBlockAndCluster) {
  EXPECT_EQ(test_kernels::Nothing(16, 1024, 227 << 10, 16, nullptr),
            cudaSuccess)
      << LastError();
}

TEST(CudaEmulatorTest, NothingIsLaunchedOnAnEmptyGrid) {
  EXPECT_EQ(test_kernels::Nothing(0, 2000, 0, 1, nullptr), cudaSuccess);
}

}  // namespace
}  // namespace seg::cuda::emulator
