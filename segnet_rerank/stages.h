// What a training does before the network's: the pipeline from photographs to a
// ranker, each step kept on disk (common/stages/stage.h).
//
//   regions         regions of each image, their overlap with the truth
//   region_axes     principal axes of region vectors
//   region_vectors  the vectors of each image along them
//   region_scorer   of each fold, and of all images
//   region_threshold   the background's score, by what the folds' scorers say
//                   of images that they never saw
//   proposals       of each image, by the scorer of its fold
//   trunk_features  what a frozen trunk makes of each image
//   segnet          a network of each fold
//   coarse          its map of each image that it never saw
//   image_features, image_scorer   classifiers of whole images, likewise
//   features        of each image's proposals, and their accuracy
//   ranker          fitted to them
//
// Where a random field makes the proposals (generator=crf) the first five are
// one, `superpixels`, and `proposals` comes behind `coarse`, which it needs.
//
// The scorer and networks of a fold learn from the images outside of it alone,
// so no image of training is judged by what has seen it (Sec. 5 and 15 of our
// fact sheet). The axes, which know no class, are shared.
//
// An image is an item of its stage: images run in parallel, a kill loses those
// at work, and memory does not grow with their number, but for o2p.examples and
// a few numbers an image. What the ranker learns from is mapped from a file.
#ifndef SEGNET_RERANK_STAGES_H_
#define SEGNET_RERANK_STAGES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "common/datasets/dataset.h"
#include "common/training/training_data.h"
#include "segnet_rerank/config.h"
#include "segnet_rerank/fitted.h"

namespace seg {
namespace segnet_rerank {

struct StageRun {
  std::string root;  // folder of the stages
  int64_t seed = 0;
  c10::Device device = c10::kCPU;  // of the networks
};

// Makes the stages up to config.stage that are not there. For Stage::kAll
// returns what the system needs besides its network (of scorers and classifiers
// those of all images); else nullopt.
//   train: with masks. Results are kept by the names of its samples, its own
//     name and config.data; who changes pictures in place names another
//     `stages` folder.
// Errors: those of data, files and trainings, kCancelled when interrupted;
// InvalidArgument for fewer images than folds.
absl::StatusOr<std::optional<Fitted>> RunStages(
    const Config& config, std::shared_ptr<const Dataset> train,
    const StageRun& run);

// What the network of all images learns from (network_data.h); makes the stage
// of its trunk's features where that is frozen and the stage is not there.
absl::StatusOr<TrainingData> LearningData(const Config& config,
                                          std::shared_ptr<const Dataset> train,
                                          const StageRun& run);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_STAGES_H_
