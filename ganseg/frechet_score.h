// How near generated pictures are to the data's, by the Frechet distance
// between their features.
#ifndef GANSEG_FRECHET_SCORE_H_
#define GANSEG_FRECHET_SCORE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "common/backbones/image_features.h"
#include "common/evaluation/measure.h"
#include "common/metrics/frechet_distance.h"
#include "ganseg/model.h"

namespace seg {
namespace ganseg {

// Finds "fid" or "frechet_efficientnet_lite0", as `features` says, between the
// images of the pass and `samples` pictures of the generator, drawn by `seed`
// as GeneratorScores draws them. NaN with fewer than two images. A distance of
// few images is biased upwards: compare those of equal numbers only.
class FrechetScore : public Measure {
 public:
  FrechetScore(Model model, ImageFeatures features, int64_t samples,
               uint64_t seed);

  bool needs_masks() const override { return false; }
  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

 private:
  Model model_;
  ImageFeatures features_;
  int64_t samples_;
  uint64_t seed_;
  std::optional<FeatureStatistics> real_;
};

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_FRECHET_SCORE_H_
