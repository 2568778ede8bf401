#include "common/io/png_codec.h"

#include <png.h>
#include <setjmp.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

// libpng reports errors by longjmp. Every function below that sets the jump
// target, and every callback that libpng may leave by a jump, has only trivial
// locals: a jump over a destructor would be undefined. What owns memory lives
// in their callers, and nothing that changes after setjmp is read after it.

namespace seg {
namespace {

// Deflate cannot expand more than this (a 258 byte match takes at least two
// bits), so a larger picture than that cannot be whole.
constexpr int64_t kMaxDeflateRatio = 1032;

struct Codec {
  png_structp png = nullptr;
  png_infop info = nullptr;
  bool writing = false;
  absl::string_view input;
  std::string output;
  char message[128] = "";

  Codec() = default;
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;
  ~Codec() {
    if (writing) {
      png_destroy_write_struct(&png, &info);
    } else {
      png_destroy_read_struct(&png, &info, nullptr);
    }
  }
};

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  Codec* codec = static_cast<Codec*>(png_get_error_ptr(png));
  std::strncpy(codec->message, message, sizeof(codec->message) - 1);
  png_longjmp(png, 1);
}
void OnWarning(png_structp, png_const_charp) {}  // of ancillary chunks

void OnRead(png_structp png, png_bytep data, size_t size) {
  Codec* codec = static_cast<Codec*>(png_get_io_ptr(png));
  if (size > codec->input.size()) png_error(png, "unexpected end of file");
  std::memcpy(data, codec->input.data(), size);
  codec->input.remove_prefix(size);
}
void OnWrite(png_structp png, png_bytep data, size_t size) {
  static_cast<Codec*>(png_get_io_ptr(png))
      ->output.append(reinterpret_cast<const char*>(data), size);
}
void OnFlush(png_structp) {}

bool Create(Codec* codec, bool writing) {
  codec->writing = writing;
  codec->png = writing ? png_create_write_struct(PNG_LIBPNG_VER_STRING, codec,
                                                 OnError, OnWarning)
                       : png_create_read_struct(PNG_LIBPNG_VER_STRING, codec,
                                                OnError, OnWarning);
  if (codec->png != nullptr) codec->info = png_create_info_struct(codec->png);
  return codec->info != nullptr;
}

absl::Status PngError(const Codec& codec) {
  return absl::InvalidArgumentError(
      absl::StrCat("corrupt or truncated PNG: ", codec.message));
}

struct Shape {
  png_uint_32 height, width;
  int bit_depth, color_type, channels;
  size_t row_bytes;
};

void GetShape(const Codec& codec, Shape* shape) {
  shape->height = png_get_image_height(codec.png, codec.info);
  shape->width = png_get_image_width(codec.png, codec.info);
  shape->bit_depth = png_get_bit_depth(codec.png, codec.info);
  shape->color_type = png_get_color_type(codec.png, codec.info);
  shape->channels = png_get_channels(codec.png, codec.info);
  shape->row_bytes = png_get_rowbytes(codec.png, codec.info);
}

bool ReadInfo(Codec* codec, Shape* shape) {
  if (setjmp(png_jmpbuf(codec->png))) return false;
  png_set_read_fn(codec->png, codec, OnRead);
  png_set_chunk_malloc_max(codec->png, 1 << 23);  // text and profile bombs
  png_read_info(codec->png, codec->info);
  GetShape(*codec, shape);
  return true;
}

// Chooses the conversion; `shape` becomes that of the rows to come.
bool StartRows(Codec* codec, bool to_rgb, Shape* shape, int* passes) {
  if (setjmp(png_jmpbuf(codec->png))) return false;
  if (to_rgb) {
    png_set_expand(codec->png);  // palette to RGB, grey to 8 bits
    png_set_scale_16(codec->png);
    png_set_gray_to_rgb(codec->png);
    png_set_strip_alpha(codec->png);
  } else {
    png_set_packing(codec->png);  // one byte a value, not scaled
  }
  *passes = png_set_interlace_handling(codec->png);
  png_read_update_info(codec->png, codec->info);
  GetShape(*codec, shape);
  return true;
}

bool ReadRows(Codec* codec, const Shape& shape, int passes, uint8_t* data) {
  if (setjmp(png_jmpbuf(codec->png))) return false;
  for (int pass = 0; pass < passes; ++pass) {
    for (png_uint_32 y = 0; y < shape.height; ++y) {
      png_read_row(codec->png, data + y * shape.row_bytes, nullptr);
    }
  }
  png_read_end(codec->png, nullptr);
  return true;
}

bool WriteRows(Codec* codec, const uint8_t* data, png_uint_32 height,
               png_uint_32 width, int channels, const png_color* palette,
               int colors) {
  if (setjmp(png_jmpbuf(codec->png))) return false;
  png_set_write_fn(codec->png, codec, OnWrite, OnFlush);
  png_set_IHDR(codec->png, codec->info, width, height, 8,
               channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_PALETTE,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (palette != nullptr) {
    png_set_PLTE(codec->png, codec->info, palette, colors);
  }
  png_write_info(codec->png, codec->info);
  for (png_uint_32 y = 0; y < height; ++y) {
    png_write_row(codec->png, data + size_t{y} * width * channels);
  }
  png_write_end(codec->png, nullptr);
  return true;
}

absl::StatusOr<Pixels> Decode(absl::string_view bytes, bool to_rgb,
                              int64_t max_pixels) {
  Codec codec;
  if (!Create(&codec, /*writing=*/false)) {
    return absl::ResourceExhaustedError("PNG decoder could not be made");
  }
  codec.input = bytes;
  Shape shape{};
  if (!ReadInfo(&codec, &shape)) return PngError(codec);
  if (int64_t{shape.height} * shape.width > max_pixels) {
    return absl::InvalidArgumentError(
        absl::StrCat("image of ", shape.height, "x", shape.width,
                     " is above the limit of ", max_pixels, " pixels"));
  }
  if (static_cast<int64_t>(shape.row_bytes) * shape.height / kMaxDeflateRatio >
      static_cast<int64_t>(bytes.size())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "corrupt or truncated PNG: ", bytes.size(),
        " bytes cannot hold an image of ", shape.height, "x", shape.width));
  }
  if (!to_rgb && (shape.color_type & PNG_COLOR_MASK_ALPHA)) {
    return absl::InvalidArgumentError(
        "mask has an alpha channel, expected a palette or grey PNG of class "
        "ids; bazel run //tools:convert_masks makes one of it");
  }
  if (!to_rgb && shape.color_type == PNG_COLOR_TYPE_RGB) {
    return absl::InvalidArgumentError(
        "mask is a colour PNG, expected a palette or grey PNG of class ids; "
        "bazel run //tools:convert_masks makes one of it");
  }
  int passes = 1;
  if (!StartRows(&codec, to_rgb, &shape, &passes)) return PngError(codec);
  Pixels pixels;
  pixels.height = shape.height;
  pixels.width = shape.width;
  pixels.channels = shape.channels;
  pixels.bytes_per_sample = shape.bit_depth == 16 ? 2 : 1;
  if (pixels.size() != static_cast<int64_t>(shape.row_bytes) * shape.height) {
    return absl::InternalError("PNG decoder: unexpected row size");
  }
  pixels.Allocate();
  if (!ReadRows(&codec, shape, passes, pixels.data.get())) {
    return PngError(codec);
  }
  return pixels;
}

absl::StatusOr<std::string> Compress(const uint8_t* data, int64_t height,
                                     int64_t width, int channels,
                                     const png_color* palette, int colors) {
  constexpr int64_t kMaxSide = 1'000'000;  // libpng's own limit
  if (height < 1 || width < 1 || height > kMaxSide || width > kMaxSide) {
    return absl::InvalidArgumentError(absl::StrCat(
        "PNG sides must be 1..", kMaxSide, ", got ", height, "x", width));
  }
  Codec codec;
  if (!Create(&codec, /*writing=*/true)) {
    return absl::ResourceExhaustedError("PNG encoder could not be made");
  }
  if (!WriteRows(&codec, data, static_cast<png_uint_32>(height),
                 static_cast<png_uint_32>(width), channels, palette, colors)) {
    return absl::InternalError(absl::StrCat("PNG encoder: ", codec.message));
  }
  return std::move(codec.output);
}

}  // namespace

absl::StatusOr<Pixels> DecodePngRgb(absl::string_view bytes,
                                    int64_t max_pixels) {
  return Decode(bytes, /*to_rgb=*/true, max_pixels);
}

absl::StatusOr<Pixels> DecodePngValues(absl::string_view bytes,
                                       int64_t max_pixels) {
  return Decode(bytes, /*to_rgb=*/false, max_pixels);
}

absl::StatusOr<std::string> CompressPngRgb(const uint8_t* rgb, int64_t height,
                                           int64_t width) {
  return Compress(rgb, height, width, 3, nullptr, 0);
}

absl::StatusOr<std::string> CompressPngIndices(
    const uint8_t* indices, int64_t height, int64_t width,
    const std::vector<std::array<uint8_t, 3>>& palette) {
  if (palette.empty() || palette.size() > 256) {
    return absl::InvalidArgumentError(
        absl::StrCat("palette must have 1..256 colours, got ", palette.size()));
  }
  png_color colors[256];
  for (size_t i = 0; i < palette.size(); ++i) {
    colors[i] = {palette[i][0], palette[i][1], palette[i][2]};
  }
  return Compress(indices, height, width, 1, colors,
                  static_cast<int>(palette.size()));
}

}  // namespace seg
