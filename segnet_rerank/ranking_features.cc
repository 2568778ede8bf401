#include "segnet_rerank/ranking_features.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "segnet_rerank/chi_square_map.h"
#include "segnet_rerank/contours.h"
#include "segnet_rerank/image_classifier.h"
#include "segnet_rerank/label_pairs.h"

namespace seg {
namespace segnet_rerank {
namespace {

constexpr int64_t kSizes = static_cast<int64_t>(kAreaPercentiles.size());

void CheckInput(const char* name, const at::Tensor& x, at::ScalarType type,
                at::IntArrayRef sizes) {
  TORCH_CHECK(x.defined(), "RankingFeatures: ", name, " is missing");
  TORCH_CHECK(x.is_cpu() && x.scalar_type() == type && x.sizes() == sizes,
              "RankingFeatures: ", name, " must be ", type, " ", sizes,
              " on the CPU, got ", x.scalar_type(), " ", x.sizes(), " on ",
              x.device());
}

void Check(const RankingInput& input, const RankingFeaturesOptions& options) {
  TORCH_CHECK(input.coarse.defined() && input.coarse.dim() == 3 &&
                  input.coarse.numel() > 0,
              "RankingFeatures: coarse must be [C,g,g], not empty");
  TORCH_CHECK(input.labels.defined() && input.labels.dim() == 3 &&
                  input.labels.numel() > 0,
              "RankingFeatures: labels must be [M,H,W], not empty");
  TORCH_CHECK(options.smoothing > 0 && options.least_intersection > 0,
              "RankingFeatures: smoothing and least_intersection must be above "
              "0, got ",
              options.smoothing, " and ", options.least_intersection);
  const int64_t classes = input.coarse.size(0), rows = input.coarse.size(1),
                columns = input.coarse.size(2);
  const int64_t m = input.labels.size(0), height = input.labels.size(1),
                width = input.labels.size(2);
  CheckInput("coarse", input.coarse, at::kFloat, {classes, rows, columns});
  CheckInput("shares", input.shares, at::kFloat, {m, classes, rows, columns});
  CheckInput("labels", input.labels, at::kByte, {m, height, width});
  CheckInput("score", input.score, at::kFloat, {m});
  const int64_t scored = classes - FirstObjectClass(options.background);
  CheckInput("class_scores", input.class_scores, at::kFloat, {scored});
  CheckInput("size_scores", input.size_scores, at::kFloat, {scored, kSizes});
  CheckInput("area_thresholds", input.area_thresholds, at::kDouble,
             {scored, kSizes});
  CheckInput("contours", input.contours, at::kFloat, {height, width});
}

// The functions below give float64 [M, size of the group].

// ph: [C,N], q: [M,C,N], both float64.
at::Tensor SegnetKl(const at::Tensor& ph, const at::Tensor& q, double e) {
  const double scale = 1 + static_cast<double>(ph.size(0)) * e;
  const at::Tensor a = (ph + e) / scale, b = (q + e) / scale;
  const at::Tensor difference = a.log() - b.log();
  return at::stack(
      {(a * difference).sum({1, 2}), (b * difference).sum({1, 2}).neg()}, 1);
}

at::Tensor SegnetOverlap(const at::Tensor& ph, const at::Tensor& q,
                         double least_intersection) {
  const at::Tensor intersections = (ph * q).sum(2);  // [M,C]
  const at::Tensor unions = ph.sum(1) + q.sum(2) - intersections;
  const at::Tensor filled =
      unions.where(unions.gt(0), at::ones_like(unions));  // I = 0 there
  return at::cat({intersections, unions, intersections / filled,
                  unions / intersections.clamp_min(least_intersection)},
                 1);
}

// areas: [M,K].
at::Tensor Classification(const at::Tensor& areas, const at::Tensor& scores) {
  const at::Tensor tied = scores.to(at::kDouble).expand_as(areas);
  return tied.where(areas.gt(0), at::zeros_like(areas));
}

at::Tensor SizeClassification(const at::Tensor& areas, const at::Tensor& scores,
                              const at::Tensor& thresholds) {
  const at::Tensor area = areas.unsqueeze(2);
  const at::Tensor covers = area.ge(thresholds) & area.gt(0);  // [M,K,4]
  const at::Tensor tied = scores.to(at::kDouble).expand_as(covers);
  return tied.where(covers, at::zeros_like(tied)).flatten(1);
}

at::Tensor Ranks(int64_t m) {
  return at::arange(1, m + 1, at::kDouble).reciprocal().unsqueeze(1);
}

at::Tensor DistanceToFirst(const at::Tensor& labels) {
  const at::Tensor differ = labels.ne(labels[0]).flatten(1);
  return differ.sum(1, /*keepdim=*/true).to(at::kDouble) /
         static_cast<double>(differ.size(1));
}

}  // namespace

std::vector<FeatureGroup> FeatureLayout(int64_t classes,
                                        const RankingFeaturesOptions& options) {
  TORCH_CHECK(classes >= 1, "FeatureLayout: classes must be at least 1, got ",
              classes);
  const int64_t pairs = classes * (classes - 1) / 2;
  std::vector<FeatureGroup> layout;
  int64_t first = 0;
  const auto add = [&](const char* name, int64_t size, int64_t section) {
    layout.push_back({name, first, size, section});
    first += size;
  };
  add("segnet_kl", 2, 1);
  add("segnet_overlap", 4 * classes, 1);
  const int64_t scored = classes - FirstObjectClass(options.background);
  add("classification", scored, 2);
  add("size_classification", kSizes * scored, 2);
  add("centroids", 2 * pairs, 3);
  add("pair_mass", pairs, 3);
  add("co_occurrence", pairs, 3);
  add("contours", kContourFeatures, 3);
  add("score", 1, 3);
  add("rank", 1, 3);
  add("areas", classes, 3);
  add("distance_to_first", 1, 3);
  if (options.chi_square_maps) {
    add("pair_mass_chi_square", kChiSquareMapSize * pairs, 3);
    add("co_occurrence_chi_square", kChiSquareMapSize * pairs, 3);
  }
  return layout;
}

int64_t NumFeatures(const std::vector<FeatureGroup>& layout) {
  return layout.empty() ? 0 : layout.back().first + layout.back().size;
}

at::Tensor ColumnsOfSections(const std::vector<FeatureGroup>& layout,
                             const std::vector<int64_t>& sections) {
  std::vector<at::Tensor> columns = {at::empty({0}, at::kLong)};
  for (const FeatureGroup& group : layout) {
    if (std::find(sections.begin(), sections.end(), group.section) ==
        sections.end()) {
      continue;
    }
    columns.push_back(
        at::arange(group.first, group.first + group.size, at::kLong));
  }
  return at::cat(columns);
}

at::Tensor RankingFeatures(const RankingInput& input,
                           const RankingFeaturesOptions& options) {
  Check(input, options);
  const int64_t m = input.labels.size(0), classes = input.coarse.size(0);
  const at::Tensor ph = input.coarse.to(at::kDouble).flatten(1);
  const at::Tensor q = input.shares.to(at::kDouble).flatten(2);
  const LabelPlaces places = FindLabels(input.labels, classes);
  const at::Tensor areas =
      places.area.slice(1, FirstObjectClass(options.background));
  const at::Tensor mass = PairMass(places);
  const at::Tensor together = CoOccurrence(places);
  std::vector<at::Tensor> groups = {
      SegnetKl(ph, q, options.smoothing),
      SegnetOverlap(ph, q, options.least_intersection),
      Classification(areas, input.class_scores),
      SizeClassification(areas, input.size_scores, input.area_thresholds),
      CentroidDifferences(places),
      mass,
      together,
      ContourAgreement(input.labels, input.contours),
      input.score.to(at::kDouble).unsqueeze(1),
      Ranks(m),
      places.area,
      DistanceToFirst(input.labels)};
  if (options.chi_square_maps) {
    groups.push_back(ChiSquareMap(mass));
    groups.push_back(ChiSquareMap(together));
  }
  return at::cat(groups, 1).to(at::kFloat);
}

}  // namespace segnet_rerank
}  // namespace seg
