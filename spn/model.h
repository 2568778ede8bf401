// The SPN system: a coarse segmentation, and its refinement by spatial
// propagation with gates from a guidance network.
//
//   image --> parser at 1/scale --> coarse probabilities (bilinear to H x W)
//     |                                         |
//     +--> guidance network --> gates --> refinement head --> scores
#ifndef SPN_MODEL_H_
#define SPN_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "common/backbones/fcn.h"
#include "common/backbones/unet.h"
#include "common/datasets/dataset.h"
#include "spn/config.h"
#include "spn/feature_guidance.h"
#include "spn/refinement_head.h"
#include "torch/nn/module.h"
#include "torch/nn/pimpl.h"

namespace seg {
namespace spn {

class ModelImpl : public torch::nn::Module {
 public:
  // Throws c10::Error for a configuration that excludes itself (a one-way
  // propagation under divide).
  ModelImpl(const SystemConfig& config, const DatasetInfo& info);

  // images: [N,3,H,W] RGB 0..255. The parser's scores [N,L,h,w] at
  // ceil(H / scale) x ceil(W / scale). Only with coarse.source parser.
  at::Tensor ParserScores(const at::Tensor& images);

  // Coarse class probabilities of a batch at the images' size [N,L,H,W], from
  // where coarse.source says. Throws where the batch lacks what that needs.
  at::Tensor Coarse(const Batch& batch);
  // The same from parser scores that are there already.
  at::Tensor CoarseFromScores(const at::Tensor& scores, int64_t height,
                              int64_t width) const;

  // The guidance network's output for images, [N,G,ceil(H/2),ceil(W/2)]: raw
  // gates. Only where refines().
  at::Tensor Gates(const at::Tensor& images);

  // The gates with which Predict refines images of any size:
  // [N,G,ceil(h/2),ceil(w/2)], h x w = H x W, or with refine.pad_to what the
  // image is made smaller to. They are cut out of the padded image's: scans
  // from the right and from below begin in the padding. Only where refines().
  at::Tensor PredictGates(const at::Tensor& images);

  // Refined scores [N,L,H,W] of images with coarse probabilities of their size.
  // Only where refines().
  at::Tensor Refine(const at::Tensor& images, const at::Tensor& coarse);

  // What refine.type gives, then the coarse probabilities where that is not it
  // already: the outputs for Evaluate and RunPredict, at the images' size.
  std::vector<at::Tensor> Predict(const Batch& batch);
  std::vector<std::string> OutputNames() const;

  bool has_parser() const {
    return config_.coarse.source == CoarseSource::kParser;
  }
  bool refines() const { return !head_.is_empty(); }
  const RefinementHeadOptions& head_options() const {  // only where refines()
    return head_->options();
  }
  // Parameters by group; empty where the part is.
  std::vector<at::Tensor> coarse_parameters() const;
  std::vector<at::Tensor> guidance_parameters() const;  // but its backbone's
  std::vector<at::Tensor> guidance_backbone_parameters() const;
  std::vector<at::Tensor> head_parameters() const;
  torch::nn::Module* parser();  // the coarse parser's network; null: none
  // Starts backbones from what coarse.weights and refine.guidance_weights name.
  absl::Status LoadPretrainedBackbones();

 private:
  // Images and coarse probabilities as the refinement of whole images sees
  // them. The image is the part height x width at the top left.
  struct Canvas {
    at::Tensor images;
    at::Tensor coarse;
    int64_t height = 0;
    int64_t width = 0;
  };
  Canvas Pad(const at::Tensor& images, const at::Tensor& coarse) const;
  at::Tensor RefinePadded(const at::Tensor& images, const at::Tensor& coarse);

  SystemConfig config_;
  int64_t num_classes_;
  int64_t ignore_label_;
  UNet parser_{nullptr};
  Fcn fcn_{nullptr};
  UNet guidance_{nullptr};  // one of the two, where refines()
  FeatureGuidance feature_guidance_{nullptr};
  RefinementHead head_{nullptr};
};
TORCH_MODULE(Model);

// Mean of one-hot labels over blocks: masks [N,H,W] with the ignore label ->
// probabilities [N,L,ceil(H/scale),ceil(W/scale)]; 1 / L where a block has no
// labelled pixel.
at::Tensor CoarseTruth(const at::Tensor& masks, int64_t num_classes,
                       int64_t ignore_label, int64_t scale);

}  // namespace spn
}  // namespace seg

#endif  // SPN_MODEL_H_
