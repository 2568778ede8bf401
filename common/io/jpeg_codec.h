// JPEG by libjpeg-turbo.
#ifndef SEGPAPERS_COMMON_IO_JPEG_CODEC_H_
#define SEGPAPERS_COMMON_IO_JPEG_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/pixels.h"

namespace seg {

// 8-bit RGB, orientation not applied. Grey is repeated; CMYK and YCCK are
// converted taking the samples as inverted, which all files in practice are
// (Adobe's convention; PIL assumes the same). `max_pixels` is checked before
// the allocation. What libjpeg only warns of is an error where a part of the
// picture would be made up (data that ends early, bad codes, lost restart
// markers), and let pass otherwise (stray bytes between segments, which some
// cameras write).
absl::StatusOr<Pixels> DecodeJpeg(absl::string_view bytes, int64_t max_pixels);

// rgb: [height,width,3]. quality 1..100, halved chroma below 90.
absl::StatusOr<std::string> CompressJpeg(const uint8_t* rgb, int64_t height,
                                         int64_t width, int quality);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_JPEG_CODEC_H_
