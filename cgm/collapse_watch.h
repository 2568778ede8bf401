// A watch on the latent in training: when the recognition network says nothing
// that the prior does not, the model is its CNN.
#ifndef CGM_COLLAPSE_WATCH_H_
#define CGM_COLLAPSE_WATCH_H_

#include <cstdint>
#include <string>

#include "ATen/core/Tensor.h"
#include "cgm/config.h"

namespace seg {
namespace cgm {

// Says once when KL(q||p) stays below `kl` nats for `updates` in a row.
class CollapseWatch {
 public:
  explicit CollapseWatch(const CollapseConfig& config) : config_(config) {}
  // kl: scalar tensor, mean over the batch. True at the call at which the
  // warning is due. On a GPU the count is read at every tenth call only.
  bool Update(const at::Tensor& kl);
  // The warning: what was seen and what helps.
  std::string Message(const ModelConfig& model) const;

 private:
  CollapseConfig config_;
  at::Tensor in_a_row_, longest_;
  int64_t calls_ = 0;
  bool warned_ = false;
};

}  // namespace cgm
}  // namespace seg

#endif  // CGM_COLLAPSE_WATCH_H_
