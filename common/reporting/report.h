// report.html: one file that shows a run. No script, no network: the plots are
// inline SVG and the pictures are data URIs. Reads well on paper and on a
// screen, light or dark.
//
//   ReportData data;
//   data.title = "crfgrad: weizmann_full";
//   data.facts = {{"mean IoU", "84.0 %"}, {"test images", "128"}};
//   data.charts = ChartsFromRecords(records);         // metrics.jsonl
//   data.class_names = info.class_names;  data.palette = info.palette;
//   data.class_iou = {0.95, 0.73};  data.confusion = {{900, 20}, {30, 300}};
//   data.pictures.push_back(ComparisonPicture("Worst", id, "IoU 0.41", image,
//                                             mask, prediction, palette));
//   return WriteReport(dir + "/report.html", data);
//
// Each part is left out where its field is empty.
#ifndef COMMON_REPORTING_REPORT_H_
#define COMMON_REPORTING_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/reporting/overlay.h"
#include "common/reporting/svg_plot.h"
#include "nlohmann/json_fwd.hpp"

namespace seg {

struct ReportFact {
  std::string name;   // "mean IoU"
  std::string value;  // "84.0 %", shown as it is
};

struct ReportChart {
  LinePlotOptions options;
  std::vector<Series> series;
};

struct ReportPanel {
  std::string label;  // "truth"
  at::Tensor rgb;     // uint8 [3,H,W]
};

// A row of panels of one image. Consecutive pictures with the same group share
// a heading ("Best", "Worst").
struct ReportPicture {
  std::string group;
  std::string title;    // e.g. the image's id
  std::string caption;  // e.g. "IoU 0.41, most false: horse as background"
  std::vector<ReportPanel> panels;
};

struct ReportData {
  std::string title;
  std::string subtitle;           // one line, e.g. the run folder's name, date
  std::vector<ReportFact> facts;  // the first ones are set large
  std::vector<ReportChart> charts;
  std::vector<std::string> class_names;
  Palette palette;                // swatches beside the pictures; may be empty
  std::vector<double> class_iou;  // in [0,1]; NaN: class absent from the data
  std::vector<std::vector<int64_t>> confusion;  // [truth][prediction] pixels
  std::vector<ReportPicture> pictures;
  std::string config_text;       // config.yaml
  std::string environment_text;  // env.json
};

// image, truth, prediction and difference as four panels; without a truth
// (undefined tensor) only image and prediction. Shapes as in overlay.h.
ReportPicture ComparisonPicture(
    const std::string& group, const std::string& title,
    const std::string& caption, const at::Tensor& image,
    const at::Tensor& truth, const at::Tensor& prediction,
    const Palette& palette, const OverlayOptions& options = OverlayOptions());

// Charts from records as metrics.jsonl holds them: objects with a number
// "step" and further numbers, flat ("train/loss") or nested
// ({"val": {"mean_iou": 0.5}}, the same key). One chart for each last part of
// a key ("loss", "mean_iou"), one series for each first part ("train", "val");
// in the order of first appearance, but losses and what validation has come
// before what only training has. Keys whose last part is in `skip` are left
// out. Records without a step, and values that are no numbers, are passed over
// (null, as JSON writes NaN, is a gap).
std::vector<ReportChart> ChartsFromRecords(
    const std::vector<nlohmann::json>& records,
    const std::vector<std::string>& skip = {"epoch", "seconds", "time",
                                            "images_per_second", "wait_share",
                                            "memory", "eta"});

// The page as text. Errors: a picture that cannot be encoded.
absl::StatusOr<std::string> RenderReport(const ReportData& data);

// Renders and writes the page, whole or not at all.
absl::Status WriteReport(const std::string& path, const ReportData& data);

}  // namespace seg

#endif  // COMMON_REPORTING_REPORT_H_
