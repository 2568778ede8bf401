// BarPlot and ConfusionPlot of svg_plot.h.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/reporting/svg_internal.h"
#include "common/reporting/svg_plot.h"

namespace seg {

using svg_internal::Clip;
using svg_internal::kCharWidth;
using svg_internal::LineAt;
using svg_internal::NoData;
using svg_internal::Px;
using svg_internal::Svg;
using svg_internal::TextAt;
using svg_internal::TextLength;
using svg_internal::TickLabels;

std::string BarPlot(const std::vector<Bar>& bars,
                    const BarPlotOptions& options) {
  const double width = std::max(options.width, 200);
  if (bars.empty()) return NoData(width, options.title, "bar plot");
  constexpr double kRow = 22, kThick = 12;
  const int64_t label_limit = static_cast<int64_t>(width * 0.4 / kCharWidth);
  int64_t longest = 1, value_length = 3;
  double low = 0, high = 0;
  std::vector<std::string> labels, values;
  for (const Bar& bar : bars) {
    labels.push_back(Clip(bar.label, label_limit));
    longest = std::max(longest, TextLength(labels.back()));
    const double v = bar.value * options.scale;
    if (std::isfinite(v)) {
      low = std::min(low, v), high = std::max(high, v);
      values.push_back(
          absl::StrCat(absl::StrFormat("%.*f", options.decimals, v),
                       options.unit.empty() ? "" : "\xC2\xA0" + options.unit));
    } else {
      values.push_back("n/a");
    }
    value_length = std::max(value_length, TextLength(values.back()));
  }
  if (std::isfinite(options.axis_max)) high = std::max(high, options.axis_max);
  if (high == low) high = low + 1;
  std::string body;
  double top = 4;
  if (!options.title.empty()) {
    body += TextAt(0, 14, "start", "title", options.title);
    top = 26;
  }
  const bool reference = std::isfinite(options.reference) &&
                         options.reference >= low && options.reference <= high;
  if (reference && !options.reference_label.empty()) top += 14;
  const double left = kCharWidth * longest + 12;
  const double right =
      std::max(left + 40, width - kCharWidth * value_length - 12);
  const double bottom = top + kRow * bars.size();
  const auto px = [&](double v) {
    return left + (v - low) / (high - low) * (right - left);
  };
  const std::vector<double> ticks =
      NiceTicks(low, high, std::max(2, static_cast<int>((right - left) / 80)));
  const std::vector<std::string> tick_labels = TickLabels(ticks);
  for (size_t i = 0; i < ticks.size(); ++i) {
    body += LineAt(px(ticks[i]), top, px(ticks[i]), bottom + 3, "grid");
    body += TextAt(px(ticks[i]), bottom + 16, "middle", "soft", tick_labels[i]);
  }
  for (size_t i = 0; i < bars.size(); ++i) {
    const double y = top + kRow * i;
    const double v = bars[i].value * options.scale;
    body += TextAt(left - 8, y + kRow / 2 + 4, "end", "", labels[i]);
    if (!std::isfinite(v)) {
      body += TextAt(width - 2, y + kRow / 2 + 4, "end", "soft", values[i]);
      continue;
    }
    const double from = px(std::min(0.0, v)), to = px(std::max(0.0, v));
    absl::StrAppend(&body, "<rect class=\"f0\" x=\"", Px(from), "\" y=\"",
                    Px(y + (kRow - kThick) / 2), "\" width=\"", Px(to - from),
                    "\" height=\"", Px(kThick), "\"/>\n");
    body += TextAt(width - 2, y + kRow / 2 + 4, "end", "", values[i]);
  }
  body += LineAt(px(0), top, px(0), bottom, "axis");
  if (reference) {
    const double at = px(options.reference);
    body += LineAt(at, top - 2, at, bottom, "ref");
    if (!options.reference_label.empty()) {
      body += TextAt(at, top - 6, "middle", "soft", options.reference_label);
    }
  }
  return Svg(width, bottom + 22, options.title, "bar plot", body);
}

std::string ConfusionPlot(const std::vector<std::vector<int64_t>>& counts,
                          const std::vector<std::string>& class_names,
                          const ConfusionPlotOptions& options) {
  const double limit = std::max(options.width, 200);
  size_t n = counts.size();
  for (const auto& row : counts) n = std::max(n, row.size());
  if (n == 0) return NoData(limit, options.title, "confusion matrix");
  const auto name = [&](size_t c) {
    return Clip(c < class_names.size() ? class_names[c] : absl::StrCat(c), 20);
  };
  int64_t longest = 1;
  for (size_t c = 0; c < n; ++c) {
    longest = std::max(longest, TextLength(name(c)));
  }
  const double label = kCharWidth * longest + 10;
  const double left = label + 18;  // room for the word "truth"
  const double size = std::max(
      4.0, std::min(64.0, std::floor((limit - left - 70) / double(n))));
  // Column names lie flat where they fit and are turned otherwise.
  const bool flat = kCharWidth * longest <= size - 4;
  double top = 4;
  std::string body;
  if (!options.title.empty()) {
    body += TextAt(0, 14, "start", "title", options.title);
    top = 26;
  }
  const double names_height = flat ? 18 : 0.75 * label + 6;
  body += TextAt(left, top + 8, "start", "soft", "predicted as");
  top += 16 + names_height;
  const double side = size * n;
  const double row_sum_at = left + side + 8;
  for (size_t c = 0; c < n; ++c) {
    const double at = left + size * (c + 0.5);
    if (flat) {
      body += TextAt(at, top - 6, "middle", "", name(c));
    } else if (size >= 9) {
      absl::StrAppend(&body, "<text transform=\"translate(", Px(at + 3), ",",
                      Px(top - 6), ") rotate(-45)\">", EscapeXml(name(c)),
                      "</text>\n");
    }
  }
  absl::StrAppend(&body, "<text class=\"soft\" text-anchor=\"middle\" ",
                  "transform=\"translate(10,", Px(top + side / 2),
                  ") rotate(-90)\">truth</text>\n");
  for (size_t t = 0; t < n; ++t) {
    const auto at = [&](size_t p) {
      return t < counts.size() && p < counts[t].size() ? counts[t][p] : 0;
    };
    double total = 0;
    for (size_t p = 0; p < n; ++p) total += static_cast<double>(at(p));
    const double y = top + size * t;
    if (size >= 9) {
      body += TextAt(left - 8, y + size / 2 + 4, "end", "", name(t));
    }
    for (size_t p = 0; p < n; ++p) {
      const double share = total > 0 ? at(p) / total : 0;
      const double x = left + size * p;
      absl::StrAppend(&body, "<g><title>", EscapeXml(name(t)), " \xE2\x86\x92 ",
                      EscapeXml(name(p)), ": ", at(p),
                      total > 0 ? absl::StrFormat(" px (%.2f %%)", 100 * share)
                                : std::string(" px"),
                      "</title><rect class=\"cell\" x=\"", Px(x), "\" y=\"",
                      Px(y), "\" width=\"", Px(size), "\" height=\"", Px(size),
                      "\" fill-opacity=\"",
                      absl::StrFormat("%.3f", std::sqrt(share)), "\"/>");
      const std::string tone = share > 0.6 ? " on" : "";
      if (total > 0 && size >= 44) {
        body += TextAt(x + size / 2, y + size / 2, "middle", "num" + tone,
                       absl::StrFormat("%.1f\xC2\xA0%%", 100 * share));
        body += TextAt(x + size / 2, y + size / 2 + 14, "middle", "sub" + tone,
                       FormatTick(at(p)));
      } else if (size >= 20 && share >= 0.005) {
        body += TextAt(x + size / 2, y + size / 2 + 3.5, "middle",
                       (size >= 30 ? "num" : "sub") + tone,
                       absl::StrFormat("%.0f", 100 * share));
      }
      body += "</g>\n";
    }
    if (size >= 9) {
      body += TextAt(row_sum_at, y + size / 2 + 4, "start", "soft",
                     FormatTick(total));
    }
  }
  absl::StrAppend(&body, "<rect class=\"frame\" x=\"", Px(left), "\" y=\"",
                  Px(top), "\" width=\"", Px(side), "\" height=\"", Px(side),
                  "\"/>\n");
  if (size >= 9) {
    body += TextAt(row_sum_at, top - 6, "start", "soft", "pixels");
  }
  // Turned names may lean beyond the last column.
  const double width =
      std::max(row_sum_at + 58, flat ? 0.0 : left + side + 0.75 * label);
  return Svg(width, top + side + 4, options.title, "confusion matrix", body);
}

}  // namespace seg
