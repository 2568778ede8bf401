#include "ganseg/frechet_score.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "ganseg/model.h"

namespace seg {
namespace ganseg {
namespace {

void AddTo(std::optional<FeatureStatistics>* statistics,
           const at::Tensor& features) {
  if (!statistics->has_value()) statistics->emplace(features.size(1));
  (*statistics)->Add(features);
}

int64_t Count(const std::optional<FeatureStatistics>& statistics) {
  return statistics ? statistics->count() : 0;
}

}  // namespace

FrechetScore::FrechetScore(ImageFeatures features)
    : features_(std::move(features)) {}

absl::Status FrechetScore::AddImage(const Scored& image) {
  AddTo(&real_, features_(image.batch.images));
  return absl::OkStatus();
}

void FrechetScore::AddPictures(const Generated& batch) {
  AddTo(&generated_, features_(ToColours(batch.images)));
}

absl::Status FrechetScore::Finish(Findings* findings) {
  const double distance = Count(real_) >= 2 && Count(generated_) >= 2
                              ? FrechetDistance(*real_, *generated_)
                              : std::numeric_limits<double>::quiet_NaN();
  findings->scalars[features_.distance_name()] = distance;
  findings->tables.push_back(absl::StrFormat(
      "%s %.2f (%d images, %d generated)", features_.distance_name(), distance,
      Count(real_), Count(generated_)));
  return absl::OkStatus();
}

}  // namespace ganseg
}  // namespace seg
