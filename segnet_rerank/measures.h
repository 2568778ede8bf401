// What proposals and picks are worth, beside the scores of segmentation that
// every output of a system gets (section 11 of the fact sheet).
#ifndef SEGNET_RERANK_MEASURES_H_
#define SEGNET_RERANK_MEASURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/measure.h"
#include "common/reporting/report.h"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

// What the last Predict of a system made on its way, by row of the batch. On
// the CPU; valid until the next Predict.
class ProposalSource {
 public:
  virtual ~ProposalSource() = default;
  virtual const Proposals& proposals(int64_t row) const = 0;
  virtual const at::Tensor& coarse(int64_t row) const = 0;  // float32 [C,g,g]
  // The proposal that each method picks, in the order of the measure's methods;
  // in [0,M).
  virtual const std::vector<int64_t>& picks(int64_t row) const = 0;
};

struct ProposalScoresOptions {
  int64_t pictures = 0;  // of the first images, for the report
  // Whether class 0 is a background, whose shares are found.
  bool background = true;
  std::vector<int64_t> chosen = {};  // classes of a further mean; none: not
};

// Finds of the proposals
//   oracle_iou_K     mean IoU of the corpus where each image's best by its own
//                    accuracy, among its first K, is picked; K of 1 (the best
//                    by their maker), 5, 10, 20 and 30 up to the greatest M
//   oracle_gain_K    by what share it is above oracle_iou_1; K > 1
//   oracle_iou       likewise of all
//   oracle_accuracy  mean over the images of the best one's accuracy (that of
//                    proposal_accuracy.h)
//   proposals        mean number
//   true_background_share  of the known pixels, with options.background
//   oracle_chosen_iou_K, oracle_chosen_gain_K, oracle_chosen_iou: the mean IoU
//                    of the same picks over options.chosen alone
// and of each method, the first without a prefix and another as "NAME/..",
//   pick_accuracy    mean over the images of the pick's accuracy; never above
//                    oracle_accuracy
//   oracle_gap       oracle_iou less the corpus IoU of the picks. Not below 0
//                    in each corpus, as the IoU is no sum over images.
//   pick_position    mean place of the pick among the proposals, from 1
//   pick_rank        mean place by accuracy, from 1; of equals the first place
//   background_share of the known pixels of the picks, with
//                    options.background
// In JSON "oracle_iou_by_number" (for K = 1 .. greatest M), which the report
// shows as a curve; a table; pictures of each image, truth, coarse map,
// proposals and the first method's pick. Images without a known pixel count
// for nothing. The mean IoU of the methods is that of the outputs of their
// names (segmentation_scores.h); only the table repeats it.
class ProposalScores : public Measure {
 public:
  // source: outlives the measure. methods: at least one.
  ProposalScores(const DatasetInfo& info, const ProposalSource* source,
                 std::vector<std::string> methods,
                 const ProposalScoresOptions& options = {});

  // Errors: what the source holds does not fit the image.
  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

 private:
  struct Method {
    std::string name;
    at::Tensor counts;  // int64 [C,3] of the picks
    double accuracy = 0, position = 0, rank = 0, background = 0;
  };

  absl::Status Check(const Scored& image) const;
  void AddPicture(const Scored& image, const at::Tensor& accuracies);
  double MeanIou(const at::Tensor& counts, bool chosen) const;
  double OracleIou(int64_t k, bool chosen = false) const;
  void AddOracles(bool chosen, Metrics* scalars) const;
  std::string Table() const;

  DatasetInfo info_;
  const ProposalSource& source_;
  ProposalScoresOptions options_;
  std::vector<Method> methods_;
  // int64 [C,3]: counts of the oracle's picks among the first k + 1.
  std::vector<at::Tensor> oracle_;
  double oracle_accuracy_ = 0, true_background_ = 0;
  int64_t images_ = 0, proposals_ = 0;
  std::vector<ReportPicture> pictures_;
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_MEASURES_H_
