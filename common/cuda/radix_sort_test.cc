#include "common/cuda/radix_sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "common/cuda/scan.h"
#include "common/testing/cuda_emulator/emulator.h"
#include "common/testing/cuda_emulator/schedules.h"

namespace seg {
namespace cuda {
namespace {

using emulator::DeviceArray;
using emulator::ExpectSameInAllSchedules;
using emulator::ForEachSchedule;

struct Sorted {
  std::vector<uint64_t> keys;
  std::vector<int32_t> values;
};

// bits: -1 for none on the device.
Sorted Sort(const std::vector<uint64_t>& keys, int max_bits, int bits,
            bool count_up = true) {
  const size_t count = keys.size();
  std::vector<uint64_t> both = keys;
  both.resize(2 * count);
  const DeviceArray<uint64_t> device_keys(both);
  std::vector<int32_t> numbers(2 * count, -1);
  if (!count_up) std::iota(numbers.begin(), numbers.begin() + count, 1000);
  const DeviceArray<int32_t> values(numbers);
  const DeviceArray<int> device_bits(std::vector<int>{bits});
  const DeviceArray<char> scratch(RadixSortScratchBytes(count));
  RadixSortArguments a;
  a.count = static_cast<int64_t>(count);
  a.keys = device_keys.data();
  a.values = values.data();
  a.count_up = count_up;
  a.max_bits = max_bits;
  a.bits = bits < 0 ? nullptr : device_bits.data();
  a.scratch = scratch.data();
  EXPECT_EQ(RadixSort(a, nullptr), cudaSuccess) << emulator::LastError();
  const int used = bits < 0 ? max_bits : std::min(bits, max_bits);
  const size_t half = count * RadixSortHalf(used);
  const std::vector<uint64_t> k = device_keys.ToVector();
  const std::vector<int32_t> v = values.ToVector();
  return {{k.begin() + half, k.begin() + half + count},
          {v.begin() + half, v.begin() + half + count}};
}

std::vector<uint64_t> RandomKeys(size_t count, int bits) {
  std::mt19937_64 random(count);
  std::vector<uint64_t> keys(count);
  for (uint64_t& key : keys) {
    key = bits == 0 ? 0 : random() >> (64 - bits);
  }
  return keys;
}

void ExpectSorts(const std::vector<uint64_t>& keys, int max_bits, int bits) {
  const Sorted got = Sort(keys, max_bits, bits);
  std::vector<int32_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return keys[a] < keys[b]; });
  ASSERT_EQ(got.values, order);
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(got.keys[i], keys[order[i]]) << i;
  }
}

TEST(RadixSortTest, SortsAndKeepsTheOrderOfEqualKeys) {
  for (const size_t count : {1, 2, 31, 33, 3071, 3072, 3073, 7000}) {
    for (const int bits : {1, 8, 13, 16}) {
      SCOPED_TRACE(testing::Message() << count << " keys, " << bits << " bits");
      ExpectSorts(RandomKeys(count, bits), bits, -1);
    }
  }
  ExpectSorts(RandomKeys(500, 64), 64, -1);
  ExpectSorts(std::vector<uint64_t>(5000, ~uint64_t{0}), 64, -1);
}

TEST(RadixSortTest, TakesTheNumberOfBitsFromTheDevice) {
  for (const int bits : {3, 8, 9, 17, 24}) {
    ExpectSorts(RandomKeys(4000, bits), 40, bits);
  }
  ExpectSorts(RandomKeys(100, 10), 16, 64);
}

TEST(RadixSortTest, MovesValues) {
  const Sorted got = Sort({5, 3, 5, 1}, 8, -1, /*count_up=*/false);
  EXPECT_EQ(got.keys, (std::vector<uint64_t>{1, 3, 5, 5}));
  EXPECT_EQ(got.values, (std::vector<int32_t>{1003, 1001, 1000, 1002}));
}

TEST(RadixSortTest, TakesNothing) {
  EXPECT_TRUE(Sort({}, 64, -1).keys.empty());
  // No pass: the input, whose values are not filled in, is the result.
  EXPECT_EQ(Sort({7, 2}, 16, 0, false).keys, (std::vector<uint64_t>{7, 2}));
}

TEST(RadixSortTest, IsTheSameInEverySchedule) {
  const std::vector<uint64_t> keys = RandomKeys(6500, 12);
  ExpectSameInAllSchedules([&] { return Sort(keys, 12, -1).values; });
}

TEST(ScanTest, SumsEachRow) {
  for (const int64_t columns : {1, 31, 32, 511, 512, 513, 1500}) {
    SCOPED_TRACE(columns);
    std::vector<int32_t> numbers(3 * columns);
    std::mt19937 random(static_cast<unsigned>(columns));
    for (int32_t& x : numbers) x = static_cast<int32_t>(random() % 1000);
    std::vector<int32_t> expected;  // then the rows' sums
    std::vector<int32_t> totals;
    for (int64_t row = 0; row < 3; ++row) {
      const auto begin = numbers.begin() + row * columns;
      const size_t at = expected.size();
      expected.resize(at + columns);
      std::exclusive_scan(begin, begin + columns, expected.begin() + at, 0);
      totals.push_back(std::accumulate(begin, begin + columns, 0));
    }
    expected.insert(expected.end(), totals.begin(), totals.end());
    ForEachSchedule([&] {
      const DeviceArray<int32_t> data(numbers), sums(3);
      ASSERT_EQ(
          ExclusiveScanRows(data.data(), 3, columns, sums.data(), nullptr),
          cudaSuccess)
          << emulator::LastError();
      std::vector<int32_t> got = data.ToVector();
      const std::vector<int32_t> end = sums.ToVector();
      got.insert(got.end(), end.begin(), end.end());
      EXPECT_EQ(got, expected);
    });
  }
}

}  // namespace
}  // namespace cuda
}  // namespace seg
