// PNG by libpng, all colour types, bit depths and interlacing.
#ifndef SEGPAPERS_COMMON_IO_PNG_CODEC_H_
#define SEGPAPERS_COMMON_IO_PNG_CODEC_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/pixels.h"

namespace seg {

// 8-bit RGB: palette looked up, grey repeated, 16 bits scaled, alpha dropped;
// gamma and colour profiles are not applied (as PIL and OpenCV do not).
absl::StatusOr<Pixels> DecodePngRgb(absl::string_view bytes,
                                    int64_t max_pixels);

// One channel of stored values, not scaled: palette indices or grey, one byte
// each, two for 16-bit grey. An error for colour and alpha.
absl::StatusOr<Pixels> DecodePngValues(absl::string_view bytes,
                                       int64_t max_pixels);

// rgb: [height,width,3].
absl::StatusOr<std::string> CompressPngRgb(const uint8_t* rgb, int64_t height,
                                           int64_t width);

// indices: [height,width]; each must be < palette.size() <= 256.
absl::StatusOr<std::string> CompressPngIndices(
    const uint8_t* indices, int64_t height, int64_t width,
    const std::vector<std::array<uint8_t, 3>>& palette);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PNG_CODEC_H_
