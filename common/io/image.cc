#include "common/io/image.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/image_header.h"
#include "common/io/jpeg_codec.h"
#include "common/io/planar.h"
#include "common/io/png_codec.h"

namespace seg {
namespace {

// Turns [...,H,W] as stored into upright. EXIF 2.32, tag 0x0112:
//   1 as is, 2 mirrored, 3 half turn, 4 upside down, 5 transposed,
//   6 needs a quarter turn clockwise, 7 transverse, 8 counter-clockwise.
at::Tensor ApplyOrientation(const at::Tensor& image, int orientation) {
  switch (orientation) {
    case 2:
      return image.flip({-1});
    case 3:
      return image.flip({-2, -1});
    case 4:
      return image.flip({-2});
    case 5:
      return image.transpose(-2, -1).contiguous();
    case 6:
      return image.transpose(-2, -1).flip({-1});
    case 7:
      return image.transpose(-2, -1).flip({-2, -1});
    case 8:
      return image.transpose(-2, -1).flip({-2});
    default:
      return image;
  }
}

// The header of a whole file; a file that ends in it is truncated.
absl::StatusOr<ImageHeader> HeaderOfWhole(const std::string& bytes) {
  absl::StatusOr<ImageHeader> header = ParseImageHeader(bytes);
  if (absl::IsOutOfRange(header.status())) {
    return absl::InvalidArgumentError(header.status().message());
  }
  return header;
}

at::Tensor UprightTensor(const at::Tensor& stored, int orientation) {
  return ApplyOrientation(stored, orientation).contiguous();
}

// [H,W] of class ids.
absl::StatusOr<at::Tensor> ValuesToMask(const Pixels& pixels) {
  at::Tensor mask = at::empty({pixels.height, pixels.width}, at::kByte);
  uint8_t* out = mask.data_ptr<uint8_t>();
  const int64_t count = pixels.height * pixels.width;
  const uint8_t* in = pixels.data.get();
  if (pixels.bytes_per_sample == 1) {
    std::memcpy(out, in, count);
    return mask;
  }
  for (int64_t i = 0; i < count; ++i) {
    const int value = in[2 * i] << 8 | in[2 * i + 1];
    if (value > 255) {
      return absl::InvalidArgumentError(
          absl::StrCat("16-bit mask holds the value ", value,
                       ", expected class ids of 0..255"));
    }
    out[i] = static_cast<uint8_t>(value);
  }
  return mask;
}

// [H,W,3] of a [3,H,W] tensor.
absl::StatusOr<Pixels> ToPixels(const at::Tensor& rgb) {
  if (!rgb.defined() || rgb.scalar_type() != at::kByte || rgb.dim() != 3 ||
      rgb.size(0) != 3) {
    return absl::InvalidArgumentError(absl::StrCat(
        "image must be uint8 [3,H,W], got ",
        rgb.defined() ? absl::StrCat(c10::toString(rgb.scalar_type()), " ",
                                     c10::str(rgb.sizes()))
                      : "an undefined tensor"));
  }
  const at::Tensor planes = rgb.detach().cpu().contiguous();
  Pixels pixels;
  pixels.height = planes.size(1);
  pixels.width = planes.size(2);
  pixels.channels = 3;
  pixels.Allocate();
  InterleaveRgb(planes.data_ptr<uint8_t>(), pixels.height * pixels.width,
                pixels.data.get());
  return pixels;
}

}  // namespace

absl::StatusOr<at::Tensor> DecodeImage(const std::string& bytes) {
  SEG_ASSIGN_OR_RETURN(const ImageHeader header, HeaderOfWhole(bytes));
  SEG_ASSIGN_OR_RETURN(const Pixels pixels,
                       header.format == ImageFormat::kJpeg
                           ? DecodeJpeg(bytes, kMaxPixels)
                           : DecodePngRgb(bytes, kMaxPixels));
  at::Tensor image = at::empty({3, pixels.height, pixels.width}, at::kByte);
  DeinterleaveRgb(pixels.data.get(), pixels.height * pixels.width,
                  image.data_ptr<uint8_t>());
  return UprightTensor(image, header.orientation);
}

absl::StatusOr<at::Tensor> DecodeMask(const std::string& bytes) {
  SEG_ASSIGN_OR_RETURN(const ImageHeader header, HeaderOfWhole(bytes));
  if (header.format == ImageFormat::kJpeg) {
    return absl::InvalidArgumentError(
        "mask is a JPEG, which does not keep class ids; expected a palette or "
        "grey PNG");
  }
  SEG_ASSIGN_OR_RETURN(const Pixels pixels, DecodePngValues(bytes, kMaxPixels));
  SEG_ASSIGN_OR_RETURN(const at::Tensor mask, ValuesToMask(pixels));
  return UprightTensor(mask, header.orientation);
}

absl::StatusOr<at::Tensor> ReadImage(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  absl::StatusOr<at::Tensor> image = DecodeImage(bytes);
  if (!image.ok()) return WithPath(image.status(), path);
  return image;
}

absl::StatusOr<at::Tensor> ReadMask(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  absl::StatusOr<at::Tensor> mask = DecodeMask(bytes);
  if (!mask.ok()) return WithPath(mask.status(), path);
  return mask;
}

absl::StatusOr<ImageSize> ReadImageSize(const std::string& path) {
  for (int64_t part = int64_t{1} << 16;; part *= 16) {
    SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFilePrefix(path, part));
    const bool whole = static_cast<int64_t>(bytes.size()) < part;
    absl::StatusOr<ImageHeader> header =
        whole ? HeaderOfWhole(bytes) : ParseImageHeader(bytes);
    if (!whole && absl::IsOutOfRange(header.status())) continue;
    if (!header.ok()) return WithPath(header.status(), path);
    ImageSize size{header->height, header->width};
    if (header->orientation >= 5) std::swap(size.height, size.width);
    return size;
  }
}

absl::StatusOr<std::string> EncodePng(const at::Tensor& rgb) {
  SEG_ASSIGN_OR_RETURN(const Pixels pixels, ToPixels(rgb));
  return CompressPngRgb(pixels.data.get(), pixels.height, pixels.width);
}

absl::StatusOr<std::string> EncodeJpeg(const at::Tensor& rgb, int quality) {
  SEG_ASSIGN_OR_RETURN(const Pixels pixels, ToPixels(rgb));
  return CompressJpeg(pixels.data.get(), pixels.height, pixels.width, quality);
}

absl::StatusOr<std::string> EncodeMask(const at::Tensor& mask,
                                       const Palette& palette) {
  if (!mask.defined() || mask.scalar_type() != at::kByte || mask.dim() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "mask must be uint8 [H,W], got ",
        mask.defined() ? absl::StrCat(c10::toString(mask.scalar_type()), " ",
                                      c10::str(mask.sizes()))
                       : "an undefined tensor"));
  }
  const at::Tensor ids = mask.detach().cpu().contiguous();
  const uint8_t* data = ids.data_ptr<uint8_t>();
  Palette colors = palette;
  const size_t used =
      ids.numel() == 0
          ? 0
          : size_t{*std::max_element(data, data + ids.numel())} + 1;
  if (colors.size() < used) colors.resize(used, kVoidColour);
  return CompressPngIndices(data, ids.size(0), ids.size(1), colors);
}

absl::Status WriteImage(const std::string& path, const at::Tensor& rgb) {
  absl::StatusOr<std::string> bytes;
  if (absl::EndsWithIgnoreCase(path, ".png")) {
    bytes = EncodePng(rgb);
  } else if (absl::EndsWithIgnoreCase(path, ".jpg") ||
             absl::EndsWithIgnoreCase(path, ".jpeg")) {
    bytes = EncodeJpeg(rgb);
  } else {
    bytes = absl::InvalidArgumentError(
        "extension must be .png, .jpg or .jpeg to write an image");
  }
  if (!bytes.ok()) return WithPath(bytes.status(), path);
  return WriteFileAtomically(path, *bytes);
}

absl::Status WriteMask(const std::string& path, const at::Tensor& mask,
                       const Palette& palette) {
  if (!absl::EndsWithIgnoreCase(path, ".png")) {
    return WithPath(
        absl::InvalidArgumentError("extension must be .png to write a mask"),
        path);
  }
  const absl::StatusOr<std::string> bytes = EncodeMask(mask, palette);
  if (!bytes.ok()) return WithPath(bytes.status(), path);
  return WriteFileAtomically(path, *bytes);
}

}  // namespace seg
