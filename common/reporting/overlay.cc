#include "common/reporting/overlay.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ATen/ATen.h"

namespace seg {
namespace {

using Colour = std::array<uint8_t, 3>;

constexpr Colour kVoid = {224, 224, 192};         // as in VOC's masks
constexpr Colour kWrong = {213, 94, 0};           // Okabe and Ito: vermillion
constexpr Colour kIgnoredTint = {110, 125, 150};  // difference image

at::Tensor CheckedImage(const at::Tensor& image, const char* op) {
  TORCH_CHECK(image.defined() && image.dim() == 3 && image.size(0) == 3 &&
                  image.scalar_type() == at::kByte,
              op, ": image must be uint8 [3,H,W], got ",
              image.defined() ? image.toString() : "undefined",
              image.defined() ? image.sizes() : at::IntArrayRef());
  return image.cpu().contiguous();
}

at::Tensor CheckedMask(const at::Tensor& mask, const char* op,
                       const char* name) {
  TORCH_CHECK(mask.defined() && mask.dim() == 2 &&
                  at::isIntegralType(mask.scalar_type(), /*includeBool=*/true),
              op, ": ", name, " must be integers [H,W], got ",
              mask.defined() ? mask.toString() : "undefined",
              mask.defined() ? mask.sizes() : at::IntArrayRef());
  return mask.cpu().to(at::kLong).contiguous();
}

void CheckSameSize(const at::Tensor& image, const at::Tensor& mask,
                   const char* op, const char* name) {
  TORCH_CHECK(image.size(1) == mask.size(0) && image.size(2) == mask.size(1),
              op, ": ", name, " must have the image's size [", image.size(1),
              ",", image.size(2), "], got ", mask.sizes());
}

Colour ClassColour(int64_t c, const Palette& palette) {
  if (c >= 0 && c < static_cast<int64_t>(palette.size())) return palette[c];
  return VocColour(c);
}

uint8_t Mix(double from, double to, double weight) {
  return static_cast<uint8_t>(
      std::lround(std::clamp(from + (to - from) * weight, 0.0, 255.0)));
}

}  // namespace

at::Tensor ColourMask(const at::Tensor& mask, const Palette& palette,
                      int64_t ignore_label) {
  const at::Tensor ids = CheckedMask(mask, "ColourMask", "mask");
  const int64_t height = ids.size(0), width = ids.size(1);
  at::Tensor out = at::empty({3, height, width}, at::kByte);
  const int64_t* id = ids.data_ptr<int64_t>();
  uint8_t* rgb = out.data_ptr<uint8_t>();
  const int64_t n = height * width;
  for (int64_t i = 0; i < n; ++i) {
    const Colour colour =
        id[i] == ignore_label ? kVoid : ClassColour(id[i], palette);
    for (int c = 0; c < 3; ++c) rgb[c * n + i] = colour[c];
  }
  return out;
}

at::Tensor BlendMask(const at::Tensor& image, const at::Tensor& mask,
                     const Palette& palette, const OverlayOptions& options) {
  const at::Tensor photo = CheckedImage(image, "BlendMask");
  const at::Tensor ids = CheckedMask(mask, "BlendMask", "mask");
  CheckSameSize(photo, ids, "BlendMask", "mask");
  TORCH_CHECK(options.opacity >= 0 && options.opacity <= 1,
              "BlendMask: opacity must be in [0,1], got ", options.opacity);
  const int64_t height = ids.size(0), width = ids.size(1);
  const int64_t n = height * width;
  at::Tensor out = photo.clone();
  const int64_t* id = ids.data_ptr<int64_t>();
  uint8_t* rgb = out.data_ptr<uint8_t>();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t i = y * width + x;
      const int64_t c = id[i];
      if (c == options.ignore_label || c == options.unpainted_class) continue;
      const bool edge =
          options.boundaries &&
          ((x > 0 && id[i - 1] != c) || (x + 1 < width && id[i + 1] != c) ||
           (y > 0 && id[i - width] != c) ||
           (y + 1 < height && id[i + width] != c));
      const Colour colour = ClassColour(c, palette);
      for (int k = 0; k < 3; ++k) {
        uint8_t& v = rgb[k * n + i];
        v = edge ? colour[k] : Mix(v, colour[k], options.opacity);
      }
    }
  }
  return out;
}

at::Tensor DifferenceImage(const at::Tensor& image, const at::Tensor& truth,
                           const at::Tensor& prediction, int64_t ignore_label) {
  const at::Tensor photo = CheckedImage(image, "DifferenceImage");
  const at::Tensor want = CheckedMask(truth, "DifferenceImage", "truth");
  const at::Tensor got =
      CheckedMask(prediction, "DifferenceImage", "prediction");
  CheckSameSize(photo, want, "DifferenceImage", "truth");
  CheckSameSize(photo, got, "DifferenceImage", "prediction");
  at::Tensor out = at::empty_like(photo);
  const uint8_t* in = photo.data_ptr<uint8_t>();
  uint8_t* rgb = out.data_ptr<uint8_t>();
  const int64_t* w = want.data_ptr<int64_t>();
  const int64_t* g = got.data_ptr<int64_t>();
  const int64_t n = want.numel();
  for (int64_t i = 0; i < n; ++i) {
    // Rec. 601 luma, moved towards white so that errors stand out.
    const double luma =
        0.299 * in[i] + 0.587 * in[n + i] + 0.114 * in[2 * n + i];
    const double pale = 255 - 0.5 * (255 - luma);
    const bool ignored = w[i] == ignore_label;
    const bool wrong = !ignored && w[i] != g[i];
    for (int k = 0; k < 3; ++k) {
      rgb[k * n + i] = wrong     ? Mix(pale, kWrong[k], 0.85)
                       : ignored ? Mix(pale, kIgnoredTint[k], 0.5)
                                 : Mix(pale, 0, 0);
    }
  }
  return out;
}

at::Tensor SideBySide(const std::vector<at::Tensor>& images, int64_t gap) {
  TORCH_CHECK(gap >= 0, "SideBySide: gap must be >= 0, got ", gap);
  int64_t height = 0, width = 0;
  for (const at::Tensor& image : images) {
    CheckedImage(image, "SideBySide");
    height = std::max(height, image.size(1));
    width += image.size(2);
  }
  width += gap * std::max<int64_t>(0, static_cast<int64_t>(images.size()) - 1);
  at::Tensor out = at::full({3, height, width}, 255, at::kByte);
  int64_t left = 0;
  for (const at::Tensor& image : images) {
    out.narrow(1, 0, image.size(1))
        .narrow(2, left, image.size(2))
        .copy_(image.cpu());
    left += image.size(2) + gap;
  }
  return out;
}

}  // namespace seg
