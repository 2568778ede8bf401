// From photographs to proposals (stages.h).
#include <ATen/ATen.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/interrupt.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/safetensors.h"
#include "segnet_rerank/fitting.h"
#include "segnet_rerank/image_analysis.h"
#include "segnet_rerank/image_classifier.h"
#include "segnet_rerank/o2p/div_m_best.h"
#include "segnet_rerank/o2p/pasting.h"
#include "segnet_rerank/o2p/projection.h"
#include "segnet_rerank/regions/region_mask.h"
#include "segnet_rerank/regions/region_pool.h"
#include "segnet_rerank/stage_inputs.h"

namespace seg {
namespace segnet_rerank {
namespace {

// A superpixel belongs to a true region where so much of it does.
constexpr double kTrueShare = 0.5;

absl::StatusOr<Regions> ReadRegions(const StageInputs& in, int64_t index) {
  SEG_ASSIGN_OR_RETURN(const TensorMap item, in.images.Read(in.regions, index));
  return Regions{item.at("superpixels"), item.at("members"), item.at("score")};
}

}  // namespace

absl::StatusOr<at::Tensor> ReadSuperpixels(const StageInputs& in,
                                           int64_t index) {
  SEG_ASSIGN_OR_RETURN(const TensorMap item, in.images.Read(in.regions, index));
  return item.at("superpixels");
}

absl::StatusOr<Proposals> ReadProposals(const StageInputs& in, int64_t index,
                                        const at::Tensor& superpixels) {
  SEG_ASSIGN_OR_RETURN(const TensorMap item,
                       in.images.Read(in.proposals, index));
  // Labels are those of superpixels.
  return Proposals{item.at("labels")
                       .index_select(1, superpixels.flatten().to(at::kLong))
                       .view({-1, superpixels.size(0), superpixels.size(1)}),
                   item.at("score")};
}

absl::Status MakeRegions(const StageInputs& in, const std::string& folder) {
  return ForEachImage(in.images.All(), [&](int64_t index) {
    return in.images.Ensure(folder, index, [&]() -> absl::StatusOr<TensorMap> {
      SEG_ASSIGN_OR_RETURN(const Sample sample, in.images.data()->Get(index));
      Regions regions = ProposeRegions(sample.image, in.config.regions);
      const at::Tensor histogram =
          SuperpixelHistogram(sample.mask, regions.superpixels, in.classes,
                              in.ignore_label);  // [S,C]
      const at::Tensor overlap =
          RegionOverlap(regions, sample.mask, in.classes, in.ignore_label);
      // The true regions: a class each.
      const at::Tensor present = (histogram.sum(0) > 0)
                                     .narrow(0, 1, in.classes - 1)
                                     .nonzero()
                                     .flatten() +
                                 1;
      Regions truth = regions;
      truth.members =
          (histogram.index_select(1, present).to(at::kDouble) >
           kTrueShare * histogram.sum(1, /*keepdim=*/true).to(at::kDouble))
              .t()
              .to(at::kByte)
              .contiguous();
      truth.score = at::zeros({present.numel()});
      return TensorMap{
          {"superpixels", regions.superpixels},
          {"members", regions.members},
          {"score", regions.score},
          {"overlap", overlap},
          {"true_members", truth.members},
          {"true_overlap",
           RegionOverlap(truth, sample.mask, in.classes, in.ignore_label)},
          {"areas", ClassAreas(sample.mask, in.classes, in.ignore_label)}};
    });
  });
}

absl::Status MakeAxes(const StageInputs& in, const std::string& folder) {
  // The true regions and the first of the pool, of images at equal distances.
  const int64_t images = in.images.size();
  const int64_t per_image =
      std::max<int64_t>(4, (in.config.o2p.axes_regions + images - 1) / images);
  const int64_t used = std::min(
      images, (in.config.o2p.axes_regions + per_image - 1) / per_image);
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < used; ++i) indices.push_back(i * images / used);
  std::vector<at::Tensor> rows(images);
  SEG_RETURN_IF_ERROR(ForEachImage(indices, [&](int64_t index) -> absl::Status {
    if (Interrupted()) return absl::CancelledError("interrupted");
    SEG_ASSIGN_OR_RETURN(const Sample sample, in.images.data()->Get(index));
    SEG_ASSIGN_OR_RETURN(const TensorMap item,
                         in.images.Read(in.regions, index));
    Regions some;
    some.superpixels = item.at("superpixels");
    some.members =
        at::cat({item.at("true_members"), item.at("members")})
            .narrow(0, 0,
                    std::min(per_image, item.at("true_members").size(0) +
                                            item.at("members").size(0)));
    some.score = at::zeros({some.members.size(0)});
    rows[index] = RegionVectors(sample.image, some, in.config.o2p);
    return absl::OkStatus();
  }));
  std::vector<at::Tensor> taken;
  for (int64_t index : indices) taken.push_back(rows[index]);
  const at::Tensor all = at::cat(taken);
  at::Tensor axes = at::zeros_like(in.like.axes);
  if (all.size(0) > 0) {
    const at::Tensor found = PrincipalAxes(all, axes.size(1));
    axes.narrow(1, 0, found.size(1)).copy_(found);
  }
  return WriteSafetensors(folder + "/axes.safetensors", {{"axes", axes}});
}

absl::Status MakeVectors(const StageInputs& in, const std::string& folder) {
  SEG_ASSIGN_OR_RETURN(const TensorMap axes,
                       ReadSafetensors(in.axes + "/axes.safetensors"));
  return ForEachImage(in.images.All(), [&](int64_t index) {
    return in.images.Ensure(folder, index, [&]() -> absl::StatusOr<TensorMap> {
      SEG_ASSIGN_OR_RETURN(const Sample sample, in.images.data()->Get(index));
      SEG_ASSIGN_OR_RETURN(const TensorMap item,
                           in.images.Read(in.regions, index));
      Regions all;
      all.superpixels = item.at("superpixels");
      all.members = at::cat({item.at("members"), item.at("true_members")});
      all.score = at::zeros({all.members.size(0)});
      return TensorMap{
          {"vectors", RegionVectors(sample.image, all, in.config.o2p)
                          .matmul(axes.at("axes"))}};
    });
  });
}

absl::Status FitRegions(const StageInputs& in, const std::string& folder,
                        int64_t fold) {
  const std::vector<int64_t> images = in.images.Fold(fold, FoldPart::kRest);
  const int64_t per_image = std::max<int64_t>(
      8, in.config.o2p.examples / static_cast<int64_t>(images.size()));
  std::vector<at::Tensor> rows, overlaps;
  for (int64_t index : images) {
    SEG_ASSIGN_OR_RETURN(const TensorMap item,
                         in.images.Read(in.regions, index));
    SEG_ASSIGN_OR_RETURN(const TensorMap vectors,
                         in.images.Read(in.vectors, index));
    const at::Tensor overlap =
        at::cat({item.at("overlap"), item.at("true_overlap")});
    const at::Tensor chosen =
        ChooseExamples(overlap, item.at("true_overlap").size(0), per_image);
    rows.push_back(vectors.at("vectors").index_select(0, chosen));
    overlaps.push_back(overlap.index_select(0, chosen));
  }
  const at::Tensor scorer = FitRegionScorer(at::cat(rows), at::cat(overlaps),
                                            in.config.o2p, in.Key(1, fold));
  return WriteSafetensors(folder + "/scorer.safetensors",
                          {{"region_scorer", scorer}});
}

namespace {

// Of the regions of an image, by a scorer.
absl::StatusOr<at::Tensor> ReadScores(const StageInputs& in, int64_t index,
                                      int64_t regions,
                                      const at::Tensor& scorer) {
  SEG_ASSIGN_OR_RETURN(const TensorMap item, in.images.Read(in.vectors, index));
  return LinearScores(item.at("vectors").narrow(0, 0, regions), scorer);
}

}  // namespace

absl::Status FindThreshold(const StageInputs& in, const std::string& folder) {
  std::vector<at::Tensor> scores;
  for (int64_t fold = 0; fold < in.config.folds; ++fold) {
    SEG_ASSIGN_OR_RETURN(
        const TensorMap scorer,
        ReadSafetensors(in.region_scorers[fold] + "/scorer.safetensors"));
    for (int64_t index : in.images.Fold(fold, FoldPart::kHeldOut)) {
      SEG_ASSIGN_OR_RETURN(const Regions regions, ReadRegions(in, index));
      SEG_ASSIGN_OR_RETURN(const at::Tensor of_image,
                           ReadScores(in, index, regions.members.size(0),
                                      scorer.at("region_scorer")));
      scores.push_back(BestScores(of_image, in.config.o2p.most_regions));
    }
  }
  const double threshold =
      ChooseThreshold(scores, Pasting(in.config.o2p, 0), in.config.o2p.painted,
                      in.config.o2p.least_threshold);
  LogInfo(absl::StrCat("region scores: threshold ", threshold));
  return WriteSafetensors(
      folder + "/threshold.safetensors",
      {{"threshold", at::scalar_tensor(threshold, at::kDouble)}});
}

absl::Status MakeProposals(const StageInputs& in, const std::string& folder) {
  SEG_ASSIGN_OR_RETURN(
      const TensorMap chosen,
      ReadSafetensors(in.threshold + "/threshold.safetensors"));
  const PastingConfig pasting =
      Pasting(in.config.o2p, chosen.at("threshold").item<double>());
  for (int64_t fold = 0; fold < in.config.folds; ++fold) {
    SEG_ASSIGN_OR_RETURN(
        const TensorMap scorer,
        ReadSafetensors(in.region_scorers[fold] + "/scorer.safetensors"));
    SEG_RETURN_IF_ERROR(ForEachImage(
        in.images.Fold(fold, FoldPart::kHeldOut), [&](int64_t index) {
          return in.images.Ensure(
              folder, index, [&]() -> absl::StatusOr<TensorMap> {
                SEG_ASSIGN_OR_RETURN(Regions regions, ReadRegions(in, index));
                SEG_ASSIGN_OR_RETURN(
                    const at::Tensor scores,
                    ReadScores(in, index, regions.members.size(0),
                               scorer.at("region_scorer")));
                // Painted once a superpixel, as one row of pixels.
                regions.superpixels =
                    at::arange(regions.members.size(1), at::kInt).unsqueeze(0);
                const Proposals proposals =
                    DivMBest(scores, regions, pasting, in.config.proposals,
                             in.Key(2, index));
                return TensorMap{{"labels", proposals.labels.squeeze(1)},
                                 {"score", proposals.score}};
              });
        }));
  }
  return absl::OkStatus();
}

}  // namespace segnet_rerank
}  // namespace seg
