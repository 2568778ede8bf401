// LinePlot of svg_plot.h.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/reporting/svg_internal.h"
#include "common/reporting/svg_plot.h"

namespace seg {

using svg_internal::Clip;
using svg_internal::kCharWidth;
using svg_internal::kSmallChar;
using svg_internal::LineAt;
using svg_internal::NoData;
using svg_internal::Px;
using svg_internal::Svg;
using svg_internal::TextAt;
using svg_internal::TextLength;
using svg_internal::TickLabels;

namespace {

constexpr int kSeriesColours = 7;  // c0..c6 of the style sheet

struct Axis {
  double low = 0, high = 1;
  bool log = false;
  // Position in [0,1]; NaN for what cannot be shown.
  double At(double v) const {
    if (!std::isfinite(v) || (log && v <= 0)) {
      return std::numeric_limits<double>::quiet_NaN();
    }
    if (log) {
      return (std::log10(v) - std::log10(low)) /
             (std::log10(high) - std::log10(low));
    }
    return (v - low) / (high - low);
  }
  std::vector<double> Ticks(int target) const {
    if (!log) return NiceTicks(low, high, target);
    std::vector<double> ticks;
    const int first = static_cast<int>(std::floor(std::log10(low)));
    const int last = static_cast<int>(std::ceil(std::log10(high)));
    const bool fine = high / low < 300;  // else powers of ten alone
    const int stride = std::max(1, (last - first) / 8);
    for (int e = first; e <= last; e += stride) {
      for (int m : {1, 2, 5}) {
        const double v = m * std::pow(10.0, e);
        if ((m == 1 || fine) && v >= low * 0.999 && v <= high * 1.001) {
          ticks.push_back(v);
        }
      }
    }
    return ticks;
  }
};

// On a log axis each label has as many digits as it needs.
std::vector<std::string> Labels(const Axis& axis,
                                const std::vector<double>& ticks) {
  if (!axis.log) return TickLabels(ticks);
  std::vector<std::string> labels;
  for (double t : ticks) labels.push_back(FormatTick(t));
  return labels;
}

bool Shown(const Series& s, size_t i, const LinePlotOptions& o) {
  return i < s.x.size() && i < s.y.size() && std::isfinite(s.x[i]) &&
         std::isfinite(s.y[i]) && (!o.log_x || s.x[i] > 0) &&
         (!o.log_y || s.y[i] > 0);
}

// A logarithmic axis from the data's range, wider by the factor `margin`.
void WidenLog(double margin, Axis* axis) {
  axis->log = true;
  if (axis->high / axis->low < 1.01) axis->low /= 2, axis->high *= 2;
  axis->low /= margin, axis->high *= margin;
}

// Range of the data; false where there is none.
bool DataRange(const std::vector<Series>& series, const LinePlotOptions& o,
               Axis* x, Axis* y) {
  bool any = false;
  for (const Series& s : series) {
    for (size_t i = 0; i < s.y.size(); ++i) {
      if (!Shown(s, i, o)) continue;
      if (!any) x->low = x->high = s.x[i], y->low = y->high = s.y[i];
      any = true;
      x->low = std::min(x->low, s.x[i]), x->high = std::max(x->high, s.x[i]);
      y->low = std::min(y->low, s.y[i]), y->high = std::max(y->high, s.y[i]);
    }
  }
  if (!any) return false;
  if (o.log_y) {
    WidenLog(1.07, y);
  } else {
    // Begin at zero where that costs less than half of the picture.
    const double span = y->high - y->low;
    if (span == 0) {
      const double pad = y->low == 0 ? 1 : std::abs(y->low) * 0.1;
      y->low -= pad, y->high += pad;
    } else {
      if (y->low >= 0 && y->low <= 0.5 * y->high) {
        y->low = 0;
      } else {
        y->low -= 0.05 * span;
      }
      y->high += 0.05 * span;
    }
  }
  if (std::isfinite(o.y_min) && (!y->log || o.y_min > 0)) y->low = o.y_min;
  if (std::isfinite(o.y_max) && (!y->log || o.y_max > 0)) y->high = o.y_max;
  if (!(y->high > y->low)) y->high = y->low + (y->log ? y->low : 1);
  if (o.log_x) WidenLog(o.name_points ? 1.3 : 1.0, x);
  if (x->high == x->low) x->low -= 0.5, x->high += 0.5;
  return true;
}

// Mean over a window of a 1/40 of the points around each, finite ones only. It
// narrows towards the ends, so that a slope does not bend there.
std::vector<double> MovingAverage(const std::vector<double>& y) {
  const int64_t n = y.size();
  const int64_t widest = std::max<int64_t>(2, n / 80);
  std::vector<double> sum(n + 1, 0), count(n + 1, 0);
  for (int64_t i = 0; i < n; ++i) {
    const bool ok = std::isfinite(y[i]);
    sum[i + 1] = sum[i] + (ok ? y[i] : 0);
    count[i + 1] = count[i] + (ok ? 1 : 0);
  }
  std::vector<double> out(n);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t half = std::min({widest, i, n - 1 - i});
    const int64_t a = i - half, b = i + half + 1;
    // A gap in the data stays a gap.
    out[i] = std::isfinite(y[i]) ? (sum[b] - sum[a]) / (count[b] - count[a])
                                 : std::numeric_limits<double>::quiet_NaN();
  }
  return out;
}

using Point = std::pair<double, double>;

// Keeps first, lowest, highest and last of the points in a pixel column.
std::vector<Point> Thin(const std::vector<Point>& points) {
  std::vector<Point> out;
  for (size_t i = 0; i < points.size();) {
    size_t j = i, low = i, high = i;
    const double column = std::floor(points[i].first);
    for (; j < points.size() && std::floor(points[j].first) == column; ++j) {
      if (points[j].second < points[low].second) low = j;
      if (points[j].second > points[high].second) high = j;
    }
    std::vector<size_t> keep = {i, low, high, j - 1};
    std::sort(keep.begin(), keep.end());
    keep.erase(std::unique(keep.begin(), keep.end()), keep.end());
    for (size_t k : keep) out.push_back(points[k]);
    i = j;
  }
  return out;
}

constexpr const char* kDashes[] = {"", "6 3", "2 3", "8 3 2 3"};

std::string Dash(size_t index) {
  const std::string dash = kDashes[(index / kSeriesColours) % 4];
  return dash.empty() ? "" : absl::StrCat(" stroke-dasharray=\"", dash, "\"");
}

struct Box {
  double left, top, right, bottom;
  bool Meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom &&
           other.top < bottom;
  }
};

// Names beside their points, each at the first of six places around it that is
// inside `frame` and free of points and of names before.
std::string NamePoints(const std::vector<std::pair<std::string, Point>>& named,
                       const Box& frame) {
  constexpr double kRadius = 4, kHeight = 12;
  std::vector<Box> taken;
  for (const auto& [name, p] : named) {
    taken.push_back({p.first - kRadius, p.second - kRadius, p.first + kRadius,
                     p.second + kRadius});
  }
  std::string out;
  for (const auto& [name, p] : named) {
    const double width = kCharWidth * TextLength(name);
    const double right = p.first + kRadius + 3;
    const double left = p.first - kRadius - 3 - width;
    Box best{};
    bool placed = false;
    for (const double shift : {0.0, -kHeight, kHeight}) {
      for (const double x : {right, left}) {
        const double middle = p.second + shift;
        const Box box = {x, middle - kHeight / 2, x + width,
                         middle + kHeight / 2};
        if (placed || box.left < frame.left || box.right > frame.right) {
          continue;
        }
        if (best.right == 0) best = box;  // where none is free
        if (std::none_of(taken.begin(), taken.end(),
                         [&](const Box& other) { return box.Meets(other); })) {
          best = box;
          placed = true;
        }
      }
    }
    if (best.right == 0) continue;  // wider than the plot
    taken.push_back(best);
    out += TextAt(best.left, best.bottom - 2, "start", "", name);
  }
  return out;
}

// The polyline(s) of one series in the plot rectangle.
std::string DrawSeries(const std::vector<Point>& points, size_t index,
                       bool raw) {
  const size_t colour = index % kSeriesColours;
  std::string path, dots;
  std::vector<Point> run;
  const auto flush = [&] {
    if (run.size() == 1 && !raw) {
      absl::StrAppend(&dots, "<circle cx=\"", Px(run[0].first), "\" cy=\"",
                      Px(run[0].second), "\" r=\"3\" class=\"f", colour,
                      "\"/>\n");
    } else if (run.size() > 1) {
      const std::vector<Point> thin = Thin(run);
      for (size_t i = 0; i < thin.size(); ++i) {
        absl::StrAppend(&path, i == 0 ? "M" : "L", Px(thin[i].first), ",",
                        Px(thin[i].second));
      }
    }
    run.clear();
  };
  for (const Point& p : points) {
    if (std::isfinite(p.first) && std::isfinite(p.second)) {
      run.push_back(p);
    } else {
      flush();
    }
  }
  flush();
  std::string out;
  if (!path.empty()) {
    out = absl::StrCat("<path class=\"l c", colour, raw ? " raw" : "", "\"",
                       Dash(index), " d=\"", path, "\"/>\n");
  }
  return out + dots;
}

}  // namespace

std::string LinePlot(const std::vector<Series>& series,
                     const LinePlotOptions& options) {
  const double width = std::max(options.width, 160);
  const double height = std::max(options.height, 120);
  Axis x, y;
  if (!DataRange(series, options, &x, &y)) {
    return NoData(width, options.title, "line plot");
  }
  std::string body;
  double top = 8;
  if (!options.title.empty()) {
    body += TextAt(0, 14, "start", "title", options.title);
    top = 28;
  }
  // Legend, in rows above the plot.
  const bool one_named = series.size() == 1 && !series[0].name.empty() &&
                         series[0].name != options.title;
  if (!options.name_points && (series.size() > 1 || one_named)) {
    double at = 0;
    for (size_t i = 0; i < series.size(); ++i) {
      const std::string name =
          Clip(series[i].name, static_cast<int64_t>(width / kCharWidth) - 6);
      const double item = 24 + kCharWidth * TextLength(name) + 14;
      if (at > 0 && at + item > width) at = 0, top += 18;
      body +=
          absl::StrCat("<path class=\"l c", i % kSeriesColours, "\"", Dash(i),
                       " d=\"M", Px(at), ",", Px(top + 4), "h18\"", "/>\n");
      body += TextAt(at + 24, top + 8, "start", "", name);
      at += item;
    }
    top += 18;
  }
  if (!options.y_label.empty()) {
    body += TextAt(0, top + 9, "start", "soft", options.y_label);
    top += 16;
  }
  top += 6;
  const double bottom = height - (options.x_label.empty() ? 22 : 38);
  const int y_target = std::max(2, static_cast<int>((bottom - top) / 36));
  const std::vector<double> y_ticks = y.Ticks(y_target);
  const std::vector<std::string> y_labels = Labels(y, y_ticks);
  int64_t longest = 1;
  for (const std::string& s : y_labels) {
    longest = std::max(longest, TextLength(s));
  }
  const double left = kSmallChar * longest + 8;
  const double right = width - 10;
  const auto px = [&](double v) { return left + x.At(v) * (right - left); };
  const auto py = [&](double v) { return bottom - y.At(v) * (bottom - top); };

  for (size_t i = 0; i < y_ticks.size(); ++i) {
    body += LineAt(left, py(y_ticks[i]), right, py(y_ticks[i]), "grid");
    body += TextAt(left - 6, py(y_ticks[i]) + 4, "end", "soft", y_labels[i]);
  }
  const std::vector<double> x_ticks =
      x.Ticks(std::max(2, static_cast<int>((right - left) / 90)));
  const std::vector<std::string> x_labels = Labels(x, x_ticks);
  for (size_t i = 0; i < x_ticks.size(); ++i) {
    body += LineAt(px(x_ticks[i]), bottom, px(x_ticks[i]), bottom + 4, "axis");
    // The outermost labels stay inside the picture.
    const double half = kSmallChar * TextLength(x_labels[i]) / 2;
    body += TextAt(std::min(px(x_ticks[i]), width - half), bottom + 16,
                   "middle", "soft", x_labels[i]);
  }
  body += LineAt(left, bottom, right, bottom, "axis");
  if (!options.x_label.empty()) {
    body += TextAt((left + right) / 2, height - 4, "middle", "soft",
                   options.x_label);
  }
  std::vector<std::pair<std::string, Point>> named;
  for (size_t i = 0; i < series.size(); ++i) {
    const Series& s = series[i];
    const size_t n = std::min(s.x.size(), s.y.size());
    if (options.name_points && Shown(s, 0, options)) {
      named.push_back({s.name, {px(s.x[0]), py(s.y[0])}});
    }
    const auto points = [&](const std::vector<double>& values) {
      std::vector<Point> out;
      for (size_t k = 0; k < n; ++k) {
        const double v = y.At(values[k]);
        // A coordinate that no axis shows is NaN; values beyond bounds given
        // by the caller run along the edge.
        out.emplace_back(px(s.x[k]),
                         bottom -
                             std::max(-0.0, std::min(1.0, v)) * (bottom - top) +
                             (std::isfinite(v) ? 0 : NAN));
      }
      return out;
    };
    const std::vector<double> raw(s.y.begin(), s.y.begin() + n);
    if (s.smooth && n >= 10) {
      body += DrawSeries(points(raw), i, true);
      body += DrawSeries(points(MovingAverage(raw)), i, false);
    } else {
      body += DrawSeries(points(raw), i, false);
    }
  }
  body += NamePoints(named, {left, top, right, bottom});
  return Svg(width, height, options.title, "line plot", body);
}

}  // namespace seg
