#include "ganseg/frechet_score.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "ganseg/draw.h"

namespace seg {
namespace ganseg {

FrechetScore::FrechetScore(Model model, ImageFeatures features, int64_t samples,
                           uint64_t seed)
    : model_(std::move(model)),
      features_(std::move(features)),
      samples_(samples),
      seed_(seed) {}

absl::Status FrechetScore::Add(const Scored& image) {
  const at::Tensor found = features_(image.batch.images);
  if (!real_) real_.emplace(found.size(1));
  real_->Add(found);
  return absl::OkStatus();
}

absl::Status FrechetScore::Finish(Findings* findings) {
  double distance = std::numeric_limits<double>::quiet_NaN();
  if (real_ && real_->count() >= 2 && samples_ >= 2) {
    FeatureStatistics generated(real_->features());
    DrawSamples(model_, samples_, seed_, [&](const Generated& batch) {
      generated.Add(features_(ToColours(batch.images)));
    });
    distance = FrechetDistance(*real_, generated);
  }
  findings->scalars[features_.distance_name()] = distance;
  findings->tables.push_back(absl::StrFormat(
      "%s %.2f (%d images, %d generated)", features_.distance_name(), distance,
      real_ ? real_->count() : 0, samples_));
  return absl::OkStatus();
}

}  // namespace ganseg
}  // namespace seg
