#include "common/datasets/synthetic/ambiguous.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/datasets/random.h"
#include "common/datasets/synthetic/canvas.h"
#include "common/datasets/synthetic/generated.h"

namespace seg {
namespace {

constexpr int kPlant = 1;
constexpr int64_t kPlaces = 4;  // for patches, on the diagonals

// A patch of fog that may hide the leaf.
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
    const int64_t h = options.height * kUnit;
    const int64_t w = options.width * kUnit;
    const int64_t shorter = std::min(h, w);
    // The longer side leaves more room.
    heart_.x = w / 2 + (w - shorter) * rng_.Between(-40, 40) / 100;
    heart_.y = h / 2 + (h - shorter) * rng_.Between(-40, 40) / 100;
    heart_.x += unit_ * rng_.Between(-16, 16) / 16;
    heart_.y += unit_ * rng_.Between(-16, 16) / 16;
    heart_radius_ = unit_ * rng_.Between(88, 104) / 16;
    Background();
    Patches();
    paint_.extent = heart_radius_;
    paint_.origin = heart_;
    canvas_.Ellipse(heart_, heart_radius_, heart_radius_, paint_, kPlant);
    truth_ = rng_.Below(static_cast<int64_t>(patches_.size()));
  }

  const Canvas& canvas() const { return canvas_; }
  int64_t patches() const { return static_cast<int64_t>(patches_.size()); }
  int64_t truth() const { return truth_; }

  // Heart and the leaf under the given patch.
  at::Tensor Mask(int64_t patch) const {
    Canvas labels = canvas_;
    const Patch& p = patches_[patch];
    labels.Ellipse(p.centre, p.radius, p.radius, paint_, kPlant);
    return labels.Mask();
  }

 private:
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

  // A statement each: the order in which arguments are computed is the
  // compiler's choice.
  Colour AnyColour(int64_t saturation_min, int64_t saturation_max,
                   int64_t value_min, int64_t value_max) {
    const int64_t hue = rng_.Below(kHues);
    const int64_t saturation = rng_.Between(saturation_min, saturation_max);
    const int64_t value = rng_.Between(value_min, value_max);
    return FromHsv(hue, saturation, value);
  }

  // Two to four of the places have fog.
  void Patches() {
    const std::vector<int64_t> places = RandomPermutation(kPlaces, rng_.Bits());
    const int64_t count = rng_.Between(2, kPlaces);
    Paint fog;
    const int32_t grey = static_cast<int32_t>(rng_.Between(200, 230));
    fog.base = {grey, grey, grey + 8};
    fog.grain = 14;
    for (int64_t i = 0; i < count; ++i) {
      Patch patch;
      patch.radius = unit_ * rng_.Between(86, 98) / 16;
      // Along a diagonal, such that heart and leaf touch.
      const int64_t away =
          (heart_radius_ + patch.radius) * 181 / 256 - unit_ / 2;
      const int64_t sx = places[i] % 2 == 0 ? -1 : 1;
      const int64_t sy = places[i] / 2 == 0 ? -1 : 1;
      patch.centre = {heart_.x + sx * away + unit_ * rng_.Between(-6, 6) / 16,
                      heart_.y + sy * away + unit_ * rng_.Between(-6, 6) / 16};
      canvas_.Ellipse(patch.centre, patch.radius, patch.radius, fog,
                      /*label=*/-1);
      patches_.push_back(patch);
    }
  }

  Rng rng_;
  Canvas canvas_;
  int64_t unit_;  // 1/32 of the shorter side, fixed point
  Point heart_;
  int64_t heart_radius_;
  Paint paint_;  // of the heart
  std::vector<Patch> patches_;
  int64_t truth_;
};

}  // namespace

DatasetInfo AmbiguousInfo() {
  DatasetInfo info;
  info.name = "ambiguous";
  info.title = "Synthetic plants, one leaf hidden in one of several places";
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
  std::vector<AmbiguousMode> modes(painter.patches());
  for (int64_t i = 0; i < painter.patches(); ++i) {
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
