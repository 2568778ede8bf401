// What a generator makes, judged without labels; and with a rule that reads
// labels off its pictures, where there is one (He et al. 2022; the checks are
// ours: section 13 of the fact sheet).
#ifndef GANSEG_GENERATOR_SCORES_H_
#define GANSEG_GENERATOR_SCORES_H_

#include <cstdint>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/evaluation/measure.h"
#include "common/metrics/foreground_iou.h"
#include "ganseg/config.h"
#include "ganseg/generated_pictures.h"
#include "ganseg/generator.h"
#include "ganseg/geometry.h"

namespace seg {
namespace ganseg {

struct GeneratorScoresOptions {
  Rule rule = Rule::kNone;
  // Of the generator: where its points and centres lie.
  GridType grid = GridType::kPixelCentred;
  // Of the grid in the report.
  int64_t pictures = 16;
};

// Finds of the pictures
//   part_usage          share of pictures that have a part (0.2 % of the pixels
//                       or more), mean over the parts
//   background_share    of the pixels
//   sharpness           mean of the largest mask
//   concentration       losses.h
//   centre_distance     mean distance of a mask's centre from its part's, in
//                       the coordinates of the generator's grid
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
//                       where a measure before this one has found that
// The data's share is that of the masks of the pass; without masks that
// condition is left out. Two pictures for the report: the grid as it is, and
// with parts and points.
class GeneratorScores : public PictureMeasure {
 public:
  explicit GeneratorScores(const GeneratorScoresOptions& options);

  absl::Status AddImage(const Scored& image) override;
  void AddPictures(const Generated& batch) override;
  absl::Status Finish(Findings* findings) override;

 private:
  GeneratorScoresOptions options_;
  double true_share_ = 0;
  int64_t masks_ = 0;
  // Sums over the pictures.
  int64_t samples_ = 0;
  at::Tensor used_;  // [K], pictures that have the part
  double background_ = 0, sharpness_ = 0, concentration_ = 0, distance_ = 0,
         scale_ = 0, rule_share_ = 0;
  ForegroundIou own_, other_;
  Generated shown_;
};

}  // namespace ganseg
}  // namespace seg

#endif  // GANSEG_GENERATOR_SCORES_H_
