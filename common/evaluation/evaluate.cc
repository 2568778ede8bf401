#include "common/evaluation/evaluate.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/datasets/views.h"

namespace seg {
namespace {

// Bounds the memory of a batch.
constexpr int64_t kBatchPixels = int64_t{1} << 23;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int64_t Pixels(const Sample& sample) {
  return sample.image.size(1) * sample.image.size(2);
}

// The samples of a data set in batches of one size.
class Groups {
 public:
  Groups(const Dataset& dataset, int64_t batch_size)
      : dataset_(dataset), batch_size_(std::max<int64_t>(1, batch_size)) {}

  // The next neighbours; none at the end.
  absl::StatusOr<std::vector<Sample>> Next() {
    std::vector<Sample> samples;
    while (static_cast<int64_t>(samples.size()) < batch_size_) {
      if (!ahead_) {
        if (index_ == dataset_.size()) break;
        SEG_ASSIGN_OR_RETURN(ahead_, dataset_.Get(index_));
        ++index_;
      }
      const int64_t count = static_cast<int64_t>(samples.size());
      if (count > 0 && (ahead_->image.sizes() != samples[0].image.sizes() ||
                        (count + 1) * Pixels(*ahead_) > kBatchPixels)) {
        break;
      }
      samples.push_back(*std::move(ahead_));
      ahead_.reset();
    }
    return samples;
  }

 private:
  const Dataset& dataset_;
  const int64_t batch_size_;
  int64_t index_ = 0;
  std::optional<Sample> ahead_;
};

// The samples' batches of one, side by side. What one of them lacks, or has in
// another shape, the whole has not.
Batch Join(const std::vector<Batch>& singles) {
  if (singles.size() == 1) return singles[0];
  Batch batch;
  for (const Batch& single : singles) batch.ids.push_back(single.ids[0]);
  for (at::Tensor Batch::*field :
       {&Batch::images, &Batch::masks, &Batch::probabilities, &Batch::points}) {
    std::vector<at::Tensor> parts;
    for (const Batch& single : singles) {
      const at::Tensor& part = single.*field;
      const at::Tensor& first = singles[0].*field;
      if (part.defined() && first.defined() && part.sizes() == first.sizes()) {
        parts.push_back(part);
      }
    }
    if (parts.size() == singles.size()) batch.*field = at::cat(parts);
  }
  return batch;
}

std::string Who(const std::vector<Sample>& samples) {
  std::vector<std::string> names;
  for (const Sample& sample : samples) {
    names.push_back(sample.path.empty() ? sample.id : sample.path);
  }
  return absl::StrJoin(names, ", ");
}

}  // namespace

absl::StatusOr<Findings> Evaluate(const Dataset& dataset, Predictor& predictor,
                                  const Measures& measures,
                                  const EvaluateOptions& options) {
  const DatasetInfo& info = dataset.info();
  const bool masks =
      std::any_of(measures.begin(), measures.end(),
                  [](const auto& measure) { return measure->needs_masks(); });
  if (dataset.size() == 0 || (masks && !info.has_masks)) {
    return absl::FailedPreconditionError(absl::StrCat(
        info.name, dataset.size() == 0 ? ": the split is empty"
                                       : ": has no masks to evaluate against"));
  }
  const c10::InferenceMode inference;
  Groups groups(dataset, options.batch_size);
  std::vector<double> milliseconds;
  int64_t index = 0;
  while (index < dataset.size()) {
    SEG_ASSIGN_OR_RETURN(const std::vector<Sample> samples, groups.Next());
    std::vector<Batch> singles;
    for (const Sample& sample : samples) {
      singles.push_back(MakeBatch(sample, options.device));
    }
    const Batch batch = Join(singles);
    const auto start = std::chrono::steady_clock::now();
    const Prediction prediction = Run(predictor, batch, Who(samples));
    milliseconds.push_back(std::chrono::duration<double, std::milli>(
                               std::chrono::steady_clock::now() - start)
                               .count() /
                           static_cast<double>(samples.size()));
    for (size_t row = 0; row < samples.size(); ++row, ++index) {
      const Prediction own = Row(prediction, static_cast<int64_t>(row));
      const Scored scored = {samples[row], singles[row], own, index,
                             static_cast<int64_t>(row)};
      for (const auto& measure : measures) {
        SEG_RETURN_IF_ERROR(measure->Add(scored));
      }
    }
  }
  Findings findings;
  const double median = Median(std::move(milliseconds));
  findings.json["data"] = info.name;
  findings.json["images"] = dataset.size();
  findings.json["ms_per_image"] = median;
  for (const auto& measure : measures) {
    SEG_RETURN_IF_ERROR(measure->Finish(&findings));
  }
  findings.tables.push_back(
      absl::StrFormat("%.1f ms an image (median)", median));
  findings.report.facts.push_back({"images", absl::StrCat(dataset.size())});
  findings.report.facts.push_back(
      {"time an image", absl::StrFormat("%.1f ms", median)});
  return findings;
}

absl::StatusOr<Findings> EvaluateAt(const EvaluationPlan& plan, Moment moment) {
  const bool validates = moment == Moment::kValidation;
  const Dataset& data = validates ? *plan.val : *plan.report;
  EvaluateOptions options;
  options.device = plan.device;
  if (validates) options.batch_size = plan.validation_batch;
  SEG_ASSIGN_OR_RETURN(Findings findings,
                       Evaluate(data, *plan.predictor,
                                plan.measures(data.info(), moment), options));
  if (!validates) {
    findings.tables.insert(
        findings.tables.begin(),
        absl::StrFormat("%s, split %s, %d images", data.info().name,
                        plan.report_split, data.size()));
  }
  return findings;
}

absl::StatusOr<Findings> Rehearse(const EvaluationPlan& plan) {
  EvaluationPlan sample = plan;
  sample.val = FirstSample(plan.val);
  sample.report = FirstSample(plan.report);
  SEG_RETURN_IF_ERROR(EvaluateAt(sample, Moment::kFinal).status());
  return EvaluateAt(sample, Moment::kValidation);
}

}  // namespace seg
