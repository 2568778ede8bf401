#include "segnet_rerank/system.h"

#include <ATen/ATen.h>

#include <utility>

#include "absl/status/statusor.h"
#include "common/base/hash.h"
#include "segnet_rerank/coarse.h"
#include "segnet_rerank/image_analysis.h"
#include "segnet_rerank/picks.h"
#include "segnet_rerank/ready_proposals.h"
#include "segnet_rerank/regions/superpixel_image.h"

namespace seg {
namespace segnet_rerank {
namespace {

// Proposals have no void.
constexpr int64_t kNoLabel = 255;

}  // namespace

System::System(const Config& config, Model model, ImageFeatures image_features)
    : config_(config),
      model_(std::move(model)),
      image_features_(std::move(image_features)) {}

std::vector<std::string> System::Methods() {
  std::vector<std::string> names;
  for (const RankerKind& kind : RankerKinds()) names.push_back(kind.name);
  names.push_back("kl_pick");
  names.push_back("one_best");
  return names;
}

std::vector<std::string> System::Names() const {
  std::vector<std::string> names = Methods();
  names.push_back("superpixel");
  names.push_back("naive");
  return names;
}

System::Row System::Analyse(const at::Tensor& image, const at::Tensor& coarse,
                            const Fitted& fitted, const std::string& id) {
  Row row;
  row.coarse = coarse;
  if (config_.proposals_folder.empty()) {
    RegionsAndProposals made =
        MakeProposals(image, coarse, config_, fitted, Fnv1a(id));
    row.proposals = std::move(made.proposals);
    row.superpixels = std::move(made.regions.superpixels);
  } else {
    absl::StatusOr<Proposals> ready =
        ReadReadyProposals(config_.proposals_folder, id, image.size(1),
                           image.size(2), model_->classes());
    TORCH_CHECK(ready.ok(), std::string(ready.status().message()));
    row.proposals = *std::move(ready);
    row.superpixels = Superpixels(image, config_.regions);
  }
  const at::Tensor shares = ClassShares(row.proposals.labels, model_->classes(),
                                        kNoLabel, coarse.size(1));
  const at::Tensor features = fitted.standardiser.Apply(DescribeProposals(
      image, row.proposals, coarse, shares,
      DescribeImage(image_features_, image), config_, fitted));
  const at::Tensor picks =
      fitted.rankers.matmul(features.to(at::kDouble).t()).argmax(1);  // [S]
  for (int64_t s = 0; s < picks.size(0); ++s) {
    row.picks.push_back(picks[s].item<int64_t>());
  }
  row.picks.push_back(KlPick(coarse, shares, DivergenceOptions(config_)));
  row.picks.push_back(0);
  return row;
}

Prediction System::Predict(const Batch& batch) {
  const at::Tensor coarse =
      at::softmax(model_->segnet()->forward(batch.images), 1)
          .to(at::kCPU, at::kFloat);
  const at::Tensor images = batch.images.to(at::kCPU).round().to(at::kByte);
  const Fitted fitted = model_->fitted();
  rows_.clear();
  std::vector<std::vector<at::Tensor>> outputs(Names().size());
  for (int64_t n = 0; n < images.size(0); ++n) {
    rows_.push_back(Analyse(images[n], coarse[n], fitted, batch.ids.at(n)));
    const Row& row = rows_.back();
    size_t output = 0;
    for (int64_t pick : row.picks) {
      outputs[output++].push_back(row.proposals.labels[pick]);
    }
    outputs[output++].push_back(SuperpixelLabels(row.coarse, row.superpixels));
    outputs[output].push_back(
        NaiveLabels(row.coarse, images.size(2), images.size(3)));
  }
  Prediction prediction;
  for (const std::vector<at::Tensor>& labels : outputs) {
    prediction.labels.push_back(at::stack(labels));
  }
  return prediction;
}

}  // namespace segnet_rerank
}  // namespace seg
