// The scores of face parsing on HELEN (Smith et al. 2013): F-measures of parts,
// some of them merged from several classes.
//
//   part      classes
//   skin      face skin
//   brows     left brow, right brow
//   eyes      left eye, right eye
//   nose      nose
//   U-lip     upper lip
//   L-lip     lower lip
//   in-mouth  inner mouth
//   mouth     upper lip, inner mouth, lower lip
//   hair      hair
//   overall   brows, eyes, nose and mouth: the four merged parts' true
//             positives, predictions and truths summed
//
// Within a merged part its classes are not told apart. F = 2 i / (t + p) over
// the pixels of the whole set.
#ifndef SPN_PART_SCORES_H_
#define SPN_PART_SCORES_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/evaluation/measure.h"
#include "common/evaluation/segmentation_scores.h"
#include "common/metrics/confusion_matrix.h"

namespace seg {
namespace spn {

// The eleven class names that the parts are made of, in HELEN's order.
const std::vector<std::string>& HelenClasses();

// Part and F-measure in [0,1] (NaN where the part is neither there nor
// predicted), in the order above; empty unless the names hold HelenClasses().
std::vector<std::pair<std::string, double>> PartScores(
    const ConfusionMatrix& confusion,
    const std::vector<std::string>& class_names);

// Finds them as "part_f/PART" and "OUTPUT/part_f/PART", and a table of one row
// an output; nothing where the classes are not HELEN's.
class PartFMeasures : public Measure {
 public:
  // scores: of the same evaluation, before this one in its list.
  explicit PartFMeasures(const SegmentationScores* scores) : scores_(*scores) {}
  absl::Status Add(const Scored& /*image*/) override {
    return absl::OkStatus();
  }
  absl::Status Finish(Findings* findings) override;

 private:
  const SegmentationScores& scores_;
};

}  // namespace spn
}  // namespace seg

#endif  // SPN_PART_SCORES_H_
