#include "common/io/image_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

std::string Number(uint32_t value, int bytes, bool big) {
  std::string text(bytes, '\0');
  for (int i = 0; i < bytes; ++i) {
    text[big ? bytes - 1 - i : i] = static_cast<char>(value >> (8 * i));
  }
  return text;
}

// A TIFF block with one other entry and then the orientation.
std::string Tiff(bool big, uint32_t orientation, uint32_t type = 3,
                 uint32_t count = 1) {
  const auto n2 = [&](uint32_t v) { return Number(v, 2, big); };
  const auto n4 = [&](uint32_t v) { return Number(v, 4, big); };
  return (big ? "MM" : "II") + n2(42) + n4(8) + n2(2) +            //
         n2(0x010F) + n2(2) + n4(4) + "abc" + std::string(1, 0) +  //
         n2(0x0112) + n2(type) + n4(count) + n2(orientation) + n2(0) + n4(0);
}

// SOI, a comment, APP1 with the block, SOF0 of 11 x 18.
std::string Jpeg(const std::string& tiff) {
  const std::string exif = std::string("Exif\0\0", 6) + tiff;
  return std::string("\xFF\xD8\xFF\xFE\x00\x04hi\xFF\xE1", 10) +
         Number(exif.size() + 2, 2, true) + exif +
         std::string("\xFF\xFF\xC0\x00\x11\x08\x00\x0B\x00\x12\x03", 11) +
         std::string(9, '\x11');
}

TEST(ExifTest, ReadsBothByteOrders) {
  for (const bool big : {false, true}) {
    for (uint32_t value = 0; value <= 9; ++value) {
      const int expected = value >= 1 && value <= 8 ? value : 1;
      EXPECT_EQ(ExifOrientation(Tiff(big, value)), expected);
    }
  }
}

TEST(ExifTest, MalformedBlocksMeanUpright) {
  const std::string good = Tiff(true, 6);
  EXPECT_EQ(ExifOrientation(""), 1);
  EXPECT_EQ(ExifOrientation("MMMMMMMMMMMM"), 1);
  EXPECT_EQ(ExifOrientation("XX" + good.substr(2)), 1);
  EXPECT_EQ(ExifOrientation(Tiff(true, 6, /*type=*/4)), 1);
  EXPECT_EQ(ExifOrientation(Tiff(true, 6, 3, /*count=*/2)), 1);
  // Any directory offset, in range or far outside.
  for (uint32_t offset = 0; offset < 64; ++offset) {
    std::string moved = good;
    moved.replace(4, 4, Number(offset, 4, true));
    const int value = ExifOrientation(moved);
    EXPECT_EQ(value, offset == 8 ? 6 : value);
    moved.replace(4, 4, Number(0xFFFFFFFFu - offset, 4, true));
    EXPECT_EQ(ExifOrientation(moved), 1);
  }
  // A count beyond the block is cut to what fits.
  std::string many = good;
  many.replace(8, 2, Number(0xFFFF, 2, true));
  EXPECT_EQ(ExifOrientation(many), 6);
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_EQ(ExifOrientation(good.substr(0, n)), n >= 34 ? 6 : 1) << n;
  }
}

TEST(ImageHeaderTest, ReadsJpegByHand) {
  ASSERT_OK_AND_ASSIGN(const ImageHeader header,
                       ParseImageHeader(Jpeg(Tiff(false, 8))));
  EXPECT_EQ(header.format, ImageFormat::kJpeg);
  EXPECT_EQ(header.height, 11);
  EXPECT_EQ(header.width, 18);
  EXPECT_EQ(header.orientation, 8);
}

TEST(ImageHeaderTest, JpegPrefixesAskForMore) {
  const std::string jpeg = Jpeg(Tiff(true, 3));
  const size_t needed = jpeg.size() - 10;  // up to the width
  for (size_t n = 3; n < jpeg.size(); ++n) {
    const auto header = ParseImageHeader(jpeg.substr(0, n));
    if (n >= needed) {
      EXPECT_OK(header) << n;
    } else {
      EXPECT_THAT(header, StatusIs(absl::StatusCode::kOutOfRange,
                                   HasSubstr("truncated file")));
    }
  }
}

TEST(ImageHeaderTest, RefusesBrokenJpeg) {
  const auto refuses = [](const std::string& bytes, const char* why) {
    EXPECT_THAT(ParseImageHeader(bytes),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
  };
  refuses(std::string("\xFF\xD8\xFF\xFE\x00\x01", 6), "invalid length");
  refuses(std::string("\xFF\xD8\xFF\xDA\x00\x02", 6), "no frame header");
  refuses(std::string("\xFF\xD8\xFF\xC0\x00\x07\x08\x00\x01\x00\x01", 11),
          "too short");
  refuses(std::string("\xFF\xD8\xFF\xC0\x00\x11\x08\x00\x00\x00\x01", 11),
          "size 0x1");
  // Stray bytes, a stuffed zero and a restart marker are passed over.
  EXPECT_OK(ParseImageHeader(std::string(
      "\xFF\xD8\xFF\x00zz\xFF\xD0\xFF\xC2\x00\x0B\x08\x00\x01\x00\x01", 17)));
}

std::string Png(const std::string& chunks) {
  return std::string("\x89PNG\r\n\x1a\n", 8) + chunks;
}
std::string Chunk(const std::string& name, const std::string& body) {
  return Number(body.size(), 4, true) + name + body + "crc!";
}
std::string Ihdr(uint32_t width, uint32_t height) {
  return Chunk("IHDR", Number(width, 4, true) + Number(height, 4, true) +
                           std::string("\x08\x02\0\0\0", 5));
}

TEST(ImageHeaderTest, ReadsPngByHand) {
  const std::string png = Png(Ihdr(18, 11) + Chunk("tEXt", "hello") +
                              Chunk("eXIf", Tiff(true, 5)) + Chunk("IDAT", ""));
  ASSERT_OK_AND_ASSIGN(const ImageHeader header, ParseImageHeader(png));
  EXPECT_EQ(header.format, ImageFormat::kPng);
  EXPECT_EQ(header.height, 11);
  EXPECT_EQ(header.width, 18);
  EXPECT_EQ(header.orientation, 5);
  const size_t needed = png.size() - 4;
  for (size_t n = 8; n < needed; ++n) {
    EXPECT_THAT(
        ParseImageHeader(png.substr(0, n)),
        StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("truncated file")))
        << n;
  }
  EXPECT_OK(ParseImageHeader(png.substr(0, needed)));
}

TEST(ImageHeaderTest, RefusesBrokenPng) {
  const auto refuses = [](const std::string& chunks, const char* why) {
    EXPECT_THAT(ParseImageHeader(Png(chunks)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
  };
  refuses(Chunk("IDAT", "0123456789abc"), "does not begin with IHDR");
  refuses(Chunk("IHDR", "short"), "does not begin with IHDR");
  refuses(Ihdr(0, 5), "size 5x0");
  // A chunk that claims 4 GB is no reason to read 4 GB that are not there.
  EXPECT_THAT(ParseImageHeader(Png(Ihdr(1, 1) + "\xFF\xFF\xFF\xFFtEXt")),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("truncated")));
}

TEST(ImageHeaderTest, DetectsByContent) {
  EXPECT_EQ(DetectImageFormat(""), ImageFormat::kUnknown);
  EXPECT_EQ(DetectImageFormat("\xFF\xD8"), ImageFormat::kUnknown);
  EXPECT_EQ(DetectImageFormat("BM"), ImageFormat::kUnknown);
}

}  // namespace
}  // namespace seg
