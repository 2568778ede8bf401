// The trained system in use: proposals, coarse map and picks of photographs.
#ifndef SEGNET_RERANK_SYSTEM_H_
#define SEGNET_RERANK_SYSTEM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/backbones/image_features.h"
#include "common/evaluation/predictor.h"
#include "segnet_rerank/config.h"
#include "segnet_rerank/contour_network.h"
#include "segnet_rerank/fitted.h"
#include "segnet_rerank/measures.h"
#include "segnet_rerank/model.h"

namespace seg {
namespace segnet_rerank {

// Outputs, labels alone: the picks of the rankers (RankerKinds, the first is
// the system's answer), of the KL divergence ("kl_pick") and of the proposals'
// maker ("one_best"), then "superpixel" and "naive", which need no proposal.
class System : public Predictor, public ProposalSource {
 public:
  System(const Config& config, Model model, ImageFeatures image_features,
         ContourNetwork contours);

  std::vector<std::string> Names() const override;
  Prediction Predict(const Batch& batch) override;

  // Outputs that are picks: all but the last two.
  static std::vector<std::string> Methods();

  const Proposals& proposals(int64_t row) const override {
    return rows_.at(row).proposals;
  }
  const at::Tensor& coarse(int64_t row) const override {
    return rows_.at(row).coarse;
  }
  const std::vector<int64_t>& picks(int64_t row) const override {
    return rows_.at(row).picks;
  }

 private:
  struct Row {
    Proposals proposals;
    at::Tensor coarse;           // float32 [C,g,g]
    std::vector<int64_t> picks;  // by method
    at::Tensor superpixels;      // int32 [H,W]
  };
  Row Analyse(const at::Tensor& image, const at::Tensor& coarse,
              const Fitted& fitted, const std::string& id);

  Config config_;
  Model model_;
  ImageFeatures image_features_;
  ContourNetwork contours_;
  std::vector<Row> rows_;  // of the last batch
};

}  // namespace segnet_rerank
}  // namespace seg

#endif  // SEGNET_RERANK_SYSTEM_H_
