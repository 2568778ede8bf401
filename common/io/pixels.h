// What an image codec gives: pixels as they lie in the file, row by row.
#ifndef SEGPAPERS_COMMON_IO_PIXELS_H_
#define SEGPAPERS_COMMON_IO_PIXELS_H_

#include <cstdint>
#include <memory>

namespace seg {

struct Pixels {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;          // interleaved
  int64_t bytes_per_sample = 1;  // 2: big endian
  std::unique_ptr<uint8_t[]> data;

  int64_t size() const { return height * width * channels * bytes_per_sample; }
  // Without the zeroes that a vector would write first.
  void Allocate() { data.reset(new uint8_t[size()]); }
};

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PIXELS_H_
