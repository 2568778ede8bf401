// What a generator makes, judged without labels; and with a rule that reads
// labels off its pictures, where there is one (He et al. 2022; the checks are
// ours: section 13 of the fact sheet).
#ifndef GANSEG_GENERATOR_SCORES_H_
#define GANSEG_GENERATOR_SCORES_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/evaluation/measure.h"
#include "ganseg/config.h"
#include "ganseg/model.h"

namespace seg {
namespace ganseg {

struct GeneratorScoresOptions {
  int64_t samples = 320;
  uint64_t seed = 1;
  Rule rule = Rule::kNone;
  // Of the grid in the report.
  int64_t pictures = 16;
};

// Generates `samples` pictures (in batches; the generator in the mode it is in;
// LibTorch's default generators are left as they were) and finds
//   part_usage          share of pictures that have a part (0.2 % of the pixels
//                       or more), mean over the parts
//   background_share    of the pixels
//   sharpness           mean of the largest mask
//   concentration       losses.h
//   centre_distance     mean distance of a mask's centre from its part's
//   mean_scale          of the parts (tau of heatmaps.h): what one fixed scale
//                       for all would be
// and with a rule, where the picture's labels by that rule are the truth,
//   generated_iou       mean foreground IoU of the masks
//   generated_iou_other the same against the labels of another picture (NaN
//                       where there is none)
//   rule_share          share of foreground by the rule
//   generated_iou_gated generated_iou, but 0 where a generator could have it
//                       that learned nothing: rule_share must be 0.4 to 2.5
//                       times the data's share of foreground, the background
//                       share 0.3 to 0.97, and generated_iou exceed
//                       generated_iou_other by 0.15
//   domain_gap          generated_iou less the segmenter's foreground_iou,
//   where
//                       a measure before this one has found that
// The data's share is that of the masks of the pass; without masks that
// condition is left out. Two pictures for the report: the grid as it is, and
// with parts and points.
class GeneratorScores : public Measure {
 public:
  GeneratorScores(Model model, const GeneratorScoresOptions& options);

  bool needs_masks() const override { return false; }
  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

 private:
  Model model_;
  GeneratorScoresOptions options_;
  double true_share_ = 0;
  int64_t masks_ = 0;
};

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_GENERATOR_SCORES_H_
