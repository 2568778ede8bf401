// How inference converges on a data set: energy, mean IoU and specks after each
// iteration (the paper's Fig. 5, 6, 9 and 10).
#ifndef CRFGRAD_CONVERGENCE_H_
#define CRFGRAD_CONVERGENCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "common/datasets/dataset.h"
#include "common/reporting/report.h"
#include "crfgrad/model.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace crfgrad {

// Index t = 0 .. crf.iterations: after t iterations.
struct Convergence {
  std::vector<std::string> class_names;
  std::vector<double> mean_iou;  // of the data set
  // CrfLayerImpl::Energy, a pixel, mean over images.
  std::vector<double> energy;
  // (E_0 - E_t) / (E_0 - E_T), mean over images; an image whose energy is the
  // same at both ends is left out.
  std::vector<double> energy_share;
  // By class, then t. Specks (common/metrics/connected_regions.h, fewer than
  // eval.speck_area pixels): their number, and which share of those at t = 0
  // has no pixel of the class any more (NaN where there was none).
  std::vector<std::vector<int64_t>> specks;
  std::vector<std::vector<double>> specks_removed;
};

// Runs every image of `dataset` at its own size. Energies are those of feasible
// labellings only with crf.leak = 0. Errors: a model without CRF-Grad layer
// (usage); an unreadable sample; no masks.
absl::StatusOr<Convergence> MeasureConvergence(const Dataset& dataset,
                                               const Config& config,
                                               Model model, c10::Device device);

// {"mean_iou": [..], "mean_iou_to_come": [..], "energy": [..],
//  "energy_share": [..], "specks": {CLASS: [..]}, "specks_removed": {..},
//  "least_speck_fall": {..}}, all by t. mean_iou_to_come: of the last iteration
// less that after t; least_speck_fall: the least fall of the number of specks
// in one of the first t iterations (null at t = 0).
nlohmann::json ToJson(const Convergence& convergence);

// One line an iteration.
std::string ToTable(const Convergence& convergence);

// Charts of mean IoU and energy over the iterations.
void AddCharts(const Convergence& convergence, ReportData* report);

}  // namespace crfgrad
}  // namespace seg

#endif  // CRFGRAD_CONVERGENCE_H_
