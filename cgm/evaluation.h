// What the paper measures (Sohn et al. 2015, section 5), over a data set:
//
//   pixel accuracy   correct pixels / labelled pixels
//   class accuracy   mean over classes of the share of a class that is found
//   image IoU        of the class `foreground` (probability > 1/2), mean over
//                    images; 0 where neither truth nor prediction has it
//   corpus IoU       of the same pixels, counted over all images
//   -CLL             negative log p(y|x) in nats an image, by
//                      monte_carlo  (1/S) sum p(y|x,z),           z ~ p(z|x)
//                      importance   (1/S) sum p(y|x,z) p(z|x) / q(z|x,y),
//                                                                 z ~ q(z|x,y)
//                    probabilities of labels cut to [1e-7, 1 - 1e-7]
//   energy distance  of samples to the truth (common/metrics/energy_distance.h)
//
// Void pixels have no part in any of them.
#ifndef CGM_EVALUATION_H_
#define CGM_EVALUATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "cgm/config.h"
#include "cgm/inference.h"
#include "cgm/model.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/measure.h"
#include "common/evaluation/segmentation_scores.h"
#include "common/metrics/likelihood.h"

namespace seg {
namespace cgm {

// Means over images of the estimates of log p(y|x).
struct LikelihoodScores {
  double negative_cll = 0;       // nats an image
  double standard_error = 0;     // of that mean, from the samples alone
  double effective_samples = 0;  // mean; small where the estimate is poor
  int64_t samples = 0;
};

// Prediction of the pixels of which neither the image nor the labels are seen.
// cvae and hybrid also see the labels of all others: z = mean of q(z|x,y) and
// y's unseen part = p(y|x,z) in turn, from what the prior gives. Which pixels:
// a function of inference.seed and the image, the same for all types.
struct OmissionScores {
  double pixel_accuracy = 0, image_iou = 0;  // of the unseen pixels
};

struct GenerativeScores {
  std::optional<LikelihoodScores> exact;  // cnn, gdnn: no random z
  std::optional<LikelihoodScores> monte_carlo, importance;
  // gsnn, cvae, hybrid: squared energy distance of samples of the prior to the
  // truth, and the mean 1 - IoU of two samples drawn with replacement.
  std::optional<double> energy_distance, sample_diversity;
  std::optional<double> kl, sigma_prior, sigma_recognition, latents_in_use;
  std::optional<OmissionScores> omission;

  // The estimator that the paper uses for the type: exact for cnn, monte_carlo
  // for gsnn, importance for cvae and hybrid.
  const LikelihoodScores* Main() const;
};

// log p(y|z) [S] in float64 of probabilities [S,C,H,W] and one-hot labels
// [1,C,H,W], which may be zero vectors.
at::Tensor LabelLogLikelihood(const at::Tensor& probabilities,
                              const at::Tensor& target);

// Of one image, both estimators where they exist: log-weights whose mean (in
// the exponential) is p(y|x), float64 [S]. The posteriors of the prior's
// samples and both distributions come with them. Gradients off.
struct LogWeights {
  at::Tensor monte_carlo, importance;  // undefined where there is none
  at::Tensor posteriors;  // of z ~ p(z|x): [S,C,H,W], or of the first alone
  DiagonalGaussian prior;
  DiagonalGaussian recognition;  // undefined where there is none
};
LogWeights DrawLogWeights(Model& model, const at::Tensor& x,
                          const at::Tensor& target, int64_t samples,
                          at::Generator& generator);
// The same from what Deterministic gives of x: a [1,C,H,W] and p(z|x). Keeps
// the posteriors of at least the first `kept` samples (>= 1), and not of many
// more.
LogWeights DrawLogWeights(Model& model, const at::Tensor& x,
                          const at::Tensor& a, const DiagonalGaussian& prior,
                          const at::Tensor& target, int64_t samples,
                          int64_t kept, at::Generator& generator);

// Accuracies and IoU by path. Finds, with the prefix "PATH/" for every output
// and without one for the first, pixel_accuracy, class_accuracy, image_iou and
// corpus_iou; "both_minus_gen" and "averaged_minus_both", differences of image
// IoU, where there are both; and a table of one row a path.
class PathScores : public Measure {
 public:
  // scores: of the same evaluation, before this one in its list.
  PathScores(const SegmentationScores* scores, int64_t foreground);
  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

 private:
  const SegmentationScores& scores_;
  int64_t foreground_;
  double images_ = 0;
  std::vector<double> iou_, both_, either_;  // sums, by output
};

// Everything else, as `config` asks. Finds the metrics of AddScores and the
// lines of ScoreTable (score_table.h). Deterministic: noise is a function of
// (inference.seed, index of the image). It takes the CNN's scores and the prior
// from `system`, which saw the image, and runs the generator and the
// recognition network itself.
class GenerativeMeasure : public Measure {
 public:
  GenerativeMeasure(const DatasetInfo& info, const Config& config,
                    System* system);
  ~GenerativeMeasure() override;
  absl::Status Add(const Scored& image) override;
  absl::Status Finish(Findings* findings) override;

  GenerativeScores scores() const;

 private:
  struct Sums;

  DatasetInfo info_;
  InferenceConfig inference_;
  EvaluationConfig evaluation_;
  System& system_;
  std::unique_ptr<Sums> sums_;
};

}  // namespace cgm
}  // namespace seg

#endif  // CGM_EVALUATION_H_
