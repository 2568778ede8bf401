#include "common/datasets/points.h"

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/datasets/pack.h"
#include "common/io/file.h"

namespace seg {
namespace {

constexpr int64_t kFacePoints = 5;

std::vector<std::string> Cells(absl::string_view line) {
  if (!absl::StrContains(line, ",")) {
    return absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  }
  std::vector<std::string> cells = absl::StrSplit(line, ',');
  for (std::string& cell : cells) absl::StripAsciiWhitespace(&cell);
  return cells;
}

// float32 [P,3] of the cells behind the ID; undefined where they are no pairs
// of numbers.
at::Tensor ParsePoints(const std::vector<std::string>& cells) {
  const int64_t count = (static_cast<int64_t>(cells.size()) - 1) / 2;
  if (count < 1 || cells.size() % 2 == 0) return {};
  at::Tensor points = at::empty({count, 3}, at::kFloat);
  float* out = points.data_ptr<float>();
  for (int64_t p = 0; p < count; ++p) {
    double place[2];
    for (int axis = 0; axis < 2; ++axis) {
      if (!absl::SimpleAtod(cells[1 + 2 * p + axis], &place[axis]) ||
          !(std::abs(place[axis]) < 1e6)) {
        return {};
      }
      out[3 * p + axis] = static_cast<float>(place[axis]);
    }
    out[3 * p + 2] = place[0] >= 0.0 && place[1] >= 0.0 ? 1.0f : 0.0f;
  }
  return points;
}

class Pointed : public Dataset {
 public:
  Pointed(std::shared_ptr<const Dataset> base, DatasetInfo info,
          std::vector<at::Tensor> points)
      : base_(std::move(base)),
        info_(std::move(info)),
        points_(std::move(points)) {}

  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return base_->size(); }
  std::string id(int64_t index) const override { return base_->id(index); }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    SEG_ASSIGN_OR_RETURN(Sample sample, base_->Get(index));
    sample.points = points_[index];
    return sample;
  }

 private:
  std::shared_ptr<const Dataset> base_;
  DatasetInfo info_;
  std::vector<at::Tensor> points_;  // by index
};

}  // namespace

absl::StatusOr<std::map<std::string, at::Tensor>> ReadPoints(
    const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SEG_RETURN_IF_ERROR(WithPath(CheckNotUtf16(text), path));
  std::map<std::string, at::Tensor> all;
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    const absl::string_view stripped = absl::StripAsciiWhitespace(line);
    if (stripped.empty() || stripped[0] == '#') continue;
    const std::vector<std::string> cells = Cells(stripped);
    const at::Tensor points = ParsePoints(cells);
    double value;
    if (number == 1 && !points.defined() && cells.size() > 1 &&
        !absl::SimpleAtod(cells[1], &value)) {
      continue;  // names of columns
    }
    if (!points.defined()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number,
                       ": expected an ID and pairs of numbers x y (-1 -1 where "
                       "a point is not visible), got ",
                       cells.size(), " cells"));
    }
    if (!all.empty() && points.size(0) != all.begin()->second.size(0)) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ":", number, ": ", points.size(0),
          " points, earlier lines have ", all.begin()->second.size(0)));
    }
    if (!all.emplace(cells[0], points).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ":", number, ": the ID '", cells[0], "' is there twice"));
    }
  }
  return all;
}

absl::StatusOr<std::shared_ptr<const Dataset>> WithPoints(
    std::shared_ptr<const Dataset> dataset, const std::string& path) {
  if (!IsFile(path)) {
    return absl::NotFoundError(absl::StrCat(
        path,
        ": not found; data.landmarks names it, lines of an ID and pairs x y"));
  }
  SEG_ASSIGN_OR_RETURN(const auto all, ReadPoints(path));
  std::vector<at::Tensor> points;
  for (int64_t i = 0; i < dataset->size(); ++i) {
    const auto found = all.find(dataset->id(i));
    if (found == all.end()) {
      return absl::NotFoundError(
          absl::StrCat(path, ": no points for '", dataset->id(i),
                       "'; add a line or take the ID out of the list"));
    }
    points.push_back(found->second);
  }
  DatasetInfo info = dataset->info();
  info.has_points = true;
  info.point_flip_pairs.clear();
  if (!all.empty() && all.begin()->second.size(0) == kFacePoints) {
    info.point_flip_pairs = {{0, 1}, {3, 4}};
  }
  return std::make_shared<Pointed>(std::move(dataset), std::move(info),
                                   std::move(points));
}

}  // namespace seg
