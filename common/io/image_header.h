// Size and EXIF orientation of JPEG and PNG files from their first bytes,
// without decoding. Every read is bounds checked; nothing is allocated.
// Sources: ITU-T T.81 annex B (JPEG), PNG specification 3rd edition,
// CIPA DC-008 (Exif 2.32) section 4.6.
#ifndef SEGPAPERS_COMMON_IO_IMAGE_HEADER_H_
#define SEGPAPERS_COMMON_IO_IMAGE_HEADER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace seg {

enum class ImageFormat { kUnknown, kJpeg, kPng };

// By the first bytes. kUnknown also for files too short to tell.
ImageFormat DetectImageFormat(absl::string_view bytes);

struct ImageHeader {
  ImageFormat format = ImageFormat::kUnknown;
  int64_t height = 0;  // as stored, before the orientation is applied
  int64_t width = 0;
  int orientation = 1;  // EXIF, 1..8; 5..8 swap height and width
};

// `bytes` is a file or its first part. OutOfRange: the file must be read
// further (or is truncated, when this is all of it); InvalidArgument: it is
// not an image that we read.
absl::StatusOr<ImageHeader> ParseImageHeader(absl::string_view bytes);

// The orientation tag of a TIFF block (what follows "Exif\0\0" in a JPEG APP1
// segment, or a PNG eXIf chunk). 1 when absent or malformed: a broken tag must
// not make a readable picture unreadable.
int ExifOrientation(absl::string_view tiff);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_IMAGE_HEADER_H_
