#include "common/io/jpeg_codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <turbojpeg.h>

// jpeglib.h needs FILE of stdio.h, and jerror.h numbers its messages by the
// configuration that jpeglib.h brings.
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

// Decoding goes through libjpeg's own interface, not TurboJPEG's: it tells the
// warnings apart, where TurboJPEG gives the text of the first one only.
//
// Errors leave libjpeg by longjmp. Every function that sets the jump target or
// may be left by it has only trivial locals; what owns memory lives in their
// callers, and nothing that changes after setjmp is read after it.

namespace seg {
namespace {

constexpr int kMaxScans = 500;  // of a progressive file, as TurboJPEG's limit

struct Decoder {
  jpeg_decompress_struct codec;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  jmp_buf target;
  char message[JMSG_LENGTH_MAX] = "";
  bool created = false;

  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() {
    if (created) jpeg_destroy_decompress(&codec);
  }
};

[[noreturn]] void OnError(j_common_ptr codec) {
  Decoder* decoder = static_cast<Decoder*>(codec->client_data);
  codec->err->format_message(codec, decoder->message);
  longjmp(decoder->target, 1);
}

// Negative levels are warnings, the others traces.
void OnMessage(j_common_ptr codec, int level) {
  if (level >= 0) return;
  switch (codec->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      OnError(codec);  // part of the picture would be made up
    default:
      break;  // stray bytes, unknown versions and the like: nothing is lost
  }
}

void OnProgress(j_common_ptr codec) {
  Decoder* decoder = static_cast<Decoder*>(codec->client_data);
  if (decoder->codec.input_scan_number > kMaxScans) {
    std::strcpy(decoder->message, "too many scans");
    longjmp(decoder->target, 1);
  }
}

struct Shape {
  int64_t height, width;
  int channels;  // of the pixels to come: 3, or 4 for CMYK
};

bool ReadHeader(Decoder* decoder, const unsigned char* bytes,
                unsigned long size, Shape* shape) {
  jpeg_decompress_struct* codec = &decoder->codec;
  codec->err = jpeg_std_error(&decoder->errors);
  decoder->errors.error_exit = OnError;
  decoder->errors.emit_message = OnMessage;
  codec->client_data = decoder;
  if (setjmp(decoder->target)) return false;
  jpeg_create_decompress(codec);  // keeps err and client_data
  decoder->created = true;
  decoder->progress.progress_monitor = OnProgress;
  codec->progress = &decoder->progress;
  jpeg_mem_src(codec, bytes, size);
  jpeg_read_header(codec, TRUE);
  const bool cmyk = codec->jpeg_color_space == JCS_CMYK ||
                    codec->jpeg_color_space == JCS_YCCK;
  codec->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  shape->height = codec->image_height;
  shape->width = codec->image_width;
  shape->channels = cmyk ? 4 : 3;
  return true;
}

// data: [height,width,channels].
bool ReadRows(Decoder* decoder, const Shape& shape, uint8_t* data) {
  constexpr int64_t kRows = 16;  // a row of the largest coding unit at once
  JSAMPROW rows[kRows];
  jpeg_decompress_struct* codec = &decoder->codec;
  if (setjmp(decoder->target)) return false;
  jpeg_start_decompress(codec);
  while (codec->output_scanline < codec->output_height) {
    const int64_t first = codec->output_scanline;
    const int64_t count = std::min(kRows, shape.height - first);
    for (int64_t i = 0; i < count; ++i) {
      rows[i] = data + (first + i) * shape.width * shape.channels;
    }
    jpeg_read_scanlines(codec, rows, static_cast<JDIMENSION>(count));
  }
  jpeg_finish_decompress(codec);
  return true;
}

absl::Status JpegError(const Decoder& decoder) {
  return absl::InvalidArgumentError(
      absl::StrCat("corrupt or truncated JPEG: ", decoder.message));
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
  Decoder decoder;
  Shape shape{};
  if (!ReadHeader(&decoder,
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  bytes.size(), &shape)) {
    return JpegError(decoder);
  }
  if (shape.height * shape.width > max_pixels) {
    return absl::InvalidArgumentError(
        absl::StrCat("image of ", shape.height, "x", shape.width,
                     " is above the limit of ", max_pixels, " pixels"));
  }
  Pixels pixels;
  pixels.height = shape.height;
  pixels.width = shape.width;
  pixels.channels = shape.channels;
  pixels.Allocate();
  if (!ReadRows(&decoder, shape, pixels.data.get())) return JpegError(decoder);
  if (shape.channels == 4) return CmykToRgb(pixels);
  return pixels;
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
  const std::unique_ptr<void, int (*)(tjhandle)> handle(tjInitCompress(),
                                                        tjDestroy);
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
