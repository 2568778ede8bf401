// Proposals by a random field over superpixels (stages.h).
#include <ATen/ATen.h>

#include "common/base/status_macros.h"
#include "segnet_rerank/image_analysis.h"
#include "segnet_rerank/image_classifier.h"
#include "segnet_rerank/regions/superpixel_image.h"
#include "segnet_rerank/stage_inputs.h"

namespace seg {
namespace segnet_rerank {

absl::Status MakeSuperpixels(const StageInputs& in, const std::string& folder) {
  return ForEachImage(in.images.All(), [&](int64_t index) {
    return in.images.Ensure(folder, index, [&]() -> absl::StatusOr<TensorMap> {
      SEG_ASSIGN_OR_RETURN(const Sample sample, in.images.data()->Get(index));
      return TensorMap{
          {"superpixels", Superpixels(sample.image, in.config.regions)},
          {"areas", ClassAreas(sample.mask, in.classes, in.ignore_label,
                               FirstObjectClass(in.config.background))}};
    });
  });
}

absl::Status MakeFieldProposals(const StageInputs& in,
                                const std::string& folder) {
  return ForEachImage(in.images.All(), [&](int64_t index) {
    return in.images.Ensure(folder, index, [&]() -> absl::StatusOr<TensorMap> {
      SEG_ASSIGN_OR_RETURN(const Sample sample, in.images.data()->Get(index));
      SEG_ASSIGN_OR_RETURN(const at::Tensor superpixels,
                           ReadSuperpixels(in, index));
      SEG_ASSIGN_OR_RETURN(const TensorMap coarse,
                           in.images.Read(in.coarse, index));
      const Proposals proposals = FieldProposals(
          sample.image, superpixels, coarse.at("coarse"), in.config);
      // A pixel of each superpixel.
      at::Tensor pixels =
          at::empty({superpixels.max().item<int64_t>() + 1}, at::kLong);
      pixels.index_put_({superpixels.flatten().to(at::kLong)},
                        at::arange(superpixels.numel()));
      return TensorMap{
          {"labels", proposals.labels.flatten(1).index_select(1, pixels)},
          {"score", proposals.score}};
    });
  });
}

}  // namespace segnet_rerank
}  // namespace seg
