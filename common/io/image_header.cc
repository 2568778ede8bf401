#include "common/io/image_header.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace seg {
namespace {

constexpr absl::string_view kPngSignature("\x89PNG\r\n\x1a\n", 8);
constexpr absl::string_view kExifPrefix("Exif\0\0", 6);

uint8_t Byte(absl::string_view bytes, size_t i) {
  return static_cast<uint8_t>(bytes[i]);
}
uint32_t Load16(absl::string_view bytes, size_t i, bool big) {
  return big ? Byte(bytes, i) << 8 | Byte(bytes, i + 1)
             : Byte(bytes, i + 1) << 8 | Byte(bytes, i);
}
uint32_t Load32(absl::string_view bytes, size_t i, bool big) {
  const uint32_t first = Load16(bytes, i, big);
  const uint32_t second = Load16(bytes, i + 2, big);
  return big ? first << 16 | second : second << 16 | first;
}

absl::Status Truncated(const char* where) {
  return absl::OutOfRangeError(
      absl::StrCat("truncated file, it ends in ", where));
}

absl::Status CheckSize(int64_t height, int64_t width) {
  // JPEG height 0 means "given later by a DNL marker"; nobody writes that.
  if (height > 0 && width > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("image has size ", height, "x", width));
}

// Start-of-frame markers: C0..CF but for DHT, JPG and DAC.
bool IsFrame(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 &&
         marker != 0xCC;
}

absl::StatusOr<ImageHeader> ParseJpegHeader(absl::string_view bytes) {
  ImageHeader header;
  header.format = ImageFormat::kJpeg;
  bool has_exif = false;
  size_t at = 2;  // after SOI
  while (true) {
    // Garbage before a marker is skipped, as libjpeg does with a warning; fill
    // bytes FF may repeat.
    while (at < bytes.size() && Byte(bytes, at) != 0xFF) ++at;
    while (at < bytes.size() && Byte(bytes, at) == 0xFF) ++at;
    if (at >= bytes.size()) return Truncated("the JPEG header");
    const uint8_t marker = Byte(bytes, at++);
    // Stand-alone markers: a stuffed zero, TEM, RSTn, SOI.
    if (marker == 0x00 || marker == 0x01 ||
        (marker >= 0xD0 && marker <= 0xD8)) {
      continue;
    }
    if (marker == 0xD9 || marker == 0xDA) {
      return absl::InvalidArgumentError("JPEG has no frame header");
    }
    if (bytes.size() - at < 2) return Truncated("the JPEG header");
    const size_t length = Load16(bytes, at, /*big=*/true);
    if (length < 2) {
      return absl::InvalidArgumentError("JPEG segment has an invalid length");
    }
    const absl::string_view body = bytes.substr(at + 2, length - 2);
    if (IsFrame(marker)) {
      if (length < 8) {
        return absl::InvalidArgumentError("JPEG frame header is too short");
      }
      if (body.size() < 5) return Truncated("the JPEG frame header");
      header.height = Load16(body, 1, /*big=*/true);
      header.width = Load16(body, 3, /*big=*/true);
      const absl::Status size = CheckSize(header.height, header.width);
      if (!size.ok()) return size;
      return header;
    }
    if (body.size() != length - 2) return Truncated("the JPEG header");
    if (marker == 0xE1 && !has_exif && absl::StartsWith(body, kExifPrefix)) {
      has_exif = true;
      header.orientation = ExifOrientation(body.substr(kExifPrefix.size()));
    }
    at += length;
  }
}

absl::StatusOr<ImageHeader> ParsePngHeader(absl::string_view bytes) {
  ImageHeader header;
  header.format = ImageFormat::kPng;
  size_t at = kPngSignature.size();
  while (true) {
    if (bytes.size() - at < 8) return Truncated("the PNG header");
    const uint32_t length = Load32(bytes, at, /*big=*/true);
    const absl::string_view name = bytes.substr(at + 4, 4);
    const absl::string_view body = bytes.substr(at + 8, length);
    if (header.height == 0) {
      if (name != "IHDR" || length != 13) {
        return absl::InvalidArgumentError("PNG does not begin with IHDR");
      }
      if (body.size() < 13) return Truncated("the PNG header");
      header.width = Load32(body, 0, /*big=*/true);
      header.height = Load32(body, 4, /*big=*/true);
      const absl::Status size = CheckSize(header.height, header.width);
      if (!size.ok()) return size;
    } else if (name == "IDAT" || name == "IEND") {
      return header;
    } else {
      if (body.size() != length) return Truncated("the PNG header");
      if (name == "eXIf") header.orientation = ExifOrientation(body);
    }
    if (bytes.size() - at - 8 < size_t{length} + 4) {
      return Truncated("the PNG header");
    }
    at += size_t{length} + 12;  // length, name, body, CRC
  }
}

}  // namespace

ImageFormat DetectImageFormat(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\xFF\xD8\xFF")) return ImageFormat::kJpeg;
  if (absl::StartsWith(bytes, kPngSignature)) return ImageFormat::kPng;
  return ImageFormat::kUnknown;
}

absl::StatusOr<ImageHeader> ParseImageHeader(absl::string_view bytes) {
  switch (DetectImageFormat(bytes)) {
    case ImageFormat::kJpeg:
      return ParseJpegHeader(bytes);
    case ImageFormat::kPng:
      return ParsePngHeader(bytes);
    case ImageFormat::kUnknown:
      break;
  }
  return absl::InvalidArgumentError(bytes.empty()
                                        ? "empty file, expected JPEG or PNG"
                                        : "not an image, expected JPEG or PNG");
}

int ExifOrientation(absl::string_view tiff) {
  constexpr uint32_t kOrientationTag = 0x0112;
  constexpr uint32_t kShort = 3;
  if (tiff.size() < 8) return 1;
  const bool big = absl::StartsWith(tiff, "MM");
  if (!big && !absl::StartsWith(tiff, "II")) return 1;
  if (Load16(tiff, 2, big) != 42) return 1;
  const size_t directory = Load32(tiff, 4, big);
  if (directory > tiff.size() - 2) return 1;
  const size_t count = Load16(tiff, directory, big);
  const size_t fitting = (tiff.size() - directory - 2) / 12;
  for (size_t i = 0; i < std::min(count, fitting); ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (Load16(tiff, entry, big) != kOrientationTag) continue;
    if (Load16(tiff, entry + 2, big) != kShort ||
        Load32(tiff, entry + 4, big) != 1) {
      return 1;
    }
    const uint32_t value = Load16(tiff, entry + 8, big);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace seg
