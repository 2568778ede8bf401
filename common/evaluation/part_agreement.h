// Scores of a system that finds parts without labels: 0 background, 1 .. K
// parts, which need not be the data's classes one by one. In the data class 0
// is the background.
#ifndef COMMON_EVALUATION_PART_AGREEMENT_H_
#define COMMON_EVALUATION_PART_AGREEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/datasets/dataset.h"
#include "common/evaluation/measure.h"
#include "common/metrics/cluster_agreement.h"
#include "common/metrics/foreground_iou.h"

namespace seg {

struct PartAgreementOptions {
  // Area of the centred disc that foreground IoU is compared with, as a share
  // of the image, rounded to a thousandth. 0: the mean share of the true
  // foreground in the data measured, which favours the disc; the table says so.
  double disc_share = 0.0;
};

// Finds, for the main output without a prefix and for another as "NAME/..":
//   foreground_iou  mean over images (foreground_iou.h), part 1 .. K against
//                   class 1 ..
//   part_nmi, part_ari               parts against classes, all pixels
//   foreground_nmi, foreground_ari   the same over true foreground alone
// (cluster_agreement.h), and once
//   disc_foreground_iou              of the centred disc
//   foreground_gain                  of the main output over the disc
// Ignored pixels count nowhere. A table of a row an output and one for the
// disc, and facts of the main output for the report. JSON: "disc_share".
class PartAgreement : public Measure {
 public:
  // outputs: the names of the predictor's outputs.
  PartAgreement(const DatasetInfo& info, std::vector<std::string> outputs,
                PartAgreementOptions options = {});

  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

 private:
  struct Scores {
    ForegroundIou iou;
    ClusterAgreement all, foreground;
  };
  void AddDiscs(const at::Tensor& mask);

  DatasetInfo info_;
  std::vector<std::string> outputs_;
  PartAgreementOptions options_;
  std::vector<Scores> scores_;  // by output
  // Of the disc of each share, the sum of IoU over images.
  std::vector<double> disc_iou_;
  double share_ = 0.0;  // summed over images
  int64_t images_ = 0;  // with a pixel that is not ignored
};

}  // namespace seg

#endif  // COMMON_EVALUATION_PART_AGREEMENT_H_
