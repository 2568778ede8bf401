// What the stages of a training share (stages.h): the images, what was asked
// for, and the folders of the stages that are done.
#ifndef SEGNET_RERANK_STAGE_INPUTS_H_
#define SEGNET_RERANK_STAGE_INPUTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "common/base/random.h"
#include "segnet_rerank/config.h"
#include "segnet_rerank/fitted.h"
#include "segnet_rerank/image_items.h"
#include "segnet_rerank/regions/regions.h"

namespace seg {
namespace segnet_rerank {

struct StageInputs {
  const Config config;
  const ImageItems images;
  const int64_t classes, ignore_label;
  const int64_t seed;
  const c10::Device device;
  const Fitted like;  // the shapes
  // Folders of stages, "" before they are done and where there is none
  // (`regions` is that of "superpixels" for Generator::kCrf). By fold; the last
  // of the scorers is of all images.
  std::string regions{}, axes{}, vectors{}, threshold{}, trunk_features{},
      coarse{}, proposals{}, image_features{}, features{}, ranker{};
  std::vector<std::string> region_scorers{}, networks{}, image_scorers{};

  // Of random choices: what they are about, and which one it is.
  uint64_t Key(uint64_t what, int64_t which) const {
    return RandomKey(
        {static_cast<uint64_t>(seed), what, static_cast<uint64_t>(which)});
  }
};

// What the stages "regions" (or "superpixels") and "proposals" keep of an
// image.
absl::StatusOr<at::Tensor> ReadSuperpixels(const StageInputs& in,
                                           int64_t index);
absl::StatusOr<Proposals> ReadProposals(const StageInputs& in, int64_t index,
                                        const at::Tensor& superpixels);

// Each fills the folder of its stage. fold: kAllImages for all images.
absl::Status MakeRegions(const StageInputs& in, const std::string& folder);
absl::Status MakeAxes(const StageInputs& in, const std::string& folder);
absl::Status MakeVectors(const StageInputs& in, const std::string& folder);
absl::Status FitRegions(const StageInputs& in, const std::string& folder,
                        int64_t fold);
absl::Status FindThreshold(const StageInputs& in, const std::string& folder);
absl::Status MakeProposals(const StageInputs& in, const std::string& folder);

// Of Generator::kCrf in place of these.
absl::Status MakeSuperpixels(const StageInputs& in, const std::string& folder);
absl::Status MakeFieldProposals(const StageInputs& in,
                                const std::string& folder);

// Of a frozen trunk: "features" and "shares" (ClassShares) of each image, and
// the first also of its mirror image where data.augment.flip.
absl::Status MakeTrunkFeatures(const StageInputs& in,
                               const std::string& folder);
absl::Status TrainNetwork(const StageInputs& in, const std::string& folder,
                          int64_t fold);
absl::Status MakeCoarse(const StageInputs& in, const std::string& folder);
absl::Status MakeImageFeatures(const StageInputs& in,
                               const std::string& folder);
absl::Status FitImages(const StageInputs& in, const std::string& folder,
                       int64_t fold);
absl::Status MakeFeatures(const StageInputs& in, const std::string& folder);
absl::Status FitRankers(const StageInputs& in, const std::string& folder);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_STAGE_INPUTS_H_
