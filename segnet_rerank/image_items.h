// The training images of the stages: what is kept of each, and how all are gone
// through (stages.h).
#ifndef SEGNET_RERANK_IMAGE_ITEMS_H_
#define SEGNET_RERANK_IMAGE_ITEMS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"
#include "common/datasets/folds.h"
#include "common/io/tensor_map.h"

namespace seg {
namespace segnet_rerank {

// Calls `f` for each index (of an image, a ranker), on all threads, each of
// which takes the next one; operators inside run on one thread. The first error
// or exception ends it; so do SIGINT and SIGTERM, with kCancelled.
absl::Status ForEachImage(const std::vector<int64_t>& indices,
                          const std::function<absl::Status(int64_t)>& f);

class ImageItems {
 public:
  ImageItems(std::shared_ptr<const Dataset> data, int64_t folds, uint64_t key)
      : data_(std::move(data)), folds_(folds), key_(key) {}

  const std::shared_ptr<const Dataset>& data() const { return data_; }
  int64_t size() const { return data_->size(); }

  // The images that a fold holds out, or the rest. kAllImages: all of them.
  std::vector<int64_t> Fold(int64_t fold, FoldPart part) const;
  std::vector<int64_t> All() const;
  absl::StatusOr<std::shared_ptr<const Dataset>> FoldData(int64_t fold,
                                                          FoldPart part) const;

  // FOLDER/ID.safetensors of an image, by `make` unless it is there.
  absl::Status Ensure(
      const std::string& folder, int64_t index,
      const std::function<absl::StatusOr<TensorMap>()>& make) const;
  absl::StatusOr<TensorMap> Read(const std::string& folder,
                                 int64_t index) const;

 private:
  std::shared_ptr<const Dataset> data_;
  int64_t folds_;
  uint64_t key_;
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_IMAGE_ITEMS_H_
