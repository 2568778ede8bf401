#include "common/reporting/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "ATen/ATen.h"
#include "absl/strings/escaping.h"
#include "common/io/image.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Json = nlohmann::json;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ReportData Small() {
  ReportData data;
  data.title = "run <1>";
  data.subtitle = "today & here";
  data.facts = {{"mean IoU", "84.0 %"}, {"images", "128"}};
  data.charts = ChartsFromRecords({Json{{"step", 1}, {"train/loss", 2.0}},
                                   Json{{"step", 2}, {"train/loss", 1.0}}});
  data.class_names = {"background", "horse"};
  data.class_iou = {0.9, kNaN};
  data.confusion = {{90, 10}, {5, 45}};
  const at::Tensor image = at::full({3, 8, 8}, 120, at::kByte);
  const at::Tensor mask = at::eye(8, at::kByte);
  data.pictures = {ComparisonPicture("Worst", "horse<7>", "IoU 0.1", image,
                                     mask, at::zeros_like(mask), {})};
  data.config_text = "lr: 0.1 # <b>";
  data.environment_text = "{\"threads\": 2}";
  return data;
}

TEST(RenderReportTest, HoldsEveryPartEscaped) {
  const absl::StatusOr<std::string> html = RenderReport(Small());
  ASSERT_TRUE(html.ok()) << html.status();
  EXPECT_THAT(*html, HasSubstr("<title>run &lt;1&gt;</title>"));
  EXPECT_THAT(*html, HasSubstr("today &amp; here"));
  EXPECT_THAT(*html, HasSubstr("<dt>mean IoU</dt><dd>84.0 %</dd>"));
  EXPECT_THAT(*html, HasSubstr("aria-label=\"loss\""));
  EXPECT_THAT(*html, HasSubstr("mean 90.0\xC2\xA0%"));  // of classes present
  EXPECT_THAT(*html, HasSubstr("Confusion"));
  EXPECT_THAT(*html, HasSubstr("<h3>Worst</h3>"));
  EXPECT_THAT(*html, HasSubstr("horse&lt;7&gt;"));
  EXPECT_THAT(*html, HasSubstr("lr: 0.1 # &lt;b&gt;"));
  EXPECT_THAT(*html, HasSubstr("{&quot;threads&quot;: 2}"));
}

TEST(RenderReportTest, NeedsNeitherScriptNorNetwork) {
  std::string html = *RenderReport(Small());
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<link")));
  EXPECT_THAT(html, Not(HasSubstr("@import")));
  const std::string name_space = "http://www.w3.org/2000/svg";
  for (size_t i; (i = html.find(name_space)) != std::string::npos;) {
    html.erase(i, name_space.size());
  }
  EXPECT_THAT(html, Not(HasSubstr("http")));
}

TEST(RenderReportTest, PicturesAreTheFilesThemselves) {
  const std::string html = *RenderReport(Small());
  const std::string head = "data:image/png;base64,";
  const size_t begin = html.find(head);
  ASSERT_NE(begin, std::string::npos);
  const size_t from = begin + head.size();
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(
      html.substr(from, html.find('"', from) - from), &bytes));
  const absl::StatusOr<at::Tensor> image = DecodeImage(bytes);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_TRUE(image->equal(at::full({3, 8, 8}, 120, at::kByte)));
}

TEST(RenderReportTest, LeavesOutWhatIsEmpty) {
  ReportData data;
  data.title = "bare";
  const std::string html = *RenderReport(data);
  EXPECT_THAT(html, Not(HasSubstr("<h2>")));
  EXPECT_THAT(html, Not(HasSubstr("<svg")));
  EXPECT_THAT(html, Not(HasSubstr("<dl")));
}

TEST(RenderReportTest, NamesThePictureThatCannotBeDrawn) {
  ReportData data = Small();
  data.pictures[0].panels[1].rgb = at::zeros({3, 0, 4}, at::kByte);
  const absl::StatusOr<std::string> html = RenderReport(data);
  ASSERT_FALSE(html.ok());
  EXPECT_THAT(std::string(html.status().message()),
              HasSubstr("picture horse<7>, panel truth: expected uint8"));
}

TEST(WriteReportTest, WritesTheSamePage) {
  const std::string path = ::testing::TempDir() + "/report.html";
  ASSERT_TRUE(WriteReport(path, Small()).ok());
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), *RenderReport(Small()));
  EXPECT_FALSE(WriteReport(path + "/no/such", Small()).ok());
}

TEST(ComparisonPictureTest, HasTwoPanelsWithoutTruth) {
  const at::Tensor image = at::zeros({3, 2, 2}, at::kByte);
  const at::Tensor mask = at::zeros({2, 2}, at::kByte);
  EXPECT_EQ(ComparisonPicture("", "", "", image, mask, mask, {}).panels.size(),
            4u);
  EXPECT_EQ(ComparisonPicture("", "", "", image, {}, mask, {}).panels.size(),
            2u);
}

TEST(ChartsFromRecordsTest, GroupsByTheLastPartOfTheKey) {
  const std::vector<ReportChart> charts = ChartsFromRecords({
      Json{{"step", 0}, {"train", {{"loss", 2.0}}}, {"lr", 0.1}},
      Json{{"step", 10}, {"val", {{"loss", 1.5}, {"mean_iou", 0.5}}}},
      Json{{"note", "no step"}},
      Json{{"step", 20}, {"train/loss", nullptr}, {"phase", "text"}},
      Json{{"step", 20}, {"epoch", 3}},
      Json(7),
  });
  ASSERT_EQ(charts.size(), 3u);
  EXPECT_EQ(charts[0].options.title, "loss");
  ASSERT_EQ(charts[0].series.size(), 2u);
  EXPECT_EQ(charts[0].series[0].name, "train");
  EXPECT_THAT(charts[0].series[0].x, ::testing::ElementsAre(0, 20));
  EXPECT_TRUE(std::isnan(charts[0].series[0].y[1]));
  EXPECT_EQ(charts[0].series[1].name, "val");
  EXPECT_EQ(charts[1].options.title, "mean_iou");
  EXPECT_EQ(charts[2].options.title, "lr");
  EXPECT_TRUE(ChartsFromRecords({}).empty());
}

}  // namespace
}  // namespace seg
