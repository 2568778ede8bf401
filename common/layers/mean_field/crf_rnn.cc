#include "common/layers/mean_field/crf_rnn.h"

#include <ATen/ATen.h>

#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/permutohedral.h"

namespace seg {
namespace {

void CheckMatrix(const char* name, const at::Tensor& matrix,
                 const at::Tensor& logits) {
  const int64_t labels = logits.size(1);
  TORCH_CHECK(
      matrix.dim() == 2 && matrix.size(0) == labels && matrix.size(1) == labels,
      "CrfRnn: ", name, " must be [", labels, ",", labels,
      "], a row and a column for each class of the logits, got ",
      matrix.sizes());
  TORCH_CHECK(matrix.scalar_type() == logits.scalar_type(),
              "CrfRnn: logits must have the type of ", name, ", ",
              matrix.scalar_type(), ", got ", logits.scalar_type());
  TORCH_CHECK(matrix.device() == logits.device(),
              "CrfRnn: logits must be on the device of ", name, ", ",
              matrix.device(), ", got ", logits.device());
}

void CheckLogits(const at::Tensor& logits) {
  TORCH_CHECK(logits.dim() == 4 && logits.size(1) >= 1,
              "CrfRnn: logits must be [N,L,H,W] with L >= 1, got ",
              logits.sizes());
  TORCH_CHECK(
      logits.scalar_type() == at::kFloat || logits.scalar_type() == at::kDouble,
      "CrfRnn: logits must be float32 or float64, got ", logits.scalar_type());
}

at::Tensor Diagonal(int64_t labels, double value) {
  return at::eye(labels, at::kFloat) * value;
}

}  // namespace

at::Tensor CrfRnnInference(const at::Tensor& logits,
                           const LatticeVector& spatial,
                           const LatticeVector& bilateral,
                           const CrfRnnWeights& weights, int64_t iterations,
                           LatticeNormalization normalization) {
  CheckLogits(logits);
  CheckMatrix("the spatial weights", weights.spatial, logits);
  CheckMatrix("the bilateral weights", weights.bilateral, logits);
  CheckMatrix("the compatibility", weights.compatibility, logits);
  TORCH_CHECK(iterations >= 0, "CrfRnn: iterations must be >= 0, got ",
              iterations);
  // Once for all iterations: C W, [L,L].
  const at::Tensor of_spatial = weights.compatibility.matmul(weights.spatial);
  const at::Tensor of_bilateral =
      weights.compatibility.matmul(weights.bilateral);
  at::Tensor scores = logits;
  for (int64_t t = 0; t < iterations; ++t) {
    const at::Tensor q = at::softmax(scores, 1);
    const auto message = [&](const at::Tensor& matrix,
                             const LatticeVector& lattices) {
      return matrix
          .matmul(PermutohedralGaussian(q, lattices, normalization).flatten(2))
          .view(q.sizes());
    };
    scores = logits + message(of_spatial, spatial) +
             message(of_bilateral, bilateral);
  }
  return at::log_softmax(scores, 1);
}

CrfRnnImpl::CrfRnnImpl(const CrfRnnOptions& options) : options_(options) {
  TORCH_CHECK(options.labels() >= 1, "CrfRnn: labels must be at least 1, got ",
              options.labels());
  TORCH_CHECK(options.iterations() >= 0 && options.eval_iterations() >= 0,
              "CrfRnn: iterations must be >= 0, got ", options.iterations(),
              " and ", options.eval_iterations());
  const int64_t labels = options.labels();
  spatial_ = register_parameter("spatial_ker_weights",
                                Diagonal(labels, options.spatial_weight()));
  bilateral_ = register_parameter("bilateral_ker_weights",
                                  Diagonal(labels, options.bilateral_weight()));
  compatibility_ =
      register_parameter("compatibility_matrix", Diagonal(labels, 1));
}

at::Tensor CrfRnnImpl::forward(const at::Tensor& logits,
                               const at::Tensor& images) {
  CheckLogits(logits);
  TORCH_CHECK(images.dim() == 4 && images.size(0) == logits.size(0) &&
                  images.size(1) == 3 && images.size(2) == logits.size(2) &&
                  images.size(3) == logits.size(3),
              "CrfRnn: images must be [", logits.size(0), ",3,", logits.size(2),
              ",", logits.size(3), "], got ", images.sizes());
  TORCH_CHECK(images.device() == logits.device(),
              "CrfRnn: images must be on the device of logits, ",
              logits.device(), ", got ", images.device());
  return CrfRnnInference(
      logits,
      BuildSpatialLattices(logits.size(0), logits.size(2), logits.size(3),
                           options_.spatial_theta(), logits.device()),
      BuildBilateralLattices(images, options_.theta_position(),
                             options_.theta_colour()),
      {spatial_, bilateral_, compatibility_},
      is_training() ? options_.iterations() : options_.eval_iterations(),
      options_.normalization());
}

}  // namespace seg
