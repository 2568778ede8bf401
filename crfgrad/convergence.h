// How inference converges on a data set: energy, mean IoU and specks after each
// iteration (the paper's Fig. 5, 6, 9 and 10).
#ifndef CRFGRAD_CONVERGENCE_H_
#define CRFGRAD_CONVERGENCE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/measure.h"
#include "common/metrics/confusion_matrix.h"
#include "crfgrad/system.h"

namespace seg {
namespace crfgrad {

// Finds, by t = 0 .. crf.iterations, in JSON
//   "convergence": {"mean_iou": [..], "mean_iou_to_come": [..],
//     "energy": [..], "energy_parts": {"unary": [..], "spatial": [..],
//     "bilateral": [..]}, "energy_share": [..], "energy_rounded": E,
//     "specks": {CLASS: [..]}, "specks_removed": {CLASS: [..]},
//     "least_speck_fall": {CLASS: [..]}}
//   mean_iou          of the data set, after t iterations
//   mean_iou_to_come  of the last iteration less that after t
//   energy            of the labelling after t iterations (energy.h), a pixel,
//                     mean over images; of the same descent without leak,
//                     whatever crf.leak is: with leak q is no labelling
//   energy_parts      what it is the sum of
//   energy_share      (E_0 - E_t) / (E_0 - E_T), mean over images; an image
//                     whose energy is the same at both ends is left out
//   energy_rounded    after T iterations and rounding (rounding.h)
//   specks            their number (common/metrics/connected_regions.h, fewer
//                     than speck_area pixels)
//   specks_removed    which share of those at t = 0 has no pixel of the class
//                     any more (null where there was none)
//   least_speck_fall  the least fall of the number of specks in one of the
//                     first t iterations (null at t = 0)
// a table of one line an iteration, and charts.
class Convergence : public Measure {
 public:
  // system: that of the evaluation, of a model with a CRF-Grad layer; outlives
  // this object and is made to keep its states.
  Convergence(const DatasetInfo& info, int64_t speck_area, System* system);

  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

 private:
  DatasetInfo info_;
  int64_t speck_area_;
  System& system_;
  int64_t images_ = 0, shares_ = 0;
  std::vector<ConfusionMatrix> confusion_;           // by t
  std::vector<double> unary_, spatial_, bilateral_;  // energies by t, sums
  std::vector<double> energy_share_;                 // by t, sums
  double rounded_ = 0;                               // sum
  std::vector<std::vector<int64_t>> specks_, gone_;  // by class, then t
};

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_CONVERGENCE_H_
