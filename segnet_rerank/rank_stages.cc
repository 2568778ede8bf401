// From proposals to a ranker (stages.h).
#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "common/backbones/image_features.h"
#include "common/backbones/state_dict.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/safetensors.h"
#include "common/training/checkpoint.h"
#include "common/training/trainer.h"
#include "segnet_rerank/coarse.h"
#include "segnet_rerank/fitting.h"
#include "segnet_rerank/image_analysis.h"
#include "segnet_rerank/image_classifier.h"
#include "segnet_rerank/network_data.h"
#include "segnet_rerank/proposal_accuracy.h"
#include "segnet_rerank/ranking_features.h"
#include "segnet_rerank/rows_file.h"
#include "segnet_rerank/stage_inputs.h"

namespace seg {
namespace segnet_rerank {
namespace {

using nlohmann::json;

// Some of the columns of raw features, standardised.
absl::StatusOr<at::Tensor> StandardColumns(const at::Tensor& raw,
                                           const Standardiser& standardiser,
                                           const at::Tensor& columns,
                                           const std::string& path) {
  constexpr int64_t kRows = 1024;
  RowsFile file(path, at::kFloat, {columns.numel()});
  for (int64_t first = 0; first < raw.size(0); first += kRows) {
    const at::Tensor rows =
        raw.narrow(0, first, std::min(kRows, raw.size(0) - first));
    SEG_RETURN_IF_ERROR(
        file.Add(standardiser.Apply(rows).index_select(1, columns)));
  }
  return file.Map();
}

}  // namespace

absl::Status MakeTrunkFeatures(const StageInputs& in,
                               const std::string& folder) {
  SegNet net(in.config.segnet, in.classes);
  SEG_RETURN_IF_ERROR(LoadTrunk(&net));
  net->eval();
  return ForEachImage(in.images.All(), [&](int64_t index) {
    return in.images.Ensure(folder, index, [&]() -> absl::StatusOr<TensorMap> {
      SEG_ASSIGN_OR_RETURN(const Sample sample, in.images.data()->Get(index));
      const at::Tensor image = sample.image.to(at::kFloat).unsqueeze(0);
      TensorMap made = {
          {"features", net->Features(image)[0]},
          {"shares", ClassShares(sample.mask.unsqueeze(0), in.classes,
                                 in.ignore_label, in.config.segnet.grid)[0]}};
      if (in.config.data.augment.flip) {
        made["flipped"] = net->Features(image.flip(3))[0];
      }
      return made;
    });
  });
}

absl::Status TrainNetwork(const StageInputs& in, const std::string& folder,
                          int64_t fold) {
  at::manual_seed(in.Key(3, fold));
  SegNet net(in.config.segnet, in.classes);
  SEG_RETURN_IF_ERROR(LoadTrunk(&net));
  SegNetTask task(in.config.loss, net, in.ignore_label);
  RunOptions run;
  run.paper = "segnet_rerank";
  run.work_dir = folder + "/run";
  run.resume = HoldsCheckpoint(run.work_dir);
  run.silent = true;
  run.seed = static_cast<int64_t>(in.Key(4, fold) >> 1);
  run.device = in.device;
  TrainerOptions options;
  options.train = in.config.train;
  options.train.best_metric = "";
  if (in.config.fold_steps > 0) options.train.steps = in.config.fold_steps;
  options.data = in.config.data;
  options.config_text = ToYaml(json(in.config));
  // A fold of a small set.
  options.train.batch_size = std::min(
      options.train.batch_size,
      static_cast<int64_t>(in.images.Fold(fold, FoldPart::kRest).size()));
  SEG_ASSIGN_OR_RETURN(
      TrainingData data,
      NetworkData(in.config, in.images, fold, in.trunk_features,
                  options.train.batch_size));
  SEG_RETURN_IF_ERROR(
      Trainer(run, std::move(options), &task, std::move(data)).Run());
  SEG_RETURN_IF_ERROR(
      WriteSafetensors(folder + "/network.safetensors", StateDict(*net)));
  std::error_code error;
  std::filesystem::remove_all(run.work_dir, error);
  return absl::OkStatus();
}

absl::Status MakeCoarse(const StageInputs& in, const std::string& folder) {
  for (int64_t fold = 0; fold < in.config.folds; ++fold) {
    SegNet net(in.config.segnet, in.classes);
    SEG_ASSIGN_OR_RETURN(
        const TensorMap weights,
        ReadSafetensors(in.networks[fold] + "/network.safetensors"));
    SEG_RETURN_IF_ERROR(LoadStateDict(*net, weights));
    net->eval();
    const auto score = [&](int64_t index) -> absl::StatusOr<at::Tensor> {
      if (!in.trunk_features.empty()) {
        SEG_ASSIGN_OR_RETURN(const TensorMap item,
                             in.images.Read(in.trunk_features, index));
        return net->FromFeatures(item.at("features").unsqueeze(0));
      }
      SEG_ASSIGN_OR_RETURN(const Sample sample, in.images.data()->Get(index));
      return net->forward(sample.image.to(at::kFloat).unsqueeze(0));
    };
    SEG_RETURN_IF_ERROR(ForEachImage(
        in.images.Fold(fold, FoldPart::kHeldOut), [&](int64_t index) {
          return in.images.Ensure(
              folder, index, [&]() -> absl::StatusOr<TensorMap> {
                SEG_ASSIGN_OR_RETURN(const at::Tensor scores, score(index));
                return TensorMap{{"coarse", at::softmax(scores, 1)[0]}};
              });
        }));
  }
  return absl::OkStatus();
}

absl::Status MakeImageFeatures(const StageInputs& in,
                               const std::string& folder) {
  SEG_ASSIGN_OR_RETURN(const ImageFeatures network,
                       ImageFeatures::EfficientNetLite0(c10::kCPU));
  return ForEachImage(in.images.All(), [&](int64_t index) {
    return in.images.Ensure(folder, index, [&]() -> absl::StatusOr<TensorMap> {
      SEG_ASSIGN_OR_RETURN(const Sample sample, in.images.data()->Get(index));
      return TensorMap{{"features", DescribeImage(network, sample.image)}};
    });
  });
}

absl::Status FitImages(const StageInputs& in, const std::string& folder,
                       int64_t fold) {
  std::vector<at::Tensor> features, areas;
  for (int64_t index : in.images.Fold(fold, FoldPart::kRest)) {
    SEG_ASSIGN_OR_RETURN(const TensorMap image,
                         in.images.Read(in.image_features, index));
    SEG_ASSIGN_OR_RETURN(const TensorMap regions,
                         in.images.Read(in.regions, index));
    features.push_back(image.at("features"));
    areas.push_back(regions.at("areas"));
  }
  const at::Tensor all_areas = at::stack(areas);
  const at::Tensor thresholds = AreaThresholds(all_areas);
  return WriteSafetensors(
      folder + "/scorer.safetensors",
      {{"image_scorer",
        FitImageScorer(at::stack(features), all_areas, thresholds,
                       in.config.rank.classifier_c, in.Key(5, fold))},
       {"area_thresholds", thresholds}});
}

absl::Status MakeFeatures(const StageInputs& in, const std::string& folder) {
  for (int64_t fold = 0; fold < in.config.folds; ++fold) {
    SEG_ASSIGN_OR_RETURN(
        const TensorMap scorer,
        ReadSafetensors(in.image_scorers[fold] + "/scorer.safetensors"));
    Fitted fitted = in.like;
    fitted.image_scorer = scorer.at("image_scorer");
    fitted.area_thresholds = scorer.at("area_thresholds");
    SEG_RETURN_IF_ERROR(ForEachImage(
        in.images.Fold(fold, FoldPart::kHeldOut), [&](int64_t index) {
          return in.images.Ensure(
              folder, index, [&]() -> absl::StatusOr<TensorMap> {
                SEG_ASSIGN_OR_RETURN(const Sample sample,
                                     in.images.data()->Get(index));
                SEG_ASSIGN_OR_RETURN(const at::Tensor superpixels,
                                     ReadSuperpixels(in, index));
                SEG_ASSIGN_OR_RETURN(const Proposals proposals,
                                     ReadProposals(in, index, superpixels));
                SEG_ASSIGN_OR_RETURN(const TensorMap image,
                                     in.images.Read(in.image_features, index));
                SEG_ASSIGN_OR_RETURN(const TensorMap coarse,
                                     in.images.Read(in.coarse, index));
                const at::Tensor shares =
                    ClassShares(proposals.labels, in.classes, in.ignore_label,
                                in.config.segnet.grid);
                return TensorMap{
                    {"features", DescribeProposals(sample.image, proposals,
                                                   coarse.at("coarse"), shares,
                                                   image.at("features"),
                                                   in.config, fitted)},
                    {"counts", CountByClass(proposals.labels, sample.mask,
                                            in.classes, in.ignore_label)
                                   .to(at::kInt)}};
              });
        }));
  }
  return absl::OkStatus();
}

absl::Status FitRankers(const StageInputs& in, const std::string& folder) {
  // Images in a random order, of which the last are held out.
  const int64_t images = in.images.size();
  const std::vector<int64_t> order = RandomPermutation(images, in.Key(6, 0));
  const int64_t held_out = std::min(
      images - 1, static_cast<int64_t>(in.config.rank.held_out * images));
  const int64_t features = in.like.standardiser.mean.numel();
  StandardiserFit fit(features);
  RowsFile feature_rows(folder + "/features.part", at::kFloat, {features});
  RowsFile count_rows(folder + "/counts.part", at::kInt, {in.classes, 3});
  std::vector<int64_t> sizes;
  for (int64_t index : order) {
    SEG_ASSIGN_OR_RETURN(const TensorMap item,
                         in.images.Read(in.features, index));
    fit.Add(item.at("features"));
    SEG_RETURN_IF_ERROR(feature_rows.Add(item.at("features")));
    SEG_RETURN_IF_ERROR(count_rows.Add(item.at("counts")));
    sizes.push_back(item.at("features").size(0));
  }
  const Standardiser standardiser = fit.Finish();
  SEG_ASSIGN_OR_RETURN(const at::Tensor raw, feature_rows.Map());
  SEG_ASSIGN_OR_RETURN(const at::Tensor counts, count_rows.Map());
  const auto layout = FeatureLayout(in.classes, FeaturesOptions(in.config));
  at::Tensor rankers = at::zeros_like(in.like.rankers);
  for (size_t kind = 0; kind < RankerKinds().size(); ++kind) {
    const RankerKind& ranker = RankerKinds()[kind];
    const at::Tensor columns = ColumnsOfSections(layout, ranker.sections);
    SEG_ASSIGN_OR_RETURN(
        const at::Tensor rows,
        StandardColumns(raw, standardiser, columns, folder + "/rows.part"));
    rankers[static_cast<int64_t>(kind)].index_copy_(
        0, columns,
        FitRanker(rows, counts, sizes, held_out, in.config.rank, in.Key(7, 0)));
  }
  return WriteSafetensors(
      folder + "/ranker.safetensors",
      {{"rankers", rankers},
       {"feature_mean", standardiser.mean},
       {"feature_inverse_deviation", standardiser.inverse_deviation}});
}

}  // namespace segnet_rerank
}  // namespace seg
