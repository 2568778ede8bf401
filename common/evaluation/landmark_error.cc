#include "common/evaluation/landmark_error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/evaluation/evaluate.h"
#include "common/evaluation/percent.h"
#include "common/metrics/landmark_regression.h"

namespace seg {
namespace {

LandmarkSet Slice(const LandmarkSet& set, int64_t first, int64_t last) {
  return {set.centres.slice(0, first, last),
          set.landmarks.slice(0, first, last),
          set.visible.slice(0, first, last)};
}

struct Errors {
  double plain = 0.0, with_bias = 0.0, absolute = 0.0;
};

Errors FitAndTest(const LandmarkSet& train, const LandmarkSet& test,
                  const LandmarkErrorOptions& options) {
  const auto predict = [&](bool bias) {
    return LandmarkRegressor::Fit(train.centres, train.landmarks, train.visible,
                                  bias)
        .Predict(test.centres);
  };
  const auto error = [&](const at::Tensor& predicted) {
    return NormalizedLandmarkError(predicted, test.landmarks, test.visible,
                                   options.first, options.second);
  };
  const at::Tensor biased = predict(true);
  return {error(predict(false)), error(biased),
          SumOfMeanAbsoluteErrors(biased, test.landmarks, test.visible)};
}

// No centres: the best constant, in with_bias and absolute.
LandmarkSet WithoutCentres(LandmarkSet set) {
  set.centres = set.centres.slice(1, 0, 0);
  return set;
}

// Collects, and finds nothing.
class Collector : public LandmarkError {
 public:
  using LandmarkError::LandmarkError;
  absl::Status Finish(Findings* /*findings*/) override {
    return absl::OkStatus();
  }
};

}  // namespace

LandmarkError::LandmarkError(std::vector<std::string> outputs,
                             LandmarkErrorOptions options,
                             LandmarkSource training)
    : outputs_(std::move(outputs)),
      options_(options),
      training_(std::move(training)),
      centres_(outputs_.size()) {
  TORCH_CHECK(options.first >= 0 && options.second >= 0 &&
                  options.first != options.second,
              "LandmarkError: first and second must be two rows of the points, "
              "got ",
              options.first, " and ", options.second);
}

absl::Status LandmarkError::Add(const Scored& image) {
  const at::Tensor& points = image.sample.points;
  const std::string& who =
      image.sample.path.empty() ? image.sample.id : image.sample.path;
  if (!points.defined()) {
    return absl::FailedPreconditionError(absl::StrCat(
        who,
        ": has no landmarks to score against; name a file of them in "
        "data.landmarks"));
  }
  if (std::max(options_.first, options_.second) >= points.size(0)) {
    return absl::FailedPreconditionError(absl::StrCat(
        who, ": has ", points.size(0), " landmarks, the unit is between ",
        options_.first, " and ", options_.second, " (counted from 0)"));
  }
  for (size_t k = 0; k < outputs_.size(); ++k) {
    if (k >= image.prediction.probabilities.size()) {
      return absl::FailedPreconditionError(
          absl::StrCat("landmark error: the output ", outputs_[k],
                       " has labels alone; centres need its probabilities"));
    }
    const at::Tensor parts = image.prediction.probabilities[k].slice(1, 1);
    centres_[k].push_back(PartCentres(parts.to(at::kDouble)).squeeze(0).cpu());
  }
  const double scale = options_.absolute_frame > 0.0
                           ? options_.absolute_frame /
                                 static_cast<double>(image.sample.image.size(2))
                           : 1.0;
  at::Tensor landmarks =
      at::stack({points.select(1, 1), points.select(1, 0)}, 1).to(at::kDouble) *
      scale;
  at::Tensor visible = points.select(1, 2).gt(0);
  const double first = landmarks[options_.first][1].item<double>();
  const double second = landmarks[options_.second][1].item<double>();
  const bool both = visible[options_.first].item<bool>() &&
                    visible[options_.second].item<bool>();
  if (options_.swap && both && first > second) {
    std::vector<int64_t> order(points.size(0));
    for (size_t i = 0; i < order.size(); ++i) {
      order[i] = static_cast<int64_t>(i);
    }
    std::swap(order[options_.first], order[options_.second]);
    landmarks = landmarks.index_select(0, at::tensor(order));
  }
  landmarks_.push_back(landmarks);
  visible_.push_back(visible);
  if (landmarks.sizes() != landmarks_[0].sizes()) {
    return absl::FailedPreconditionError(absl::StrCat(
        who, ": has ", landmarks.size(0), " landmarks, earlier samples have ",
        landmarks_[0].size(0)));
  }
  return absl::OkStatus();
}

LandmarkSet LandmarkError::Collected(size_t output) const {
  if (landmarks_.empty()) return {};
  return {at::stack(centres_.at(output)), at::stack(landmarks_),
          at::stack(visible_)};
}

absl::Status LandmarkError::Finish(Findings* findings) {
  if (landmarks_.empty()) return absl::OkStatus();
  const int64_t images = static_cast<int64_t>(landmarks_.size());
  std::vector<LandmarkSet> training;
  if (training_) {
    SEG_ASSIGN_OR_RETURN(training, training_());
    TORCH_CHECK(training.size() == outputs_.size(),
                "LandmarkError: expected a training set for each of ",
                outputs_.size(), " outputs, got ", training.size());
  }
  const int64_t half = training_ ? 0 : images / 2;
  const bool absolute = options_.absolute_frame > 0.0;
  Metrics& scalars = findings->scalars;
  std::string table =
      absl::StrFormat("%-14s%10s%12s", "landmarks, %", "error", "with bias");
  if (absolute) absl::StrAppendFormat(&table, "%16s", "absolute");
  const auto add_row = [&](const std::string& name, const std::string& plain,
                           const Errors& errors) {
    absl::StrAppendFormat(&table, "\n%-14s%10s%12s", name, plain,
                          Percent(errors.with_bias));
    if (absolute) absl::StrAppendFormat(&table, "%16.2f", errors.absolute);
  };
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const std::string prefix = k == 0 ? "" : outputs_[k] + "/";
    const LandmarkSet all = Collected(k);
    const LandmarkSet train = training_ ? training[k] : Slice(all, 0, half);
    const LandmarkSet test = Slice(all, half, images);
    if (train.landmarks.size(1) != test.landmarks.size(1) ||
        train.centres.size(1) != test.centres.size(1)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "landmark error: the training images have ", train.centres.size(1),
          " parts and ", train.landmarks.size(1),
          " landmarks, those of the test ", test.centres.size(1), " and ",
          test.landmarks.size(1)));
    }
    const Errors errors = FitAndTest(train, test, options_);
    scalars[prefix + "landmark_error"] = errors.plain;
    scalars[prefix + "landmark_error_with_bias"] = errors.with_bias;
    if (absolute) scalars[prefix + "landmark_absolute_error"] = errors.absolute;
    add_row(outputs_[k], Percent(errors.plain), errors);
    if (k + 1 < outputs_.size()) continue;
    const Errors mean =
        FitAndTest(WithoutCentres(train), WithoutCentres(test), options_);
    scalars["mean_landmark_error"] = mean.with_bias;
    if (absolute) scalars["mean_landmark_absolute_error"] = mean.absolute;
    add_row("the mean alone", "", mean);
    findings->report.facts.push_back(
        {"landmark error, " + outputs_[0],
         Percent(scalars["landmark_error"]) + " %"});
    findings->report.facts.push_back(
        {"landmark error of the mean", Percent(mean.with_bias) + " %"});
    absl::StrAppendFormat(
        &table, "\nof the distance of landmarks %d and %d; %s", options_.first,
        options_.second,
        training_
            ? absl::StrFormat("fitted on %d other images",
                              train.landmarks.size(0))
            : absl::StrFormat("fitted on the first %d of these images, tested "
                              "on the other %d",
                              half, images - half));
  }
  findings->tables.push_back(std::move(table));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LandmarkSet>> CollectLandmarks(
    const Dataset& dataset, Predictor& predictor,
    const LandmarkErrorOptions& options, c10::Device device) {
  const std::vector<std::string> outputs = predictor.Names();
  Measures measures;
  measures.push_back(std::make_unique<Collector>(outputs, options));
  const auto& collector = static_cast<const Collector&>(*measures[0]);
  EvaluateOptions evaluation;
  evaluation.device = device;
  evaluation.batch_size = 8;
  SEG_RETURN_IF_ERROR(
      Evaluate(dataset, predictor, measures, evaluation).status());
  std::vector<LandmarkSet> sets;
  for (size_t k = 0; k < outputs.size(); ++k) {
    sets.push_back(collector.Collected(k));
  }
  return sets;
}

}  // namespace seg
