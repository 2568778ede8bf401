// Fuzzes what ReadImage and ReadMask do with a file's bytes: the header parser
// and both codecs (all of image but the copy to LibTorch).
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/image_header.h"
#include "common/io/jpeg_codec.h"
#include "common/io/png_codec.h"

namespace {

constexpr int64_t kMaxPixels = 1 << 14;  // small, for speed

void Check(const absl::StatusOr<seg::Pixels>& pixels,
           const seg::ImageHeader& header, int64_t channels) {
  if (!pixels.ok()) return;
  // What is promised: the header parser and the codec agree on the size, and
  // all pixels are there.
  if (pixels->height != header.height || pixels->width != header.width ||
      pixels->channels != channels ||
      pixels->height * pixels->width > kMaxPixels) {
    std::abort();
  }
  static volatile unsigned sink;
  for (int64_t i = 0; i < pixels->size(); ++i) sink = pixels->data[i];
  (void)sink;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto header = seg::ParseImageHeader(bytes);
  if (!header.ok()) return 0;
  if (header->height < 1 || header->width < 1 || header->orientation < 1 ||
      header->orientation > 8) {
    std::abort();
  }
  if (header->format == seg::ImageFormat::kJpeg) {
    Check(seg::DecodeJpeg(bytes, kMaxPixels), *header, 3);
  } else {
    Check(seg::DecodePngRgb(bytes, kMaxPixels), *header, 3);
    Check(seg::DecodePngValues(bytes, kMaxPixels), *header, 1);
  }
  return 0;
}
