#include "common/io/jpeg_codec.h"

#include <turbojpeg.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace seg {
namespace {

struct HandleDeleter {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Handle = std::unique_ptr<void, HandleDeleter>;

absl::Status JpegError(const Handle& handle) {
  return absl::InvalidArgumentError(absl::StrCat("corrupt or truncated JPEG: ",
                                                 tjGetErrorStr2(handle.get())));
}

bool IsStrayBytesWarning(const Handle& handle) {
  return tjGetErrorCode(handle.get()) == TJERR_WARNING &&
         absl::StrContains(tjGetErrorStr2(handle.get()), "extraneous bytes");
}

// To `pixels`, in the given TurboJPEG pixel format.
absl::Status Decompress(const Handle& handle, absl::string_view bytes,
                        int format, Pixels* pixels) {
  const int pitch = static_cast<int>(pixels->width * pixels->channels);
  const auto run = [&](int flags) {
    return tjDecompress2(
        handle.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
        bytes.size(), pixels->data.get(), static_cast<int>(pixels->width),
        pitch, static_cast<int>(pixels->height), format,
        flags | TJFLAG_LIMITSCANS);
  };
  if (run(TJFLAG_STOPONWARNING) == 0) return absl::OkStatus();
  // The first warning stopped it. When that was a harmless one go through, and
  // see whether another comes after.
  if (IsStrayBytesWarning(handle) &&
      (run(0) == 0 || IsStrayBytesWarning(handle))) {
    return absl::OkStatus();
  }
  return JpegError(handle);
}

Pixels CmykToRgb(const Pixels& cmyk) {
  Pixels rgb;
  rgb.height = cmyk.height;
  rgb.width = cmyk.width;
  rgb.channels = 3;
  rgb.Allocate();
  const uint8_t* in = cmyk.data.get();
  uint8_t* out = rgb.data.get();
  for (int64_t i = 0; i < cmyk.height * cmyk.width; ++i, in += 4, out += 3) {
    // Inverted: 255 is no ink, so the light that passes is the product.
    for (int c = 0; c < 3; ++c) out[c] = (in[c] * in[3] + 127) / 255;
  }
  return rgb;
}

}  // namespace

absl::StatusOr<Pixels> DecodeJpeg(absl::string_view bytes, int64_t max_pixels) {
  const Handle handle(tjInitDecompress());
  if (handle == nullptr) {
    return absl::ResourceExhaustedError("JPEG decoder could not be made");
  }
  int width = 0, height = 0, subsampling = 0, colorspace = 0;
  const int header = tjDecompressHeader3(
      handle.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
      bytes.size(), &width, &height, &subsampling, &colorspace);
  // It also fails for sampling factors that TurboJPEG has no name for, with
  // the size set; such files decode.
  if (header != 0 && (width <= 0 || height <= 0)) return JpegError(handle);
  if (int64_t{width} * height > max_pixels) {
    return absl::InvalidArgumentError(
        absl::StrCat("image of ", height, "x", width, " is above the limit of ",
                     max_pixels, " pixels"));
  }
  const bool cmyk = colorspace == TJCS_CMYK || colorspace == TJCS_YCCK;
  Pixels pixels;
  pixels.height = height;
  pixels.width = width;
  pixels.channels = cmyk ? 4 : 3;
  pixels.Allocate();
  const absl::Status status =
      Decompress(handle, bytes, cmyk ? TJPF_CMYK : TJPF_RGB, &pixels);
  if (!status.ok()) return status;
  return cmyk ? CmykToRgb(pixels) : std::move(pixels);
}

absl::StatusOr<std::string> CompressJpeg(const uint8_t* rgb, int64_t height,
                                         int64_t width, int quality) {
  constexpr int64_t kMaxSide = 65500;  // JPEG_MAX_DIMENSION of libjpeg
  if (height < 1 || width < 1 || height > kMaxSide || width > kMaxSide) {
    return absl::InvalidArgumentError(absl::StrCat(
        "JPEG sides must be 1..", kMaxSide, ", got ", height, "x", width));
  }
  if (quality < 1 || quality > 100) {
    return absl::InvalidArgumentError(
        absl::StrCat("JPEG quality must be 1..100, got ", quality));
  }
  const Handle handle(tjInitCompress());
  if (handle == nullptr) {
    return absl::ResourceExhaustedError("JPEG encoder could not be made");
  }
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  const int result =
      tjCompress2(handle.get(), rgb, static_cast<int>(width), 0,
                  static_cast<int>(height), TJPF_RGB, &buffer, &size,
                  quality < 90 ? TJSAMP_420 : TJSAMP_444, quality, 0);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> owner(buffer, tjFree);
  if (result != 0) {
    return absl::InternalError(
        absl::StrCat("JPEG encoder: ", tjGetErrorStr2(handle.get())));
  }
  return std::string(reinterpret_cast<char*>(buffer), size);
}

}  // namespace seg
