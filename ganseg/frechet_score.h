// How near generated pictures are to the data's, by the Frechet distance
// between their features.
#ifndef GANSEG_FRECHET_SCORE_H_
#define GANSEG_FRECHET_SCORE_H_

#include <optional>

#include "absl/status/status.h"
#include "common/backbones/image_features.h"
#include "common/evaluation/measure.h"
#include "common/metrics/frechet_distance.h"
#include "ganseg/generated_pictures.h"
#include "ganseg/generator.h"

namespace seg {
namespace ganseg {

// Finds "fid" or "frechet_efficientnet_lite0", as `features` says, between the
// images of the pass and the pictures. NaN with fewer than two of either. A
// distance of few images is biased upwards: compare those of equal numbers
// only.
class FrechetScore : public PictureMeasure {
 public:
  explicit FrechetScore(ImageFeatures features);

  absl::Status AddImage(const Scored& image) override;
  void AddPictures(const Generated& batch) override;
  absl::Status Finish(Findings* findings) override;

 private:
  ImageFeatures features_;
  std::optional<FeatureStatistics> real_, generated_;
};

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_FRECHET_SCORE_H_
