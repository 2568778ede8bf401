// Kinds of PNG that few programs write (every colour type, depth, interlaced):
// made here by libpng, checked against the values that went in.
#include "common/io/png_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <string>
#include <vector>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kLimit = 1 << 20;

void Append(png_structp png, png_bytep data, size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))
      ->append(reinterpret_cast<char*>(data), size);
}
void Flush(png_structp) {}

int Channels(int color) {
  return color == PNG_COLOR_TYPE_RGB          ? 3
         : color == PNG_COLOR_TYPE_RGBA       ? 4
         : color == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
                                              : 1;
}

// Sample `c` of pixel (y, x), of `depth` bits.
int Sample(int y, int x, int c, int depth) {
  return ((y * 131 + x * 37 + c * 71) * 257) & ((1 << depth) - 1);
}

// libpng errors abort here, which fails the test.
std::string MakePng(int color, int depth, bool interlaced, int height,
                    int width) {
  const int channels = Channels(color);
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  std::string bytes;
  png_set_write_fn(png, &bytes, Append, Flush);
  png_set_IHDR(png, info, width, height, depth, color,
               interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_color palette[256];
  for (int i = 0; i < 256; ++i) {
    palette[i] = {static_cast<png_byte>(i), static_cast<png_byte>(255 - i),
                  static_cast<png_byte>(i ^ 0x55)};
  }
  if (color == PNG_COLOR_TYPE_PALETTE) {
    png_set_PLTE(png, info, palette, 1 << depth);
  }
  png_write_info(png, info);
  png_set_packing(png);
  const int sample_bytes = depth == 16 ? 2 : 1;
  std::vector<uint8_t> data(size_t(height) * width * channels * sample_bytes);
  std::vector<png_bytep> rows(height);
  size_t at = 0;
  for (int y = 0; y < height; ++y) {
    rows[y] = &data[at];
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const int value = Sample(y, x, c, depth);
        if (depth == 16) data[at++] = static_cast<uint8_t>(value >> 8);
        data[at++] = static_cast<uint8_t>(value);
      }
    }
  }
  png_write_image(png, rows.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

int To8Bits(int value, int depth) {
  if (depth == 16) return (value * 255 + 32895) >> 16;  // libpng's rounding
  return value * 255 / ((1 << depth) - 1);
}

struct Kind {
  int color, depth;
};
constexpr Kind kKinds[] = {
    {PNG_COLOR_TYPE_GRAY, 1},        {PNG_COLOR_TYPE_GRAY, 2},
    {PNG_COLOR_TYPE_GRAY, 4},        {PNG_COLOR_TYPE_GRAY, 8},
    {PNG_COLOR_TYPE_GRAY, 16},       {PNG_COLOR_TYPE_PALETTE, 1},
    {PNG_COLOR_TYPE_PALETTE, 2},     {PNG_COLOR_TYPE_PALETTE, 4},
    {PNG_COLOR_TYPE_PALETTE, 8},     {PNG_COLOR_TYPE_GRAY_ALPHA, 8},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 16}, {PNG_COLOR_TYPE_RGB, 8},
    {PNG_COLOR_TYPE_RGB, 16},        {PNG_COLOR_TYPE_RGBA, 8},
    {PNG_COLOR_TYPE_RGBA, 16}};

TEST(PngCodecTest, ReadsEveryKindAsRgb) {
  for (const Kind& kind : kKinds) {
    for (const bool interlaced : {false, true}) {
      SCOPED_TRACE(::testing::Message()
                   << "color " << kind.color << " depth " << kind.depth
                   << (interlaced ? " i" : ""));
      ASSERT_OK_AND_ASSIGN(
          const Pixels pixels,
          DecodePngRgb(MakePng(kind.color, kind.depth, interlaced, 9, 13),
                       kLimit));
      ASSERT_EQ(pixels.size(), 9 * 13 * 3);
      for (int y = 0; y < 9; ++y) {
        for (int x = 0; x < 13; ++x) {
          for (int c = 0; c < 3; ++c) {
            const bool color = Channels(kind.color) >= 3;
            const int sample = Sample(y, x, color ? c : 0, kind.depth);
            const int expected = kind.color == PNG_COLOR_TYPE_PALETTE
                                     ? (c == 0   ? sample
                                        : c == 1 ? 255 - sample
                                                 : sample ^ 0x55)
                                     : To8Bits(sample, kind.depth);
            ASSERT_EQ(pixels.data[(y * 13 + x) * 3 + c], expected);
          }
        }
      }
    }
  }
}

TEST(PngCodecTest, ReadsPaletteAndGreyAsStoredValues) {
  for (const Kind& kind : kKinds) {
    for (const bool interlaced : {false, true}) {
      const absl::StatusOr<Pixels> pixels = DecodePngValues(
          MakePng(kind.color, kind.depth, interlaced, 9, 13), kLimit);
      if (Channels(kind.color) > 1) {
        EXPECT_THAT(pixels, StatusIs(absl::StatusCode::kInvalidArgument,
                                     HasSubstr("expected a palette or grey")));
        continue;
      }
      ASSERT_OK(pixels);
      ASSERT_EQ(pixels->bytes_per_sample, kind.depth == 16 ? 2 : 1);
      for (int i = 0; i < 9 * 13; ++i) {
        const int expected = Sample(i / 13, i % 13, 0, kind.depth);
        const int value = kind.depth == 16 ? pixels->data[2 * i] << 8 |
                                                 pixels->data[2 * i + 1]
                                           : pixels->data[i];
        ASSERT_EQ(value, expected) << "depth " << kind.depth;
      }
    }
  }
}

TEST(PngCodecTest, TruncatedInterlacedFilesAreErrors) {
  const std::string bytes = MakePng(PNG_COLOR_TYPE_PALETTE, 4, true, 9, 13);
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(DecodePngValues(bytes.substr(0, n), kLimit).ok()) << n;
    EXPECT_FALSE(DecodePngRgb(bytes.substr(0, n), kLimit).ok()) << n;
  }
}

TEST(PngCodecTest, LimitsPixels) {
  EXPECT_THAT(DecodePngRgb(MakePng(PNG_COLOR_TYPE_GRAY, 8, false, 10, 11), 109),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("10x11 is above the limit of 109 pixels")));
}

TEST(PngCodecTest, RefusesSizesThatTheFileCannotHold) {
  // A valid header of 16384 x 16383 pixels in a file of a hundred bytes.
  std::string bytes = MakePng(PNG_COLOR_TYPE_GRAY, 8, false, 1, 1);
  bytes.replace(16, 8, std::string("\0\0\x40\0\0\0\x3f\xff", 8));
  EXPECT_FALSE(DecodePngRgb(bytes, kLimit << 10).ok());  // the CRC is wrong
  // CRC of that IHDR.
  uint32_t value = 0xFFFFFFFFu;
  for (size_t i = 12; i < 29; ++i) {
    value ^= static_cast<uint8_t>(bytes[i]);
    for (int k = 0; k < 8; ++k) {
      value = value & 1 ? 0xEDB88320u ^ (value >> 1) : value >> 1;
    }
  }
  value = ~value;
  for (int i = 0; i < 4; ++i) {
    bytes[29 + i] = static_cast<char>(value >> (24 - 8 * i));
  }
  EXPECT_THAT(DecodePngRgb(bytes, kLimit << 10),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cannot hold an image of 16383x16384")));
}

TEST(PngCodecTest, RefusesIndicesOutsideThePalette) {
  const std::vector<uint8_t> indices = {0, 1, 2};
  EXPECT_OK(CompressPngIndices(indices.data(), 1, 3, {{}, {}, {}}));
  EXPECT_THAT(CompressPngIndices(indices.data(), 1, 3, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("palette must have 1..256 colours, got 0")));
}

}  // namespace
}  // namespace seg
