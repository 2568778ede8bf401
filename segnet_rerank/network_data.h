// What SegNet learns from: photographs and masks, or where its trunk is frozen
// what the trunk made of them, once for all updates and folds.
#ifndef SEGNET_RERANK_NETWORK_DATA_H_
#define SEGNET_RERANK_NETWORK_DATA_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/training/training_data.h"
#include "segnet_rerank/config.h"
#include "segnet_rerank/image_items.h"

namespace seg {
namespace segnet_rerank {

// The batches of the images outside of a fold, or of all (kAllImages).
//   trunk_features: the folder of that stage; "" for photographs and masks
// InvalidArgument where they do not fill a batch.
// From the stage batches have features [N,F,g,g] as images and class shares
// [N,C,g,g] as probabilities, no masks (SegNetTask takes either). The order is
// that of a BatchLoader, whole epochs by (seed, epoch); of augmentation there
// is data.augment.flip.
absl::StatusOr<TrainingData> NetworkData(const Config& config,
                                         const ImageItems& images, int64_t fold,
                                         const std::string& trunk_features,
                                         int64_t batch_size);

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_NETWORK_DATA_H_
