#include "common/inference/evaluate.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/datasets/transforms.h"
#include "common/datasets/views.h"
#include "common/metrics/arg_max.h"
#include "common/metrics/boundary_iou.h"

namespace seg {
namespace {

using nlohmann::json;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

at::Tensor Labels(const at::Tensor& output) { return ArgMaxLabels(output[0]); }

// Longer side of the pictures in a report. Larger ones would make it many
// megabytes, and its encoding take longer than the network.
constexpr int64_t kReportSide = 1024;

ImageSize ReportSize(const at::Tensor& image) {
  DataConfig config;
  const ImageSize size = {image.size(1), image.size(2)};
  if (std::max(size.height, size.width) <= kReportSide) return size;
  config.resize_longer = kReportSide;
  return ResizedSize(config, size);
}

std::string Percent(double fraction) {
  return std::isnan(fraction) ? "-" : absl::StrFormat("%.2f", 100 * fraction);
}

// The order in which images are shown: for two outputs by the gain of the first
// over the second, for one by its mean IoU; ascending.
std::vector<int64_t> ImageOrder(const EvaluateResult& result,
                                std::vector<double>* keys) {
  *keys = result.outputs[0].image_mean_iou;
  if (result.outputs.size() > 1) {
    for (size_t i = 0; i < keys->size(); ++i) {
      (*keys)[i] -= result.outputs[1].image_mean_iou[i];
    }
  }
  std::vector<int64_t> order(keys->size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return (*keys)[a] < (*keys)[b];
  });
  return order;
}

}  // namespace

OverlayOptions OverlayFor(const DatasetInfo& info) {
  OverlayOptions options;
  options.ignore_label = info.ignore_label;
  if (!info.class_names.empty() && info.class_names[0] == "background") {
    options.unpainted_class = 0;
  }
  return options;
}

std::vector<at::Tensor> PredictBatch(const PredictFn& predict,
                                     const Batch& batch,
                                     const std::string& who) {
  try {
    return predict(batch);
  } catch (const c10::Error& e) {
    TORCH_CHECK(false, who, ": ", e.what_without_backtrace());
  }
}

std::vector<at::Tensor> PredictSample(const PredictFn& predict,
                                      const Sample& sample,
                                      c10::Device device) {
  const c10::InferenceMode inference;
  return PredictBatch(predict, MakeBatch(sample, device),
                      sample.path.empty() ? sample.id : sample.path);
}

absl::StatusOr<EvaluateResult> Evaluate(const Dataset& dataset,
                                        const PredictFn& predict,
                                        const EvaluateOptions& options) {
  const DatasetInfo& info = dataset.info();
  if (dataset.size() == 0 || !info.has_masks) {
    return absl::FailedPreconditionError(absl::StrCat(
        info.name, dataset.size() == 0 ? ": the split is empty"
                                       : ": has no masks to evaluate against"));
  }
  EvaluateResult result;
  result.info = info;
  result.boundary_radii = options.boundary_radii;
  TrimapOptions trimap;
  trimap.radii = options.boundary_radii;
  trimap.ignore_label = info.ignore_label;
  std::vector<TrimapIou> boundaries(options.outputs.size(),
                                    TrimapIou(info.num_classes(), trimap));
  for (const std::string& name : options.outputs) {
    result.outputs.push_back(
        {name, ConfusionMatrix(info.num_classes(), info.ignore_label), {}, {}});
  }
  std::vector<double> milliseconds;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    SEG_ASSIGN_OR_RETURN(const Sample sample, dataset.Get(i));
    const auto start = std::chrono::steady_clock::now();
    const std::vector<at::Tensor> outputs =
        PredictSample(predict, sample, options.device);
    milliseconds.push_back(std::chrono::duration<double, std::milli>(
                               std::chrono::steady_clock::now() - start)
                               .count());
    TORCH_CHECK(outputs.size() == options.outputs.size(), "Evaluate: expected ",
                options.outputs.size(), " outputs, got ", outputs.size());
    for (size_t k = 0; k < outputs.size(); ++k) {
      const at::Tensor labels = Labels(outputs[k]);
      ConfusionMatrix own(info.num_classes(), info.ignore_label);
      own.Add(labels, sample.mask);
      if (k == 0) result.void_pixels += sample.mask.numel() - own.total();
      result.outputs[k].image_mean_iou.push_back(own.MeanIou());
      result.outputs[k].confusion.Merge(own);
      boundaries[k].Add(labels, sample.mask);
    }
    result.ids.push_back(sample.id);
  }
  for (size_t k = 0; k < boundaries.size(); ++k) {
    for (size_t r = 0; r < options.boundary_radii.size(); ++r) {
      result.outputs[k].boundary_iou.push_back(
          boundaries[k].confusion(r).MeanIou());
    }
  }
  result.milliseconds_per_image = Median(std::move(milliseconds));
  return result;
}

json ToJson(const EvaluateResult& result) {
  json metrics;
  json per_class;
  // NaN has no JSON; nlohmann writes null for it.
  for (size_t k = 0; k < result.outputs.size(); ++k) {
    const OutputResult& output = result.outputs[k];
    const std::string prefix = k == 0 ? "" : output.name + "/";
    metrics[prefix + "mean_iou"] = output.confusion.MeanIou();
    metrics[prefix + "pixel_accuracy"] = output.confusion.PixelAccuracy();
    metrics[prefix + "class_accuracy"] = output.confusion.MeanClassAccuracy();
    for (size_t r = 0; r < result.boundary_radii.size(); ++r) {
      metrics[absl::StrCat(prefix, "boundary_iou_", result.boundary_radii[r])] =
          output.boundary_iou[r];
    }
    const std::vector<double> iou = output.confusion.Iou();
    for (size_t c = 0; c < iou.size(); ++c) {
      per_class[prefix + result.info.class_names[c]] = iou[c];
    }
  }
  return {{"metrics", metrics},
          {"per_class", per_class},
          {"data", result.info.name},
          {"images", result.ids.size()},
          {"ms_per_image", result.milliseconds_per_image}};
}

std::string ToTable(const EvaluateResult& result) {
  std::string table =
      absl::StrFormat("%-12s%10s%12s", "", "mean IoU", "pixel acc.");
  for (const double radius : result.boundary_radii) {
    absl::StrAppendFormat(&table, "%12s", absl::StrCat("IoU @", radius, "px"));
  }
  for (const std::string& name : result.info.class_names) {
    absl::StrAppendFormat(&table, "%13s", name.substr(0, 12));
  }
  for (const OutputResult& output : result.outputs) {
    absl::StrAppendFormat(&table, "\n%-12s%10s%12s", output.name,
                          Percent(output.confusion.MeanIou()),
                          Percent(output.confusion.PixelAccuracy()));
    for (const double iou : output.boundary_iou) {
      absl::StrAppendFormat(&table, "%12s", Percent(iou));
    }
    for (const double iou : output.confusion.Iou()) {
      absl::StrAppendFormat(&table, "%13s", Percent(iou));
    }
  }
  absl::StrAppendFormat(&table, "\n%.1f ms an image (median)",
                        result.milliseconds_per_image);
  return table;
}

absl::Status FillReport(const Dataset& dataset, const EvaluateResult& result,
                        const PredictFn& predict, c10::Device device,
                        int64_t pictures, ReportData* report) {
  for (const OutputResult& output : result.outputs) {
    report->facts.push_back({absl::StrCat("mean IoU, ", output.name),
                             Percent(output.confusion.MeanIou()) + " %"});
  }
  report->facts.push_back(
      {"pixel accuracy",
       Percent(result.outputs[0].confusion.PixelAccuracy()) + " %"});
  report->facts.push_back({"images", absl::StrCat(result.ids.size())});
  report->facts.push_back(
      {"time an image",
       absl::StrFormat("%.1f ms", result.milliseconds_per_image)});
  report->class_names = result.info.class_names;
  report->palette = result.info.palette;
  report->class_iou = result.outputs[0].confusion.Iou();
  const ConfusionMatrix& confusion = result.outputs[0].confusion;
  for (int64_t t = 0; t < confusion.num_classes(); ++t) {
    report->confusion.emplace_back();
    for (int64_t p = 0; p < confusion.num_classes(); ++p) {
      report->confusion.back().push_back(confusion.count(t, p));
    }
  }

  std::vector<double> keys;
  const std::vector<int64_t> order = ImageOrder(result, &keys);
  const bool paired = result.outputs.size() > 1;
  const int64_t count = static_cast<int64_t>(order.size());
  const int64_t shown = std::min(pictures, count / 2);
  const OverlayOptions overlay = OverlayFor(result.info);
  for (int64_t k = 0; k < 2 * shown; ++k) {
    const bool best = k < shown;
    const int64_t i = best ? order[count - 1 - k] : order[k - shown];
    SEG_ASSIGN_OR_RETURN(const Sample sample, dataset.Get(i));
    const std::vector<at::Tensor> outputs =
        PredictSample(predict, sample, device);
    // Shrunk first: drawn over, a picture of 12 megapixels takes seconds.
    const ImageSize size = ReportSize(sample.image);
    const at::Tensor image = ResizeImage(sample.image, size.height, size.width);
    const at::Tensor truth = ResizeMask(sample.mask, size.height, size.width);
    std::vector<at::Tensor> labels;
    for (const at::Tensor& output : outputs) {
      labels.push_back(ResizeMask(Labels(output), size.height, size.width));
    }
    ReportPicture picture;
    picture.title = sample.id;
    picture.panels.push_back({"image", image});
    picture.panels.push_back(
        {"truth", BlendMask(image, truth, result.info.palette, overlay)});
    for (size_t o = labels.size(); o-- > 0;) {
      picture.panels.push_back(
          {result.outputs[o].name,
           BlendMask(image, labels[o], result.info.palette, overlay)});
    }
    picture.panels.push_back(
        {"difference",
         DifferenceImage(image, truth, labels[0], result.info.ignore_label)});
    const double iou = result.outputs[0].image_mean_iou[i];
    if (paired) {
      picture.group = best ? "Most improved" : "Most worsened";
      picture.caption =
          absl::StrFormat("mean IoU %s, %+.2f against %s", Percent(iou),
                          100 * keys[i], result.outputs[1].name);
    } else {
      picture.group = best ? "Best" : "Worst";
      picture.caption = absl::StrCat("mean IoU ", Percent(iou));
    }
    report->pictures.push_back(std::move(picture));
  }
  return absl::OkStatus();
}

}  // namespace seg
