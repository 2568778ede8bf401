#include "common/datasets/synthetic/ambiguous.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/datasets/synthetic/canvas.h"
#include "common/datasets/synthetic/generated.h"

namespace seg {
namespace {

constexpr int kPlant = 1;

// A patch of fog that may hide a leaf.
struct Patch {
  Point centre;
  int64_t radius = 0;
};

class Painter {
 public:
  Painter(const AmbiguousOptions& options, int64_t index)
      : rng_(RandomKey(
            {options.seed, static_cast<uint64_t>(index), /*ambiguous=*/3})),
        canvas_(options.height, options.width, rng_.Bits()),
        unit_(std::min(options.height, options.width) * kUnit / 32) {
    heart_.centre.x = options.width * kUnit / 2 + Jitter(4);
    heart_.centre.y = options.height * kUnit / 2 + Jitter(4);
    heart_.radius = 6 * unit_ + Jitter(2);
    Background();
    const int64_t rows = rng_.Below(3);  // upper, lower, both
    Fog();
    if (rows != 1) Row(-1);
    if (rows != 0) Row(1);
    paint_.extent = heart_.radius;
    paint_.origin = heart_.centre;
    Disc(heart_, paint_, kPlant, &canvas_);
    truth_ = rng_.Below(modes());
  }

  const Canvas& canvas() const { return canvas_; }
  int64_t modes() const { return int64_t{1} << rows_.size(); }
  int64_t truth() const { return truth_; }

  // Heart and leaves. The bits of `mode`, the last row's lowest: 1 is right.
  at::Tensor Mask(int64_t mode) const {
    Canvas labels = canvas_;
    for (size_t row = 0; row < rows_.size(); ++row) {
      const int64_t side = mode >> (rows_.size() - 1 - row) & 1;
      Disc(rows_[row][side], paint_, kPlant, &labels);
    }
    return labels.Mask();
  }

 private:
  // Up to `most` sixteenths of a unit either way.
  int64_t Jitter(int64_t most) {
    return unit_ * rng_.Between(-most, most) / 16;
  }

  static void Disc(const Patch& patch, const Paint& paint, int label,
                   Canvas* canvas) {
    canvas->Ellipse(patch.centre, patch.radius, patch.radius, paint, label);
  }

  // A statement each: the order in which arguments are computed is the
  // compiler's choice.
  Colour AnyColour(int64_t saturation_min, int64_t saturation_max,
                   int64_t value_min, int64_t value_max) {
    const int64_t hue = rng_.Below(kHues);
    const int64_t saturation = rng_.Between(saturation_min, saturation_max);
    const int64_t value = rng_.Between(value_min, value_max);
    return FromHsv(hue, saturation, value);
  }

  void Background() {
    const Colour base = AnyColour(40, 160, 60, 170);
    do {
      paint_.base = AnyColour(90, 230, 70, 230);
    } while (Distance(paint_.base, base) < 150);
    paint_.shade = 14;
    const int32_t clouds = static_cast<int32_t>(rng_.Between(10, 35));
    for (int64_t y = 0; y < canvas_.height(); ++y) {
      for (int64_t x = 0; x < canvas_.width(); ++x) {
        const int32_t tone = canvas_.Clouds(x, y) * clouds / 100;
        canvas_.Set(x, y, {base[0] + tone, base[1] + tone, base[2] + tone}, 10);
      }
    }
  }

  void Fog() {
    const auto grey = static_cast<int32_t>(rng_.Between(200, 230));
    fog_.base = {grey, grey, grey + 8};
    fog_.grain = 14;
  }

  // Two patches above (-1) or below the heart, on the diagonals, such that
  // heart and leaf touch.
  void Row(int64_t below) {
    std::array<Patch, 2> row;
    for (int64_t side = 0; side < 2; ++side) {
      Patch& patch = row[side];
      patch.radius = 23 * unit_ / 4 + Jitter(1);
      const int64_t away =
          (heart_.radius + patch.radius) * 181 / 256 - unit_ / 2;
      patch.centre.x = heart_.centre.x + (2 * side - 1) * away + Jitter(2);
      patch.centre.y = heart_.centre.y + below * away + Jitter(2);
      Disc(patch, fog_, /*label=*/-1, &canvas_);
    }
    rows_.push_back(row);
  }

  Rng rng_;
  Canvas canvas_;
  int64_t unit_;  // 1/32 of the shorter side, fixed point
  Patch heart_;
  Paint paint_;  // of the heart
  Paint fog_;
  std::vector<std::array<Patch, 2>> rows_;  // left, right
  int64_t truth_;
};

}  // namespace

DatasetInfo AmbiguousInfo() {
  DatasetInfo info;
  info.name = "ambiguous";
  info.title = "Synthetic plants, leaves hidden on one of two sides";
  info.class_names = {"background", "plant"};
  info.palette = {{0, 0, 0}, {27, 158, 119}};
  return info;
}

Sample MakeAmbiguous(const AmbiguousOptions& options, int64_t index) {
  const Painter painter(options, index);
  Sample sample;
  sample.id = absl::StrCat("ambiguous", index);
  sample.path = absl::StrCat("ambiguous:", options.seed, ":", index);
  sample.image = painter.canvas().Image();
  sample.mask = painter.Mask(painter.truth());
  return sample;
}

std::vector<AmbiguousMode> AmbiguousModes(const AmbiguousOptions& options,
                                          int64_t index) {
  const Painter painter(options, index);
  std::vector<AmbiguousMode> modes(painter.modes());
  for (int64_t i = 0; i < painter.modes(); ++i) {
    modes[i].mask = painter.Mask(i);
    modes[i].probability = 1.0 / static_cast<double>(modes.size());
  }
  return modes;
}

std::shared_ptr<const Dataset> MakeAmbiguousDataset(
    const AmbiguousOptions& options, int64_t first, int64_t size) {
  return GeneratedDataset(
      AmbiguousInfo(), "ambiguous", first, size,
      [options](int64_t index) { return MakeAmbiguous(options, index); });
}

}  // namespace seg
