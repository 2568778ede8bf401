#include "segnet_rerank/segnet_task.h"

#include <ATen/ATen.h>

#include <utility>

#include "segnet_rerank/coarse.h"

namespace seg {

SEG_DEFINE_ENUM(ExpectedIouScale,
                {ExpectedIouScale::kMeanOfCounted, "mean_of_counted"},
                {ExpectedIouScale::kMeanOfAll, "mean_of_all"},
                {ExpectedIouScale::kSum, "sum"})
SEG_DEFINE_ENUM(CrossEntropyReduction, {CrossEntropyReduction::kMean, "mean"},
                {CrossEntropyReduction::kSum, "sum"})

namespace segnet_rerank {

SEG_DEFINE_ENUM(SegNetLossType,
                {SegNetLossType::kCrossEntropy, "cross_entropy"},
                {SegNetLossType::kIou, "iou"}, {SegNetLossType::kUoi, "uoi"},
                {SegNetLossType::kMix, "mix"})
SEG_DEFINE_CONFIG(SegNetLossConfig, type, cross_entropy_steps, uoi_weight,
                  cross_entropy_weight, scale, cross_entropy, min_target_mass,
                  intersection_epsilon)

std::vector<KeyRule> SegNetLossConfig::Rules() {
  return {OneOf<SegNetLossType>("type"),
          {"cross_entropy_steps", 0, 1e12},
          {"uoi_weight", 0, 1e6},
          {"cross_entropy_weight", 0, 1e6},
          OneOf<ExpectedIouScale>("scale"),
          OneOf<CrossEntropyReduction>("cross_entropy"),
          {"min_target_mass", 0, 1e9},
          {"intersection_epsilon", 0, 1e9}};
}

StepLoss SegNetLoss(const at::Tensor& scores, const at::Tensor& target,
                    const SegNetLossConfig& config, int64_t step) {
  const SegNetLossType type = step < config.cross_entropy_steps
                                  ? SegNetLossType::kCrossEntropy
                                  : config.type;
  ExpectedIouMixOptions options;
  switch (type) {
    case SegNetLossType::kCrossEntropy:
      options.term_weight = 0;
      options.cross_entropy_weight = 1;
      break;
    case SegNetLossType::kIou:
      options.term = ExpectedIouTerm::kMinusIou;
      options.term_weight = 1;
      options.cross_entropy_weight = 0;
      break;
    case SegNetLossType::kUoi:
      options.term_weight = 1;
      options.cross_entropy_weight = 0;
      break;
    case SegNetLossType::kMix:
      options.term_weight = config.uoi_weight;
      options.cross_entropy_weight = config.cross_entropy_weight;
      break;
  }
  options.cross_entropy = config.cross_entropy;
  options.overlap.scale = config.scale;
  options.overlap.min_target_mass = config.min_target_mass;
  options.overlap.intersection_epsilon = config.intersection_epsilon;
  ExpectedIouResult result = ExpectedIouMix(scores, target, options);
  return {result.value,
          {{"counted", result.counted},
           {"skipped", result.skipped},
           {"raised", result.raised}}};
}

SegNetTask::SegNetTask(const SegNetLossConfig& config, SegNet net,
                       int64_t ignore_label)
    : config_(config), net_(std::move(net)), ignore_label_(ignore_label) {}

std::vector<Phase> SegNetTask::Phases() {
  Phase phase;
  phase.name = "main";
  phase.groups.push_back({"head", net_->head_parameters()});
  if (!net_->frozen()) {
    phase.groups.push_back({"trunk", net_->trunk_parameters()});
  }
  return {std::move(phase)};
}

StepLoss SegNetTask::Loss(int64_t /*phase*/, const Batch& batch, int64_t step) {
  if (!batch.masks.defined()) {
    const at::Tensor scores = net_->FromFeatures(batch.images);
    return SegNetLoss(scores, batch.probabilities.to(scores.scalar_type()),
                      config_, step);
  }
  const at::Tensor scores = net_->forward(batch.images);
  const at::Tensor target =
      ClassShares(batch.masks, net_->classes(), ignore_label_, scores.size(2))
          .to(scores.scalar_type());
  return SegNetLoss(scores, target, config_, step);
}

}  // namespace segnet_rerank
}  // namespace seg
