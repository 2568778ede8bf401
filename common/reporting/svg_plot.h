// Plots as SVG text: lines, per-class bars and confusion matrices.
//
// Each function returns one self-contained <svg> element that can stand alone
// in a file or inside HTML: no script, no external font, no reference to the
// network. The colours follow the reader's light or dark preference
// (prefers-color-scheme); series differ in hue (Okabe and Ito's set, safe for
// the colour-blind) and, from the eighth on, in dash. The same input gives the
// same bytes. All text is escaped; NaN and infinity are gaps, never numbers.
#ifndef COMMON_REPORTING_SVG_PLOT_H_
#define COMMON_REPORTING_SVG_PLOT_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace seg {

struct Series {
  std::string name;
  // Same length; a point with a non-finite coordinate breaks the line. A point
  // without finite neighbours is drawn as a dot. The order is kept.
  std::vector<double> x;
  std::vector<double> y;
  // Also draw a moving average as the main line and the raw values faintly
  // (for a loss that jumps from step to step).
  bool smooth = false;
};

struct LinePlotOptions {
  std::string title;
  std::string x_label;
  std::string y_label;
  int width = 640;
  int height = 300;
  // Logarithmic axes; values <= 0 become gaps.
  bool log_x = false;
  bool log_y = false;
  // Each series' name stands beside its first point, in place of a legend: for
  // series of one point.
  bool name_points = false;
  // Bounds of the y axis; NaN means from the data.
  double y_min = std::numeric_limits<double>::quiet_NaN();
  double y_max = std::numeric_limits<double>::quiet_NaN();
};

// One polyline a series, with ticks at round numbers and a legend where there
// is more than one series. Long series are thinned to the extremes of each
// pixel column, so the size of the text is bounded by the width.
std::string LinePlot(const std::vector<Series>& series,
                     const LinePlotOptions& options);

struct Bar {
  std::string label;
  double value = 0;  // NaN: the bar is absent and the value reads "n/a"
};

struct BarPlotOptions {
  std::string title;
  std::string unit;  // written after each value, e.g. "%"
  double scale = 1;  // values are multiplied by this before use
  int decimals = 1;
  double axis_max = std::numeric_limits<double>::quiet_NaN();  // scaled units
  // A thin line across all bars at this value (e.g. the mean); NaN: none.
  double reference = std::numeric_limits<double>::quiet_NaN();
  std::string reference_label;
  int width = 640;
};

// Horizontal bars, one a row, label to the left and value to the right.
std::string BarPlot(const std::vector<Bar>& bars,
                    const BarPlotOptions& options);

struct ConfusionPlotOptions {
  std::string title;
  int width = 640;  // upper bound; few classes make a smaller picture
};

// counts[t][p]: pixels of true class t that were predicted as p. The shade and
// the number in a cell are the share of row t in percent; the count itself is
// the tooltip. A class without pixels has an empty row. A matrix whose size
// differs from that of `class_names` is drawn with what is there; missing names
// become class numbers.
std::string ConfusionPlot(const std::vector<std::vector<int64_t>>& counts,
                          const std::vector<std::string>& class_names,
                          const ConfusionPlotOptions& options);

// Round numbers (1, 2 or 5 times a power of ten apart) that lie in [low,high],
// about `target` of them. Empty unless both bounds are finite; one number
// where low == high.
std::vector<double> NiceTicks(double low, double high, int target = 5);

// Shortest decimal text for a tick or fact: 6 significant digits, no trailing
// zeros, "n/a" for non-finite values, 12k and 3M style above 9999 for ticks.
std::string FormatNumber(double value);
std::string FormatTick(double value);

// & < > " ' and characters that XML forbids (the latter become U+FFFD).
std::string EscapeXml(const std::string& text);

}  // namespace seg

#endif  // COMMON_REPORTING_SVG_PLOT_H_
