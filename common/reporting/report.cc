#include "common/reporting/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/image.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kJpegQuality = 92;      // full chroma resolution from 90 up
constexpr int64_t kSmallImage = 256;  // enlarged with sharp pixels below
constexpr size_t kLargeFacts = 4;

// A page like a printed note: one column of text width, rules instead of
// boxes, figures as wide as the column.
constexpr char kPageStyle[] = R"(<style>
:root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--rule:#d9dde2;--paper:#fff;--tint:#f6f7f9}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa4af;--rule:#31373e;--paper:#15181c;--tint:#1c2026}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 Charter,"Bitstream Charter","Iowan Old Style","Palatino Linotype",Georgia,"DejaVu Serif",serif}
main{max-width:76rem;margin:0 auto;padding:3rem 2rem 4rem}
h1{font-size:1.75rem;line-height:1.2;font-weight:600;margin:0}
h2{font-size:1.1rem;font-weight:600;margin:2.8rem 0 1rem;padding-top:.8rem;border-top:1px solid var(--rule)}
.subtitle{color:var(--soft);margin:.35rem 0 0}
.sans,dl,figcaption,summary,.legend,.panels small{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
dl{margin:1.8rem 0 0;display:flex;flex-wrap:wrap;gap:.6rem 2.6rem;font-variant-numeric:tabular-nums}
dl div{display:flex;flex-direction:column-reverse;justify-content:flex-end}
dt{color:var(--soft);font-size:.8rem}dd{margin:0;font-size:1rem}dl.large{gap:1rem 3.2rem}.large dd{font-size:1.7rem;line-height:1.25;font-weight:500}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1.8rem 2.4rem;align-items:start}
.plots svg,.single svg{display:block;max-width:100%;height:auto}
figure{margin:0}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.8rem;color:var(--soft);margin:0 0 1.2rem}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border:1px solid var(--rule);vertical-align:-.05em}
h3{font-size:1rem;font-weight:600;margin:1.8rem 0 .7rem}
.picture{margin:0 0 1.5rem;break-inside:avoid}
.picture figcaption{font-size:.82rem;margin:0 0 .35rem}.picture figcaption span{color:var(--soft)}
.panels{display:grid;gap:.5rem;align-items:start}
.panels div{min-width:0}.panels img{display:block;width:100%;height:auto}.panels img.pixels{image-rendering:pixelated}
.panels small{display:block;font-size:.72rem;color:var(--soft);margin-top:.2rem}
details{border-top:1px solid var(--rule)}details:last-of-type{border-bottom:1px solid var(--rule)}
summary{cursor:pointer;padding:.55rem 0;font-size:.9rem}
pre{margin:0 0 1rem;padding:.9rem 1rem;background:var(--tint);font:12.5px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;overflow-wrap:anywhere}
@media(max-width:40rem){main{padding:1.5rem 1rem 3rem}.panels{grid-template-columns:1fr 1fr!important}}
@media print{body{font-size:11pt}main{max-width:none;padding:0}h2{break-after:avoid}figure{break-inside:avoid}}
</style>
)";

struct DataUri {
  std::string uri;
  int64_t width = 0, height = 0;
};

// The smaller of PNG and JPEG: flat colours suit the one, photographs the
// other.
absl::StatusOr<DataUri> EncodePicture(const at::Tensor& rgb) {
  if (!rgb.defined() || rgb.dim() != 3 || rgb.size(0) != 3 ||
      rgb.scalar_type() != at::kByte || rgb.numel() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected uint8 [3,H,W] with pixels, got ",
        rgb.defined() ? c10::str(rgb.toString(), rgb.sizes()) : "undefined"));
  }
  SEG_ASSIGN_OR_RETURN(const std::string png, EncodePng(rgb));
  SEG_ASSIGN_OR_RETURN(const std::string jpeg, EncodeJpeg(rgb, kJpegQuality));
  const bool as_png = png.size() <= jpeg.size();
  DataUri out;
  out.uri = absl::StrCat("data:image/", as_png ? "png" : "jpeg", ";base64,",
                         absl::Base64Escape(as_png ? png : jpeg));
  out.width = rgb.size(2);
  out.height = rgb.size(1);
  return out;
}

std::string Facts(const std::vector<ReportFact>& facts) {
  std::string out;
  for (size_t i = 0; i < facts.size(); ++i) {
    if (i == 0) out += "<dl class=\"large\">\n";
    if (i == kLargeFacts) out += "</dl>\n<dl>\n";
    absl::StrAppend(&out, "<div><dt>", EscapeXml(facts[i].name), "</dt><dd>",
                    EscapeXml(facts[i].value), "</dd></div>\n");
  }
  return out.empty() ? out : out + "</dl>\n";
}

std::string ClassName(const ReportData& data, size_t c) {
  return c < data.class_names.size() ? data.class_names[c] : absl::StrCat(c);
}

std::string ClassBars(const ReportData& data) {
  std::vector<Bar> bars;
  double sum = 0;
  int64_t n = 0;
  for (size_t c = 0; c < data.class_iou.size(); ++c) {
    Bar bar;
    bar.label = ClassName(data, c);
    bar.value = data.class_iou[c];
    if (std::isfinite(bar.value)) sum += bar.value, ++n;
    bars.push_back(bar);
  }
  BarPlotOptions options;
  options.title = "Intersection over union per class";
  options.unit = "%";
  options.scale = 100;
  options.axis_max = 100;
  options.width = 560;
  if (n > 0) {
    options.reference = 100 * sum / n;
    options.reference_label =
        absl::StrFormat("mean %.1f\xC2\xA0%%", options.reference);
  }
  return BarPlot(bars, options);
}

std::string Legend(const ReportData& data) {
  if (data.class_names.empty()) return "";
  const Palette palette = data.palette.empty() ? VocPalette() : data.palette;
  std::string out = "<p class=\"legend\">";
  for (size_t c = 0; c < data.class_names.size() && c < palette.size(); ++c) {
    absl::StrAppend(&out, "<span><i style=\"background:",
                    absl::StrFormat("#%02x%02x%02x", palette[c][0],
                                    palette[c][1], palette[c][2]),
                    "\"></i>", EscapeXml(data.class_names[c]), "</span>\n");
  }
  return out + "</p>\n";
}

absl::StatusOr<std::string> Pictures(const ReportData& data) {
  std::string out, group;
  for (size_t i = 0; i < data.pictures.size(); ++i) {
    const ReportPicture& picture = data.pictures[i];
    if (!picture.group.empty() && picture.group != group) {
      absl::StrAppend(&out, "<h3>", EscapeXml(picture.group), "</h3>\n");
    }
    group = picture.group;
    absl::StrAppend(&out, "<figure class=\"picture\"><figcaption>",
                    EscapeXml(picture.title),
                    picture.caption.empty()
                        ? ""
                        : "  <span>" + EscapeXml(picture.caption) + "</span>",
                    "</figcaption><div class=\"panels\" ",
                    "style=\"grid-template-columns:repeat(",
                    std::max<size_t>(1, picture.panels.size()), ",1fr)\">\n");
    for (const ReportPanel& panel : picture.panels) {
      absl::StatusOr<DataUri> image = EncodePicture(panel.rgb);
      if (!image.ok()) {
        return absl::Status(
            image.status().code(),
            absl::StrCat("report: picture ", picture.title, ", panel ",
                         panel.label, ": ", image.status().message()));
      }
      absl::StrAppend(&out, "<div><img",
                      image->width < kSmallImage ? " class=\"pixels\"" : "",
                      " alt=\"", EscapeXml(panel.label), "\" width=\"",
                      image->width, "\" height=\"", image->height, "\" src=\"",
                      image->uri, "\"><small>", EscapeXml(panel.label),
                      "</small></div>\n");
    }
    out += "</div></figure>\n";
  }
  return out;
}

std::string Text(const std::string& title, const std::string& text) {
  if (text.empty()) return "";
  return absl::StrCat("<details open><summary>", title, "</summary><pre>",
                      EscapeXml(text), "</pre></details>\n");
}

// Numbers of a record under "a/b" names; null becomes NaN.
void Flatten(const nlohmann::json& node, const std::string& prefix,
             std::vector<std::pair<std::string, double>>* out) {
  if (node.is_object()) {
    for (auto it = node.begin(); it != node.end(); ++it) {
      Flatten(it.value(), prefix.empty() ? it.key() : prefix + "/" + it.key(),
              out);
    }
  } else if (node.is_number()) {
    out->emplace_back(prefix, node.get<double>());
  } else if (node.is_null()) {
    out->emplace_back(prefix, kNaN);
  }
}

}  // namespace

ReportPicture ComparisonPicture(
    const std::string& group, const std::string& title,
    const std::string& caption, const at::Tensor& image,
    const at::Tensor& truth, const at::Tensor& prediction,
    const Palette& palette, const OverlayOptions& options) {
  ReportPicture picture;
  picture.group = group;
  picture.title = title;
  picture.caption = caption;
  picture.panels.push_back({"image", image});
  if (truth.defined()) {
    picture.panels.push_back(
        {"truth", BlendMask(image, truth, palette, options)});
  }
  picture.panels.push_back(
      {"prediction", BlendMask(image, prediction, palette, options)});
  if (truth.defined()) {
    picture.panels.push_back(
        {"difference",
         DifferenceImage(image, truth, prediction, options.ignore_label)});
  }
  return picture;
}

std::vector<ReportChart> ChartsFromRecords(
    const std::vector<nlohmann::json>& records,
    const std::vector<std::string>& skip) {
  std::vector<ReportChart> charts;
  std::map<std::string, size_t> chart_of;               // last part of the key
  std::map<std::string, std::pair<size_t, size_t>> at;  // key: chart, series
  for (const nlohmann::json& record : records) {
    if (!record.is_object() || !record.contains("step") ||
        !record["step"].is_number()) {
      continue;
    }
    const double step = record["step"].get<double>();
    std::vector<std::pair<std::string, double>> numbers;
    Flatten(record, "", &numbers);
    for (const auto& [key, value] : numbers) {
      const size_t slash = key.rfind('/');
      const std::string last =
          slash == std::string::npos ? key : key.substr(slash + 1);
      const std::string first =
          slash == std::string::npos ? key : key.substr(0, slash);
      if (key == "step" ||
          std::find(skip.begin(), skip.end(), last) != skip.end()) {
        continue;
      }
      if (at.find(key) == at.end()) {
        auto [chart, is_new] = chart_of.emplace(last, charts.size());
        if (is_new) {
          charts.emplace_back();
          charts.back().options.title = last;
          charts.back().options.x_label = "step";
        }
        std::vector<Series>& series = charts[chart->second].series;
        at[key] = {chart->second, series.size()};
        series.emplace_back();
        series.back().name = first;
      }
      Series& series = charts[at[key].first].series[at[key].second];
      series.x.push_back(step);
      series.y.push_back(value);
    }
  }
  // What only training has (the learning rate, say) comes after the losses and
  // the metrics.
  std::stable_partition(
      charts.begin(), charts.end(), [](const ReportChart& chart) {
        const std::string& title = chart.options.title;
        return title.find("loss") != std::string::npos ||
               std::any_of(chart.series.begin(), chart.series.end(),
                           [&](const Series& s) {
                             return s.name != "train" && s.name != title;
                           });
      });
  // Losses and norms are noisy where they are logged often; a learning rate has
  // steps that a mean would blur.
  for (ReportChart& chart : charts) {
    const std::string& title = chart.options.title;
    const bool noisy = title.find("loss") != std::string::npos ||
                       title.find("norm") != std::string::npos;
    for (Series& series : chart.series) {
      series.smooth = noisy && series.y.size() > 60;
    }
  }
  return charts;
}

absl::StatusOr<std::string> RenderReport(const ReportData& data) {
  std::string out = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n<title>",
      EscapeXml(data.title), "</title>\n", kPageStyle,
      "</head>\n<body>\n<main>\n<h1>", EscapeXml(data.title), "</h1>\n");
  if (!data.subtitle.empty()) {
    absl::StrAppend(&out, "<p class=\"subtitle\">", EscapeXml(data.subtitle),
                    "</p>\n");
  }
  out += Facts(data.facts);
  if (!data.charts.empty()) {
    out += "<h2>Training</h2>\n<div class=\"plots\">\n";
    for (const ReportChart& chart : data.charts) {
      absl::StrAppend(&out, "<figure>", LinePlot(chart.series, chart.options),
                      "</figure>\n");
    }
    out += "</div>\n";
  }
  if (!data.class_iou.empty() || !data.confusion.empty()) {
    out += "<h2>Classes</h2>\n<div class=\"plots\">\n";
    if (!data.class_iou.empty()) {
      absl::StrAppend(&out, "<figure>", ClassBars(data), "</figure>\n");
    }
    if (!data.confusion.empty()) {
      ConfusionPlotOptions options;
      options.title = "Confusion, share of the true class";
      options.width = data.confusion.size() > 12 ? 900 : 560;
      absl::StrAppend(&out, "<figure>",
                      ConfusionPlot(data.confusion, data.class_names, options),
                      "</figure>\n");
    }
    out += "</div>\n";
  }
  if (!data.pictures.empty()) {
    SEG_ASSIGN_OR_RETURN(const std::string pictures, Pictures(data));
    absl::StrAppend(&out, "<h2>Pictures</h2>\n", Legend(data), pictures);
  }
  if (!data.environment_text.empty() || !data.config_text.empty()) {
    absl::StrAppend(&out, "<h2>How it was made</h2>\n",
                    Text("Environment", data.environment_text),
                    Text("Configuration", data.config_text));
  }
  return out + "</main>\n</body>\n</html>\n";
}

absl::Status WriteReport(const std::string& path, const ReportData& data) {
  SEG_ASSIGN_OR_RETURN(const std::string html, RenderReport(data));
  return WriteFileAtomically(path, html);
}

}  // namespace seg
