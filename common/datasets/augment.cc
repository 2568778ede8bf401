#include "common/datasets/augment.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/datasets/colour.h"
#include "common/datasets/transforms.h"

namespace seg {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kCoordinateBits = 20;  // of source coordinates
constexpr int kWeightBits = 8;       // of bilinear weights
constexpr double kHalveBelow = 0.7;

// What is drawn for one sample.
struct Draw {
  double scale_x, scale_y;
  double angle;  // radians
  bool flip;
  double at_x, at_y;  // position of the crop, 0..1
  ColourChange colours;
  double shift_x, shift_y;  // of the crop, shares of the longer side

  bool keeps_pixels() const {
    return scale_x == 1.0 && scale_y == 1.0 && angle == 0.0;
  }
};

Draw DrawAll(const AugmentOptions& o, uint64_t key) {
  Rng rng(key);
  Draw d;
  const auto scale = [&] {
    const double factor =
        std::exp(rng.Uniform(std::log(o.scale_min), std::log(o.scale_max)));
    // No rounding of log.
    return o.scale_min == o.scale_max ? o.scale_min : factor;
  };
  d.scale_x = scale();
  d.angle = rng.Uniform(-o.rotation, o.rotation) * kPi / 180.0;
  d.flip = o.flip & (rng.Uniform() < 0.5);
  d.at_x = rng.Uniform();
  d.at_y = rng.Uniform();
  d.colours.brightness = rng.Uniform(1.0 - o.brightness, 1.0 + o.brightness);
  d.colours.contrast = rng.Uniform(1.0 - o.contrast, 1.0 + o.contrast);
  d.colours.saturation = rng.Uniform(1.0 - o.saturation, 1.0 + o.saturation);
  d.colours.hue = rng.Uniform(-o.hue, o.hue) * 2.0 * kPi;
  const double other_scale = scale();
  d.scale_y = o.scale_per_axis ? other_scale : d.scale_x;
  d.shift_x = rng.Uniform(-o.shift, o.shift);
  d.shift_y = rng.Uniform(-o.shift, o.shift);
  return d;
}

// Left edge of the crop in an image of `size`, moved by `shift`, all in pixels
// of the crop.
double CropStart(double size, int64_t crop, double at, double shift,
                 bool whole) {
  const double room = size - static_cast<double>(crop);
  if (whole) {  // an integer, each of |room| + 1 equally likely
    const double steps = std::floor(at * (std::abs(room) + 1.0));
    return (room < 0.0 ? room + steps : steps) + std::round(shift);
  }
  return room * at + shift;
}

// From a target pixel to its source position.
Affine MakeAffine(const Draw& d, ImageSize source, ImageSize target) {
  const bool whole = d.keeps_pixels();
  const double width = source.width * d.scale_x;
  const double height = source.height * d.scale_y;
  const double longer =
      static_cast<double>(std::max(source.height, source.width));
  const double left =
      CropStart(width, target.width, d.at_x, d.shift_x * longer, whole);
  const double top =
      CropStart(height, target.height, d.at_y, d.shift_y * longer, whole);
  // Target pixel centre relative to the middle of the scaled image: (u, v).
  //   u = sign (x + 1/2 + left - width / 2), v = y + 1/2 + top - height / 2
  // Source centre: rotate, divide by the scales, add the middle of the source.
  const double c = std::cos(d.angle);
  const double s = std::sin(d.angle);
  const double u = 0.5 + left - width / 2;
  const double v = 0.5 + top - height / 2;
  const double sign = d.flip ? -1.0 : 1.0;
  Affine a;
  a.xx = sign * c / d.scale_x;
  a.xy = s / d.scale_x;
  a.yx = -sign * s / d.scale_y;
  a.yy = c / d.scale_y;
  a.x0 = a.xx * u + a.xy * v + 0.5 * source.width - 0.5;
  a.y0 = a.yx * u + a.yy * v + 0.5 * source.height - 0.5;
  return a;
}

int64_t Fixed(double v) {
  return std::llround(v * static_cast<double>(int64_t{1} << kCoordinateBits));
}

// Averages 2x2 blocks; an odd last row or column is repeated.
at::Tensor Halve(const at::Tensor& image) {
  const int64_t h = image.size(1);
  const int64_t w = image.size(2);
  const int64_t oh = (h + 1) / 2;
  const int64_t ow = (w + 1) / 2;
  at::Tensor out = at::empty({3, oh, ow}, at::kByte);
  uint8_t* q = out.data_ptr<uint8_t>();
  for (int64_t c = 0; c < 3; ++c) {
    const uint8_t* plane = image.data_ptr<uint8_t>() + c * h * w;
    for (int64_t y = 0; y < oh; ++y, q += ow) {
      const uint8_t* a = plane + 2 * y * w;
      const uint8_t* b = plane + std::min(2 * y + 1, h - 1) * w;
      for (int64_t x = 0; x < w / 2; ++x) {
        q[x] = static_cast<uint8_t>(
            (a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1] + 2) >> 2);
      }
      if (w & 1) {
        q[ow - 1] = static_cast<uint8_t>((a[w - 1] + b[w - 1] + 1) >> 1);
      }
    }
  }
  return out;
}

// The affine map from target to an image halved `levels` times.
Affine ToLevel(Affine a, int levels) {
  for (; levels > 0; --levels) {
    a.xx /= 2, a.xy /= 2, a.yx /= 2, a.yy /= 2;
    a.x0 = (a.x0 + 0.5) / 2 - 0.5;
    a.y0 = (a.y0 + 0.5) / 2 - 0.5;
  }
  return a;
}

// Nearest source pixel of every target pixel, -1 outside the source.
std::vector<int32_t> NearestPixels(const Affine& a, ImageSize source,
                                   ImageSize target) {
  constexpr int64_t kHalf = int64_t{1} << (kCoordinateBits - 1);
  const int64_t xx = Fixed(a.xx);
  const int64_t yx = Fixed(a.yx);
  std::vector<int32_t> nearest(target.height * target.width);
  int32_t* out = nearest.data();
  for (int64_t y = 0; y < target.height; ++y) {
    int64_t px = Fixed(a.xy * static_cast<double>(y) + a.x0) + kHalf;
    int64_t py = Fixed(a.yy * static_cast<double>(y) + a.y0) + kHalf;
    for (int64_t x = 0; x < target.width; ++x, px += xx, py += yx) {
      const int64_t sx = px >> kCoordinateBits;
      const int64_t sy = py >> kCoordinateBits;
      const bool in =
          static_cast<uint64_t>(sx) < static_cast<uint64_t>(source.width) &&
          static_cast<uint64_t>(sy) < static_cast<uint64_t>(source.height);
      *out++ = in ? static_cast<int32_t>(sy * source.width + sx) : -1;
    }
  }
  return nearest;
}

// Bilinear samples of `image` [3,H,W]; positions outside are clamped to the
// edge. Every pixel of `target` [3,h,w] is written.
void WarpImage(const at::Tensor& image, const Affine& a, ImageSize size,
               uint8_t* target) {
  const int64_t h = image.size(1);
  const int64_t w = image.size(2);
  const int64_t plane = size.height * size.width;
  const int64_t down = h > 1 ? w : 0;  // steps to the next row and column
  const int64_t right = w > 1 ? 1 : 0;
  const int64_t max_x = (w - 1) << kCoordinateBits;
  const int64_t max_y = (h - 1) << kCoordinateBits;
  const int64_t xx = Fixed(a.xx);
  const int64_t yx = Fixed(a.yx);
  constexpr int64_t kRound = int64_t{1} << (kCoordinateBits - kWeightBits - 1);
  constexpr int kOne = 1 << kWeightBits;
  std::vector<int32_t> offset(size.width);
  std::vector<int32_t> wx(size.width);
  std::vector<int32_t> wy(size.width);
  const uint8_t* source = image.data_ptr<uint8_t>();
  for (int64_t y = 0; y < size.height; ++y) {
    int64_t px = Fixed(a.xy * static_cast<double>(y) + a.x0) + kRound;
    int64_t py = Fixed(a.yy * static_cast<double>(y) + a.y0) + kRound;
    for (int64_t x = 0; x < size.width; ++x, px += xx, py += yx) {
      const int64_t cx = std::clamp<int64_t>(px, 0, max_x);
      const int64_t cy = std::clamp<int64_t>(py, 0, max_y);
      // The last pixel is reached as weight kOne of the last interval.
      const int64_t sx =
          std::max<int64_t>(0, std::min(cx >> kCoordinateBits, w - 2));
      const int64_t sy =
          std::max<int64_t>(0, std::min(cy >> kCoordinateBits, h - 2));
      offset[x] = static_cast<int32_t>(sy * w + sx);
      constexpr int kShift = kCoordinateBits - kWeightBits;
      wx[x] = static_cast<int32_t>((cx - (sx << kCoordinateBits)) >> kShift);
      wy[x] = static_cast<int32_t>((cy - (sy << kCoordinateBits)) >> kShift);
    }
    for (int64_t c = 0; c < 3; ++c) {
      const uint8_t* p = source + c * h * w;
      uint8_t* q = target + c * plane + y * size.width;
      for (int64_t x = 0; x < size.width; ++x) {
        const uint8_t* s = p + offset[x];
        const int above = s[0] * (kOne - wx[x]) + s[right] * wx[x];
        const int below = s[down] * (kOne - wx[x]) + s[down + right] * wx[x];
        q[x] = static_cast<uint8_t>(
            (above * (kOne - wy[x]) + below * wy[x] + kOne * kOne / 2) >>
            (2 * kWeightBits));
      }
    }
  }
}

// Bilinear samples of `maps` [L,H,W] at the target pixels that have a nearest
// source pixel; elsewhere channel 0 is 1 and the others are 0.
at::Tensor WarpProbabilities(const at::Tensor& maps, const Affine& a,
                             ImageSize size,
                             const std::vector<int32_t>& nearest) {
  const int64_t h = maps.size(1);
  const int64_t w = maps.size(2);
  const int64_t plane = size.height * size.width;
  at::Tensor out = at::zeros({maps.size(0), size.height, size.width});
  const float* source = maps.data_ptr<float>();
  float* target = out.data_ptr<float>();
  for (int64_t i = 0; i < plane; ++i) {
    if (nearest[i] < 0) {
      target[i] = 1.0f;
      continue;
    }
    const double x = static_cast<double>(i % size.width);
    const double y = static_cast<double>(i / size.width);
    const double sx = std::clamp(a.xx * x + a.xy * y + a.x0, 0.0, w - 1.0);
    const double sy = std::clamp(a.yx * x + a.yy * y + a.y0, 0.0, h - 1.0);
    const int64_t x0 = static_cast<int64_t>(sx);
    const int64_t y0 = static_cast<int64_t>(sy);
    const float fx = static_cast<float>(sx - static_cast<double>(x0));
    const float fy = static_cast<float>(sy - static_cast<double>(y0));
    const int64_t right = x0 + 1 < w ? 1 : 0;
    const int64_t down = y0 + 1 < h ? w : 0;
    for (int64_t c = 0; c < maps.size(0); ++c) {
      const float* s = source + (c * h + y0) * w + x0;
      const float above = s[0] + fx * (s[right] - s[0]);
      const float below = s[down] + fx * (s[down + right] - s[down]);
      target[c * plane + i] = above + fy * (below - above);
    }
  }
  return out;
}

}  // namespace

absl::Status ValidateAugmentOptions(const AugmentOptions& o) {
  const auto bad = [](const char* key, auto value, const char* expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("augment.", key, ": ", value, ", expected ", expected));
  };
  constexpr int64_t kMaxSide = 16384;
  if (o.crop_height < 0 || o.crop_height > kMaxSide) {
    return bad("crop_height", o.crop_height, "0 .. 16384");
  }
  if (o.crop_width < 0 || o.crop_width > kMaxSide) {
    return bad("crop_width", o.crop_width, "0 .. 16384");
  }
  if ((o.crop_height == 0) != (o.crop_width == 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "augment.crop_height, augment.crop_width: ", o.crop_height, ", ",
        o.crop_width, ", expected both positive or both 0 (no crop)"));
  }
  if (!(o.scale_min >= 0.05 && o.scale_min <= 20.0)) {
    return bad("scale_min", o.scale_min, "0.05 .. 20");
  }
  if (!(o.scale_max >= o.scale_min && o.scale_max <= 20.0)) {
    return bad("scale_max", o.scale_max, "scale_min .. 20");
  }
  if (!(o.shift >= 0.0 && o.shift <= 1.0)) {
    return bad("shift", o.shift, "0 .. 1");
  }
  if (!(o.rotation >= 0.0 && o.rotation <= 180.0)) {
    return bad("rotation", o.rotation, "0 .. 180 degrees");
  }
  if (!(o.brightness >= 0.0 && o.brightness <= 1.0)) {
    return bad("brightness", o.brightness, "0 .. 1");
  }
  if (!(o.contrast >= 0.0 && o.contrast <= 1.0)) {
    return bad("contrast", o.contrast, "0 .. 1");
  }
  if (!(o.saturation >= 0.0 && o.saturation <= 1.0)) {
    return bad("saturation", o.saturation, "0 .. 1");
  }
  if (!(o.hue >= 0.0 && o.hue <= 0.5)) return bad("hue", o.hue, "0 .. 0.5");
  return absl::OkStatus();
}

Sample Augment(const Sample& sample, const DatasetInfo& info,
               const AugmentOptions& options, uint64_t key) {
  const at::Tensor image = sample.image.contiguous();
  const ImageSize source = {image.size(1), image.size(2)};
  const ImageSize target =
      options.crop_height > 0
          ? ImageSize{options.crop_height, options.crop_width}
          : source;
  const Draw d = DrawAll(options, key);
  const bool colours = options.brightness > 0.0 || options.contrast > 0.0 ||
                       options.saturation > 0.0 || options.hue > 0.0;
  const bool same_size =
      source.height == target.height && source.width == target.width;
  if (same_size && !colours && !d.flip && d.keeps_pixels() &&
      options.shift == 0.0) {
    return sample;
  }

  const Affine affine = MakeAffine(d, source, target);
  const std::vector<int32_t> nearest = NearestPixels(affine, source, target);
  const int64_t plane = target.height * target.width;

  Sample out;
  out.id = sample.id;
  out.path = sample.path;
  out.image = at::empty({3, target.height, target.width}, at::kByte);
  uint8_t* rgb = out.image.data_ptr<uint8_t>();
  if (d.keeps_pixels()) {  // pixels are copied
    const int64_t source_plane = source.height * source.width;
    for (int64_t c = 0; c < 3; ++c) {
      const uint8_t* p = image.data_ptr<uint8_t>() + c * source_plane;
      for (int64_t i = 0; i < plane; ++i) {
        rgb[c * plane + i] = nearest[i] < 0 ? kFillColour[c] : p[nearest[i]];
      }
    }
  } else {
    at::Tensor level = image;
    int levels = 0;
    for (double s = std::max(d.scale_x, d.scale_y);
         s < kHalveBelow && level.size(1) > 1 && level.size(2) > 1; s *= 2.0) {
      level = Halve(level);
      ++levels;
    }
    WarpImage(level, ToLevel(affine, levels), target, rgb);
    for (int64_t i = 0; i < plane; ++i) {
      if (nearest[i] >= 0) continue;
      for (int64_t c = 0; c < 3; ++c) rgb[c * plane + i] = kFillColour[c];
    }
  }
  if (colours) {
    std::vector<uint8_t> inside(plane);
    for (int64_t i = 0; i < plane; ++i) inside[i] = nearest[i] >= 0;
    ChangeColours(d.colours, inside, rgb);
  }
  if (sample.mask.defined()) {
    const at::Tensor mask = sample.mask.contiguous();
    const uint8_t* p = mask.data_ptr<uint8_t>();
    out.mask = at::empty({target.height, target.width}, at::kByte);
    uint8_t* q = out.mask.data_ptr<uint8_t>();
    std::array<uint8_t, 256> table = FlipTable({});
    if (d.flip) table = FlipTable(info.flip_pairs);
    const uint8_t ignore = static_cast<uint8_t>(info.ignore_label);
    for (int64_t i = 0; i < plane; ++i) {
      q[i] = nearest[i] < 0 ? ignore : table[p[nearest[i]]];
    }
  }
  if (sample.probabilities.defined()) {
    at::Tensor maps = sample.probabilities.contiguous();
    if (d.flip) {
      maps =
          maps.index_select(0, FlippedClasses(maps.size(0), info.flip_pairs));
    }
    out.probabilities = WarpProbabilities(maps, affine, target, nearest);
  }
  out.points =
      MovePoints(sample.points, affine.Inverse(), target.height, target.width);
  if (d.flip) out.points = SwapPoints(out.points, info.point_flip_pairs);
  return out;
}

}  // namespace seg
