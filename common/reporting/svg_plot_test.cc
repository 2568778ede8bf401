#include "common/reporting/svg_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

namespace seg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

int Count(const std::string& text, const std::string& part) {
  int n = 0;
  for (size_t i = text.find(part); i != std::string::npos;
       i = text.find(part, i + part.size())) {
    ++n;
  }
  return n;
}

Series Line(const std::string& name, std::vector<double> x,
            std::vector<double> y) {
  Series s;
  s.name = name;
  s.x = std::move(x);
  s.y = std::move(y);
  return s;
}

Bar MakeBar(const std::string& label, double value) {
  Bar bar;
  bar.label = label;
  bar.value = value;
  return bar;
}

TEST(NiceTicksTest, AreRoundNumbersInTheRange) {
  EXPECT_THAT(NiceTicks(0, 1, 5), ElementsAre(0, 0.2, 0.4, 0.6, 0.8, 1));
  EXPECT_THAT(NiceTicks(0.07, 0.33, 5), ElementsAre(0.1, 0.2, 0.3));
  EXPECT_THAT(NiceTicks(-12, 31, 5), ElementsAre(-10, 0, 10, 20, 30));
  EXPECT_THAT(NiceTicks(0, 3000, 6),
              ElementsAre(0, 500, 1000, 1500, 2000, 2500, 3000));
  EXPECT_THAT(NiceTicks(5, 5), ElementsAre(5));
  EXPECT_THAT(NiceTicks(1, -1, 2), ElementsAre(-1, 0, 1));  // order is free
}

TEST(NiceTicksTest, GiveNothingForBoundsThatAreNoNumbers) {
  EXPECT_THAT(NiceTicks(kNaN, 1), IsEmpty());
  EXPECT_THAT(NiceTicks(0, kInf), IsEmpty());
  EXPECT_LE(NiceTicks(1e16, 1e16 + 2, 5).size(), 50u);
  EXPECT_THAT(NiceTicks(-1e308, 1e308).size(), ::testing::Le(50u));
}

TEST(FormatTest, IsShort) {
  EXPECT_EQ(FormatNumber(0.1 + 0.2), "0.3");
  EXPECT_EQ(FormatNumber(-0.0), "0");
  EXPECT_EQ(FormatNumber(kNaN), "n/a");
  EXPECT_EQ(FormatTick(2800), "2800");
  EXPECT_EQ(FormatTick(12000), "12k");
  EXPECT_EQ(FormatTick(999600), "1M");
  EXPECT_EQ(FormatTick(3.25e9), "3.25G");
  EXPECT_EQ(FormatTick(-kInf), "n/a");
}

TEST(EscapeXmlTest, EscapesMarkupAndMendsBytesThatXmlForbids) {
  EXPECT_EQ(EscapeXml("a<b> & \"c\" 'd'"),
            "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(EscapeXml("Kr\xC3\xA4henb\xC3\xBChl"), "Kr\xC3\xA4henb\xC3\xBChl");
  EXPECT_EQ(EscapeXml("\xF0\x9F\x90\xB4"), "\xF0\x9F\x90\xB4");
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(EscapeXml(std::string("a\0b", 3)), "a" + bad + "b");
  EXPECT_EQ(EscapeXml("\xFFz"), bad + "z");
  EXPECT_EQ(EscapeXml("\xC3"), bad);                      // cut short
  EXPECT_EQ(EscapeXml("\xC0\xAF"), bad + bad);            // overlong
  EXPECT_EQ(EscapeXml("\xED\xA0\x80"), bad + bad + bad);  // surrogate
  EXPECT_EQ(EscapeXml("tab\tline\n"), "tab\tline\n");
}

TEST(LinePlotTest, DrawsAHandComputedLine) {
  LinePlotOptions options;
  options.width = 210;
  options.height = 122;
  options.y_min = 0;
  options.y_max = 1;
  const std::string svg = LinePlot({Line("", {0, 1, 2}, {0, 1, 0.5})}, options);
  // Ticks 0.0 to 1.0: three characters of 6.6 px and 8 px of space to the left,
  // 10 px to the right: x = 27.8, 113.9, 200. y from 100 (bottom) to 14.
  EXPECT_THAT(svg, HasSubstr("d=\"M27.8,100L113.9,14L200,57\""));
  EXPECT_THAT(svg, HasSubstr("viewBox=\"0 0 210 122\""));
  EXPECT_THAT(svg, HasSubstr(">0.5</text>"));
}

TEST(LinePlotTest, IsSelfContainedAndDeterministic) {
  LinePlotOptions options;
  options.title = "loss <&>";
  options.x_label = "step";
  options.y_label = "nats";
  const std::vector<Series> series = {Line("train", {0, 1}, {1, 2}),
                                      Line("val", {0, 1}, {2, 3})};
  const std::string svg = LinePlot(series, options);
  EXPECT_EQ(svg, LinePlot(series, options));
  EXPECT_EQ(svg.rfind("<svg xmlns=\"http://www.w3.org/2000/svg\"", 0), 0u);
  EXPECT_EQ(Count(svg, "http"), 1);  // the name space only
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, HasSubstr(">loss &lt;&amp;&gt;</text>"));
  EXPECT_THAT(svg, HasSubstr("aria-label=\"loss &lt;&amp;&gt;\""));
  EXPECT_THAT(svg, HasSubstr(">train</text>"));
  EXPECT_THAT(svg, HasSubstr(">val</text>"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
}

TEST(LinePlotTest, NanBreaksTheLineAndALonePointIsADot) {
  const std::string svg =
      LinePlot({Line("", {0, 1, 2, 3, 4, 5}, {1, 2, kNaN, 3, kInf, 2})}, {});
  // 0-1 is a line; 3 and 5 have no finite neighbour.
  EXPECT_EQ(Count(svg, "<path class=\"l c0\""), 1);
  EXPECT_EQ(Count(svg, "<circle"), 2);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(LinePlotTest, HandlesOnePointAndNone) {
  EXPECT_EQ(Count(LinePlot({Line("one", {3}, {0.5})}, {}), "<circle"), 1);
  EXPECT_EQ(Count(LinePlot({Line("zero", {0}, {0})}, {}), "<circle"), 1);
  EXPECT_THAT(LinePlot({}, {}), HasSubstr("no data"));
  EXPECT_THAT(LinePlot({Line("e", {}, {})}, {}), HasSubstr("no data"));
  EXPECT_THAT(LinePlot({Line("n", {1, 2}, {kNaN, kNaN})}, {}),
              HasSubstr("no data"));
  // Unequal lengths: the common part.
  EXPECT_EQ(Count(LinePlot({Line("u", {1, 2, 3}, {5})}, {}), "<circle"), 1);
}

TEST(LinePlotTest, LogarithmicAxisLeavesOutWhatIsNotPositive) {
  LinePlotOptions options;
  options.log_y = true;
  const std::string svg =
      LinePlot({Line("", {0, 1, 2, 3, 4}, {1000, 1, 0, 0.1, 0.001})}, options);
  EXPECT_EQ(Count(svg, "<path class=\"l c0\" d=\"M"), 1);
  EXPECT_THAT(svg, HasSubstr(">100</text>"));
  EXPECT_THAT(svg, HasSubstr(">0.01</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(LinePlot({Line("", {0}, {-1})}, options), HasSubstr("no data"));
}

TEST(LinePlotTest, NamesStandBesideTheirPoints) {
  LinePlotOptions options;
  options.log_x = true;
  options.name_points = true;
  const std::string svg =
      LinePlot({Line("ten", {10}, {1}), Line("its twin", {10}, {1}),
                Line("thousand", {1000}, {2}), Line("nowhere", {0}, {1})},
               options);
  EXPECT_EQ(Count(svg, "<circle"), 3);
  EXPECT_EQ(Count(svg, "<path"), 0);  // no legend
  EXPECT_THAT(svg, HasSubstr(">100</text>"));
  EXPECT_THAT(svg, HasSubstr(">200</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("nowhere")));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  // Two names of one place do not lie on each other, and the one at the right
  // edge is to the left of its point.
  const auto at = [&](const std::string& name) {
    const size_t text = svg.rfind("<text", svg.find(">" + name + "<"));
    double x = 0, y = 0;
    std::sscanf(svg.c_str() + text, "<text x=\"%lf\" y=\"%lf\"", &x, &y);
    return std::make_pair(x, y);
  };
  EXPECT_GE(std::abs(at("ten").second - at("its twin").second), 12);
  EXPECT_GT(at("ten").first, 0);
  EXPECT_LT(at("thousand").first, 560);
}

TEST(LinePlotTest, SmoothingAddsTheRawValuesFaintly) {
  Series s = Line("loss", {}, {});
  for (int i = 0; i < 100; ++i) {
    s.x.push_back(i);
    s.y.push_back(i % 2);
  }
  s.smooth = true;
  const std::string svg = LinePlot({s}, {});
  EXPECT_EQ(Count(svg, "class=\"l c0 raw\""), 1);
  EXPECT_EQ(Count(svg, "class=\"l c0\" d=\"M"), 2);  // legend and average
}

TEST(LinePlotTest, SmoothingKeepsAStraightLineStraight) {
  LinePlotOptions options;
  options.width = 210;
  options.height = 122;
  options.y_min = 0;
  options.y_max = 1;
  Series s = Line("", {}, {});
  for (int i = 0; i <= 10; ++i) {
    s.x.push_back(i);
    s.y.push_back(i / 10.);
  }
  s.smooth = true;
  const std::string svg = LinePlot({s}, options);
  // Both the raw values and the average begin and end in the corners.
  EXPECT_EQ(Count(svg, "d=\"M27.8,100L"), 2);
  EXPECT_EQ(Count(svg, "L200,14\""), 2);
}

// The least y of a pixel of a plot's one path, hence its highest point.
double Top(const std::string& svg) {
  size_t at = svg.find("d=\"M");
  const size_t end = svg.find('"', at + 3);
  double top = kInf;
  while ((at = svg.find(',', at)) < end) {
    top = std::min(top, std::atof(svg.c_str() + ++at));
  }
  return top;
}

TEST(LinePlotTest, ManyPointsGiveABoundedText) {
  Series s = Line("", {}, {});
  for (int i = 0; i < 200000; ++i) {
    s.x.push_back(i);
    s.y.push_back(i == 0 ? -1 : i == 123456 ? 50 : 0.9 * std::sin(i));
  }
  const std::string svg = LinePlot({s}, {});
  // At most four points a pixel column, about 13 bytes each.
  EXPECT_LT(svg.size(), 640u * 4 * 16 + 6000);
  // The one spike survives, as high as where nothing is left out.
  const double top = Top(LinePlot({Line("", {0, 1, 2}, {-1, 50, 0})}, {}));
  EXPECT_LT(top, 60);
  EXPECT_EQ(Top(svg), top);
}

TEST(LinePlotTest, TenSeriesDifferInColourOrDash) {
  std::vector<Series> series;
  for (int k = 0; k < 10; ++k)
    series.push_back(Line("s", {0, 1}, {0., 1. + k}));
  const std::string svg = LinePlot(series, {});
  // Eighth to tenth, in the legend and in the plot.
  EXPECT_EQ(Count(svg, "stroke-dasharray=\"6 3\""), 6);
}

TEST(BarPlotTest, WritesValuesAndAbsentClasses) {
  BarPlotOptions options;
  options.title = "IoU";
  options.unit = "%";
  options.scale = 100;
  options.axis_max = 100;
  options.reference = 70;
  options.reference_label = "mean 70 %";
  const std::string svg =
      BarPlot({MakeBar("horse", 0.8125), MakeBar("a<b", kNaN)}, options);
  EXPECT_THAT(svg, HasSubstr(">81.2\xC2\xA0%</text>"));  // to even, as printf
  EXPECT_THAT(svg, HasSubstr(">n/a</text>"));
  EXPECT_THAT(svg, HasSubstr(">a&lt;b</text>"));
  EXPECT_THAT(svg, HasSubstr(">mean 70 %</text>"));
  EXPECT_EQ(Count(svg, "<rect"), 1);
  EXPECT_THAT(BarPlot({}, options), HasSubstr("no data"));
  EXPECT_THAT(BarPlot({MakeBar("z", 0)}, {}), HasSubstr("width=\"0\""));
}

TEST(BarPlotTest, NegativeBarsGrowToTheLeft) {
  const std::string svg = BarPlot({MakeBar("a", -1), MakeBar("b", 1)}, {});
  const size_t first = svg.find("<rect class=\"f0\" x=\"");
  ASSERT_NE(first, std::string::npos);
  EXPECT_THAT(svg, HasSubstr(">-1.0</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("width=\"-")));
}

TEST(ConfusionPlotTest, ShowsSharesOfTheTrueClassAndCounts) {
  const std::string svg = ConfusionPlot({{75, 25}, {0, 0}}, {"a", "b"}, {});
  EXPECT_THAT(svg, HasSubstr(">75.0\xC2\xA0%</text>"));
  EXPECT_THAT(svg, HasSubstr(">25</text>"));
  EXPECT_THAT(svg,
              HasSubstr("<title>a \xE2\x86\x92 b: 25 px (25.00 %)</title>"));
  EXPECT_THAT(svg, HasSubstr("fill-opacity=\"0.500\""));  // sqrt(0.25)
  // The row of b has no pixels, hence no shares.
  EXPECT_EQ(Count(svg, "\xC2\xA0%"), 2);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(ConfusionPlotTest, TakesRaggedAndEmptyMatrices) {
  EXPECT_THAT(ConfusionPlot({}, {"a"}, {}), HasSubstr("no data"));
  const std::string svg = ConfusionPlot({{5}, {1, 2, 3}}, {"only"}, {});
  EXPECT_EQ(Count(svg, "class=\"cell\""), 9);
  EXPECT_THAT(svg, HasSubstr("<title>1 \xE2\x86\x92 2: 3 px (50.00 %)"));
}

TEST(ConfusionPlotTest, ManyClassesStayWithinTheWidth) {
  const std::vector<std::vector<int64_t>> counts(150,
                                                 std::vector<int64_t>(150, 1));
  ConfusionPlotOptions options;
  options.width = 900;
  const std::string svg = ConfusionPlot(counts, {}, options);
  EXPECT_THAT(svg, HasSubstr("width=\"5\" height=\"5\""));
}

}  // namespace
}  // namespace seg
