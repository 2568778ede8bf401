// Photographs and label masks on disk: JPEG and PNG, told apart by content.
//
// Images are uint8 [3,H,W], RGB, CPU, contiguous; masks uint8 [H,W].
// The EXIF orientation (1..8, JPEG APP1 or PNG eXIf) is applied, to sizes too,
// so that a picture and its mask agree whatever camera wrote them.
// Pixels above kMaxPixels are refused before anything is allocated for them.
// Empty, truncated, corrupt and foreign files give an error "PATH: reason".
// All functions are thread safe.
#ifndef SEGPAPERS_COMMON_IO_IMAGE_H_
#define SEGPAPERS_COMMON_IO_IMAGE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace seg {

constexpr int64_t kMaxPixels = int64_t{1} << 28;

// Colour of each class id; at most 256 entries.
using Palette = std::vector<std::array<uint8_t, 3>>;

struct ImageSize {
  int64_t height = 0;
  int64_t width = 0;
};

// Reads a picture of any kind as RGB. Grey is repeated over the channels, a
// palette looked up, 16 bits scaled to 8, alpha dropped (as PIL's
// convert("RGB") does), CMYK and YCCK JPEG converted by the Adobe convention.
absl::StatusOr<at::Tensor> ReadImage(const std::string& path);
absl::StatusOr<at::Tensor> DecodeImage(const std::string& bytes);

// The size that ReadImage and ReadMask would give. Reads the header only: 64 kB
// of the file as a rule, more when metadata before the frame header needs it.
absl::StatusOr<ImageSize> ReadImageSize(const std::string& path);

// Reads class ids from a PNG: palette (1 to 8 bits) gives the indices, grey (1
// to 8 bits) the stored values, 16-bit grey the values when all are <= 255.
// Colour, alpha and JPEG are refused: no class ids can be had from them.
absl::StatusOr<at::Tensor> ReadMask(const std::string& path);
absl::StatusOr<at::Tensor> DecodeMask(const std::string& bytes);

// PNG, 8-bit RGB. rgb: uint8 [3,H,W], any strides and device, H and W > 0.
absl::StatusOr<std::string> EncodePng(const at::Tensor& rgb);

// JPEG, quality 1..100; chroma is halved (4:2:0) below quality 90.
absl::StatusOr<std::string> EncodeJpeg(const at::Tensor& rgb, int quality = 95);

// Palette PNG, 8 bits. mask: uint8 [H,W]. Values above the palette (an ignore
// label of 255, say) get kVoidColour.
constexpr std::array<uint8_t, 3> kVoidColour = {224, 224, 192};  // as in VOC
absl::StatusOr<std::string> EncodeMask(const at::Tensor& mask,
                                       const Palette& palette);

// Encode and WriteFileAtomically. The extension says the format: .png, .jpg or
// .jpeg in any case; WriteMask takes .png only.
absl::Status WriteImage(const std::string& path, const at::Tensor& rgb);
absl::Status WriteMask(const std::string& path, const at::Tensor& mask,
                       const Palette& palette);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_IMAGE_H_
