// Where the stages of a training lie, and what they depend on (stages.h).
#ifndef SEGNET_RERANK_STAGE_KEYS_H_
#define SEGNET_RERANK_STAGE_KEYS_H_

#include <cstdint>
#include <string>

#include "common/datasets/dataset.h"
#include "common/stages/stage.h"
#include "nlohmann/json.hpp"
#include "segnet_rerank/config.h"

namespace seg {
namespace segnet_rerank {

// The "fold" of what learns from all images.
constexpr int64_t kAllImages = -1;

class StageKeys {
 public:
  StageKeys(const Config& config, const Dataset& train, int64_t seed);

  StageKey Regions() const;  // "superpixels" for Generator::kCrf
  StageKey Axes() const;
  StageKey Vectors() const;
  StageKey RegionScorer(int64_t fold) const;
  StageKey Threshold() const;
  StageKey Proposals() const;
  StageKey TrunkFeatures() const;
  StageKey Network(int64_t fold) const;
  StageKey Coarse() const;
  StageKey ImageFeatures() const;
  StageKey ImageScorer(int64_t fold) const;
  StageKey Features() const;
  StageKey Ranker() const;

 private:
  nlohmann::json Fold(int64_t fold) const;

  Config config_;
  int64_t seed_;
  nlohmann::json data_;  // pictures and masks, as the stages see them
  // Fingerprints of files with weights; "" where there are none. A file that
  // cannot be read ends the stage itself.
  std::string contours_, trunk_;
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_STAGE_KEYS_H_
