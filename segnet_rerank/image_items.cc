#include "segnet_rerank/image_items.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <atomic>
#include <mutex>
#include <numeric>

#include "common/base/interrupt.h"
#include "common/base/status_macros.h"
#include "common/io/safetensors.h"
#include "common/stages/stage.h"
#include "segnet_rerank/stage_keys.h"

namespace seg {
namespace segnet_rerank {

absl::Status ForEachImage(const std::vector<int64_t>& indices,
                          const std::function<absl::Status(int64_t)>& f) {
  const InterruptScope interrupts;
  std::mutex mutex;
  absl::Status first;
  std::atomic<bool> failed = false;
  std::atomic<int64_t> next = 0;
  const int64_t count = static_cast<int64_t>(indices.size());
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) {
    const c10::NoGradGuard no_grad;
    for (int64_t i = next++; i < count && !failed && !Interrupted();
         i = next++) {
      try {
        const absl::Status status = f(indices[i]);
        if (status.ok()) continue;
        failed = true;
        const std::lock_guard<std::mutex> lock(mutex);
        if (first.ok()) first = status;
      } catch (...) {
        failed = true;
        throw;
      }
    }
  });
  if (first.ok() && Interrupted()) return absl::CancelledError("interrupted");
  return first;
}

std::vector<int64_t> ImageItems::Fold(int64_t fold, FoldPart part) const {
  if (fold == kAllImages) return All();
  return FoldIndices(size(), folds_, fold, part, key_);
}

std::vector<int64_t> ImageItems::All() const {
  std::vector<int64_t> all(size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

absl::StatusOr<std::shared_ptr<const Dataset>> ImageItems::FoldData(
    int64_t fold, FoldPart part) const {
  return FoldedDataset(data_, folds_, fold, part, key_);
}

absl::Status ImageItems::Ensure(
    const std::string& folder, int64_t index,
    const std::function<absl::StatusOr<TensorMap>()>& make) const {
  return EnsureItem(folder, data_->id(index) + ".safetensors",
                    [&]() -> absl::StatusOr<std::string> {
                      SEG_ASSIGN_OR_RETURN(const TensorMap tensors, make());
                      return SerializeSafetensors(tensors);
                    });
}

absl::StatusOr<TensorMap> ImageItems::Read(const std::string& folder,
                                           int64_t index) const {
  return ReadSafetensors(folder + "/" + data_->id(index) + ".safetensors");
}

}  // namespace segnet_rerank
}  // namespace seg
