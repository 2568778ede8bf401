#include "segnet_rerank/network_data.h"

#include <ATen/ATen.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status_macros.h"
#include "common/datasets/loader.h"
#include "common/datasets/transforms.h"
#include "segnet_rerank/stage_keys.h"

namespace seg {
namespace segnet_rerank {

absl::StatusOr<TrainingData> NetworkData(const Config& config,
                                         const ImageItems& images, int64_t fold,
                                         const std::string& trunk_features,
                                         int64_t batch_size) {
  const std::vector<int64_t> used = images.Fold(fold, FoldPart::kRest);
  const int64_t count = static_cast<int64_t>(used.size());
  if (trunk_features.empty()) {
    std::shared_ptr<const Dataset> data = images.data();
    if (fold != kAllImages) {
      SEG_ASSIGN_OR_RETURN(data, images.FoldData(fold, FoldPart::kRest));
    }
    return FromDataset(
        std::move(data),
        TrainingLoaderOptions(config.data, batch_size, /*seed=*/0));
  }
  const int64_t size = batch_size;
  if (size > count) {
    return absl::InvalidArgumentError(
        absl::StrCat(images.data()->info().name, ": ", count,
                     " images do not fill a batch of ", size));
  }
  const int64_t epoch_steps = count / size;
  const bool flip = config.data.augment.flip;
  const DatasetInfo& info = images.data()->info();
  const at::Tensor mirrored_classes =
      FlippedClasses(info.num_classes(), info.flip_pairs);
  return FromFunction(
      info, epoch_steps,
      [=](int64_t seed, int64_t step) -> absl::StatusOr<Batch> {
        const uint64_t key = static_cast<uint64_t>(seed);
        const int64_t epoch = step / epoch_steps;
        const std::vector<int64_t> order = RandomPermutation(
            count, RandomKey({key, 1, static_cast<uint64_t>(epoch)}));
        Batch batch;
        std::vector<at::Tensor> features, shares;
        for (int64_t i = 0; i < size; ++i) {
          const int64_t position = step % epoch_steps * size + i;
          const int64_t index = used[order[position]];
          SEG_ASSIGN_OR_RETURN(const TensorMap item,
                               images.Read(trunk_features, index));
          Rng rng(RandomKey({key, 2, static_cast<uint64_t>(epoch),
                             static_cast<uint64_t>(position)}));
          const bool mirrored = flip && rng.OneIn(2);
          features.push_back(item.at(mirrored ? "flipped" : "features"));
          const at::Tensor& share = item.at("shares");
          shares.push_back(mirrored
                               ? share.flip(2).index_select(0, mirrored_classes)
                               : share);
          batch.ids.push_back(images.data()->id(index));
        }
        batch.images = at::stack(features);
        batch.probabilities = at::stack(shares);
        batch.step = step;
        batch.epoch =
            static_cast<double>(step + 1) / static_cast<double>(epoch_steps);
        return batch;
      });
}

}  // namespace segnet_rerank
}  // namespace seg
