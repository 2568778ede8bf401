// The files in testdata/images come from PIL and carry PIL's reading of them
// (testdata/make_image_goldens.py).
#include "common/io/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "common/io/file.h"
#include "common/io/npy.h"
#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kFolder[] = "common/io/testdata/images/";

std::string TempPath(const std::string& name) {
  return ::testing::TempDir() + "image_test_" + name;
}

// A picture without symmetry.
at::Tensor TestImage(int64_t height, int64_t width) {
  return (at::arange(3 * height * width) * 7 % 251)
      .view({3, height, width})
      .to(at::kByte);
}

int64_t MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kLong) - b.to(at::kLong)).abs().max().item<int64_t>();
}

class ImageGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ImageGoldenTest, ReadsWhatPilReads) {
  const std::string path = std::string(kFolder) + GetParam();
  ASSERT_OK_AND_ASSIGN(const at::Tensor image, ReadImage(path));
  ASSERT_OK_AND_ASSIGN(const at::Tensor golden, ReadNpy(path + ".npy"));
  const at::Tensor expected = golden.permute({2, 0, 1});
  ASSERT_EQ(image.sizes(), expected.sizes());
  EXPECT_EQ(image.scalar_type(), at::kByte);
  EXPECT_TRUE(image.is_contiguous());
  // PNG is exact. JPEG decoders may round the inverse DCT, the chroma filter
  // and the colour conversion differently by one each.
  const bool jpeg = path.find(".jpg") != std::string::npos;
  EXPECT_LE(MaxDifference(image, expected), jpeg ? 3 : 0);
  ASSERT_OK_AND_ASSIGN(const ImageSize size, ReadImageSize(path));
  EXPECT_EQ(size.height, expected.size(1));
  EXPECT_EQ(size.width, expected.size(2));
}

INSTANTIATE_TEST_SUITE_P(
    Files, ImageGoldenTest,
    ::testing::Values("rgb_444.jpg", "rgb_422.jpg", "rgb_420.jpg",
                      "progressive.jpg", "restart.jpg", "grey.jpg", "cmyk.jpg",
                      "orientation_1.jpg", "orientation_2.jpg",
                      "orientation_3.jpg", "orientation_4.jpg",
                      "orientation_5.jpg", "orientation_6.jpg",
                      "orientation_7.jpg", "orientation_8.jpg", "exif.png",
                      "rgb.png", "grey.png", "bits.png", "rgba.png",
                      "grey_alpha.png", "palette.png",
                      "palette_transparent.png"));

class MaskGoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(MaskGoldenTest, ReadsStoredValues) {
  const std::string path = std::string(kFolder) + GetParam();
  ASSERT_OK_AND_ASSIGN(const at::Tensor mask, ReadMask(path));
  ASSERT_OK_AND_ASSIGN(const at::Tensor expected, ReadNpy(path + ".npy"));
  EXPECT_EQ(mask.scalar_type(), at::kByte);
  EXPECT_TRUE(at::equal(mask, expected));
}

INSTANTIATE_TEST_SUITE_P(
    Files, MaskGoldenTest,
    ::testing::Values("mask_palette_1.png", "mask_palette_2.png",
                      "mask_palette_4.png", "mask_palette_8.png",
                      "mask_grey.png", "mask_grey_16.png"));

TEST(ImageTest, OrientationByHand) {
  // 1 2 3 / 4 5 6 as stored; EXIF 6 asks for a quarter turn clockwise.
  ASSERT_OK_AND_ASSIGN(const at::Tensor stored,
                       ReadImage(std::string(kFolder) + "orientation_1.jpg"));
  ASSERT_OK_AND_ASSIGN(const at::Tensor turned,
                       ReadImage(std::string(kFolder) + "orientation_6.jpg"));
  ASSERT_EQ(turned.size(1), stored.size(2));
  EXPECT_TRUE(at::equal(turned.select(1, 0),            // top row
                        stored.select(2, 0).flip(1)));  // left column, upwards
}

TEST(ImageTest, PngRoundTripIsExactForAnyStrides) {
  for (const auto& size : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {3, 5}, {2, 64}, {37, 129}}) {
    const at::Tensor image = TestImage(size.first, size.second);
    const std::string path = TempPath("round.png");
    ASSERT_OK(WriteImage(path, image));
    EXPECT_TRUE(at::equal(ReadImage(path).value(), image));
    const at::Tensor channels_last =
        image.permute({1, 2, 0}).contiguous().permute({2, 0, 1});
    EXPECT_EQ(EncodePng(channels_last).value(), EncodePng(image).value());
  }
}

TEST(ImageTest, JpegRoundTripIsClose) {
  const at::Tensor ramp =
      at::arange(64).view({1, 1, 64}).expand({3, 48, 64}).mul(3).to(at::kByte);
  const std::string path = TempPath("round.JPEG");
  ASSERT_OK(WriteImage(path, ramp));
  // Quality 95 quantises by at most a few grey values.
  EXPECT_LE(MaxDifference(ReadImage(path).value(), ramp), 4);
  EXPECT_LT(EncodeJpeg(ramp, 30)->size(), EncodeJpeg(ramp, 95)->size());
}

TEST(ImageTest, MaskRoundTripKeepsIdsAndPalette) {
  const at::Tensor mask =
      (at::arange(35) % 6).view({5, 7}).to(at::kByte).clone();
  mask[4][6] = 255;
  const Palette palette = {{0, 0, 0}, {128, 0, 0}, {0, 128, 0},
                           {1, 2, 3}, {4, 5, 6},   {7, 8, 9}};
  const std::string path = TempPath("mask.png");
  ASSERT_OK(WriteMask(path, mask, palette));
  EXPECT_TRUE(at::equal(ReadMask(path).value(), mask));
  // Seen as a picture it has the palette's colours, void beyond them.
  const at::Tensor colors = ReadImage(path).value();
  EXPECT_EQ(colors[0][0][3].item<int>(), 1);
  EXPECT_EQ(colors[2][0][3].item<int>(), 3);
  EXPECT_EQ(colors[0][4][6].item<int>(), kVoidColour[0]);
  EXPECT_EQ(colors[2][4][6].item<int>(), kVoidColour[2]);
  // Transposed strides.
  EXPECT_EQ(EncodeMask(mask.t().contiguous().t(), palette).value(),
            EncodeMask(mask, palette).value());
}

TEST(ImageTest, MaskRefusesWhatHoldsNoIds) {
  const auto refuses = [](const char* name, const char* why) {
    const std::string path = std::string(kFolder) + name;
    EXPECT_THAT(ReadMask(path),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith(path + ": "), HasSubstr(why))));
  };
  refuses("rgb.png", "colour PNG");
  refuses("rgba.png", "alpha");
  refuses("grey_alpha.png", "alpha");
  refuses("grey.jpg", "JPEG");

  // One pixel of 16-bit grey, 300.
  const unsigned char kBytes[] = {
      0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d,
      0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01,
      0x10, 0x00, 0x00, 0x00, 0x00, 0x6a, 0xee, 0x47, 0x16, 0x00, 0x00, 0x00,
      0x0e, 0x49, 0x44, 0x41, 0x54, 0x78, 0x01, 0x01, 0x03, 0x00, 0xfc, 0xff,
      0x00, 0x01, 0x2c, 0x00, 0x31, 0x00, 0x2e, 0xe9, 0x54, 0xf8, 0xf9, 0x00,
      0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  const std::string path = TempPath("grey_16.png");
  std::ofstream(path, std::ios::binary)
      << std::string(std::begin(kBytes), std::end(kBytes));
  EXPECT_THAT(ReadMask(path),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith(path + ": "),
                             HasSubstr("16-bit mask holds the value 300, "
                                       "expected class ids of 0..255"))));
}

TEST(ImageTest, NamesPathAndReasonOfBadFiles) {
  const std::string path = TempPath("bad");
  const auto refuses = [&](const std::string& bytes, const char* why) {
    std::ofstream(path, std::ios::binary) << bytes;
    const auto matcher =
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(StartsWith(path + ": "), HasSubstr(why)));
    EXPECT_THAT(ReadImage(path), matcher);
    EXPECT_THAT(ReadMask(path), matcher);
    EXPECT_THAT(ReadImageSize(path), matcher);
  };
  refuses("", "empty file");
  refuses("GIF89a.....", "not an image, expected JPEG or PNG");
  refuses("\xFF\xD8\xFF", "truncated");
  refuses(std::string("\x89PNG\r\n\x1a\n", 8), "truncated");
  refuses("\xFF\xD8\xFF\xD9", "no frame header");
  EXPECT_THAT(ReadImage(path + "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path + "none")));
  EXPECT_THAT(ReadImageSize(path + "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path + "none")));
}

// Cut at every length, a file gives an error and never a picture.
TEST(ImageTest, TruncationAtEveryByteIsAnError) {
  for (const char* name : {"rgb_420.jpg", "progressive.jpg", "restart.jpg",
                           "orientation_6.jpg", "rgb.png", "exif.png"}) {
    ASSERT_OK_AND_ASSIGN(const std::string bytes,
                         ReadFile(std::string(kFolder) + name));
    for (size_t n = 0; n < bytes.size(); ++n) {
      const absl::StatusOr<at::Tensor> image = DecodeImage(bytes.substr(0, n));
      EXPECT_FALSE(image.ok()) << name << " cut to " << n;
    }
  }
  ASSERT_OK_AND_ASSIGN(const std::string mask,
                       ReadFile(std::string(kFolder) + "mask_palette_4.png"));
  for (size_t n = 0; n < mask.size(); ++n) {
    EXPECT_FALSE(DecodeMask(mask.substr(0, n)).ok()) << n;
  }
}

// Every byte changed: an error or some picture, never a crash.
TEST(ImageTest, SurvivesEveryChangedByte) {
  for (const char* name : {"progressive.jpg", "orientation_6.jpg", "cmyk.jpg",
                           "palette_transparent.png", "exif.png"}) {
    ASSERT_OK_AND_ASSIGN(const std::string bytes,
                         ReadFile(std::string(kFolder) + name));
    for (size_t i = 0; i < bytes.size(); ++i) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ 0xFF);
      const absl::StatusOr<at::Tensor> image = DecodeImage(changed);
      if (image.ok()) {
        EXPECT_EQ(image->size(0), 3);
      }
    }
  }
}

TEST(ImageTest, StrayBytesBetweenJpegSegmentsAreHarmless) {
  ASSERT_OK_AND_ASSIGN(const std::string jpeg,
                       ReadFile(std::string(kFolder) + "rgb_444.jpg"));
  ASSERT_OK_AND_ASSIGN(const at::Tensor expected, DecodeImage(jpeg));
  std::string stray = jpeg;
  stray.insert(jpeg.find("\xFF\xC0"), "stray");
  ASSERT_OK_AND_ASSIGN(const at::Tensor image, DecodeImage(stray));
  EXPECT_TRUE(at::equal(image, expected));
  // They do not hide damage that comes after them.
  std::string damaged = stray;
  damaged.erase(damaged.size() - 40, 30);
  EXPECT_THAT(DecodeImage(damaged),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("corrupt or truncated JPEG: ")));
}

TEST(ImageTest, HugeSizesAreRefusedBeforeAllocation) {
  ASSERT_OK_AND_ASSIGN(std::string jpeg,
                       ReadFile(std::string(kFolder) + "rgb_444.jpg"));
  const size_t frame = jpeg.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");  // 65500 x 65500
  EXPECT_THAT(DecodeImage(jpeg),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("65500x65500 is above the limit")));
}

TEST(ImageTest, ReadImageSizePassesOverLongMetadata) {
  // 200 kB of comments before the frame header: more than the first read.
  ASSERT_OK_AND_ASSIGN(const std::string jpeg,
                       ReadFile(std::string(kFolder) + "orientation_6.jpg"));
  std::string comments;
  for (int i = 0; i < 4; ++i) {
    comments += "\xFF\xFE\xC3\x50" + std::string(0xC350 - 2, 'c');
  }
  const std::string path = TempPath("long.jpg");
  std::ofstream(path, std::ios::binary)
      << jpeg.substr(0, 2) << comments << jpeg.substr(2);
  ASSERT_OK_AND_ASSIGN(const ImageSize size, ReadImageSize(path));
  EXPECT_EQ(size.height, 16);
  EXPECT_EQ(size.width, 8);
  ASSERT_OK_AND_ASSIGN(const at::Tensor image, ReadImage(path));
  EXPECT_EQ(image.size(1), 16);
}

TEST(ImageTest, WritersCheckTheirArguments) {
  const at::Tensor image = TestImage(2, 3);
  const auto invalid = [](const char* why) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why));
  };
  EXPECT_THAT(WriteImage(TempPath("x.bmp"), image), invalid(".png, .jpg"));
  EXPECT_THAT(EncodePng(image.to(at::kFloat)),
              invalid("must be uint8 [3,H,W], got Float [3, 2, 3]"));
  EXPECT_THAT(EncodePng(image[0]), invalid("got Byte [2, 3]"));
  EXPECT_THAT(EncodePng(at::Tensor()), invalid("undefined"));
  EXPECT_THAT(EncodePng(TestImage(0, 3)), invalid("sides must be"));
  EXPECT_THAT(EncodeJpeg(TestImage(3, 0)), invalid("sides must be"));
  EXPECT_THAT(EncodeJpeg(image, 0), invalid("quality must be 1..100, got 0"));
  EXPECT_THAT(EncodeMask(image, {}), invalid("must be uint8 [H,W]"));
  EXPECT_THAT(EncodeMask(at::Tensor(), {}), invalid("undefined"));
  EXPECT_THAT(EncodeMask(image[0], Palette(257)), invalid("1..256"));
  EXPECT_THAT(WriteMask(TempPath("x.jpg"), image[0], {}), invalid(".png"));
  EXPECT_THAT(WriteMask(TempPath("none/x.png"), image[0], {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none/x.png")));
}

}  // namespace
}  // namespace seg
