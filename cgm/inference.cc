#include "cgm/inference.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace seg {
namespace cgm {

DiagonalGaussian Rows(const DiagonalGaussian& distribution, int64_t n) {
  const auto expand = [n](const at::Tensor& t) {
    return t.expand({n, -1, -1, -1});
  };
  return {expand(distribution.mean), expand(distribution.log_variance)};
}

at::Generator MakeGenerator(uint64_t key) {
  return at::make_generator<at::CPUGeneratorImpl>(key);
}

at::Tensor Noise(const at::Tensor& like, at::Generator& generator) {
  return at::randn(like.sizes(), generator,
                   at::TensorOptions().dtype(like.scalar_type()))
      .to(like.device());
}

Paths Deterministic(Model& model, const at::Tensor& x) {
  const double scale = model->config().guess_scale;
  const at::Tensor a = model->RunCnn(x).full;
  Paths paths;
  paths.a = a;
  if (!model->has_latent()) {
    paths.cnn = at::softmax(a, 1);
    return paths;
  }
  paths.cnn = at::softmax(scale * a, 1);
  paths.prior = model->Prior(x, a);
  const at::Tensor g = model->Generate(paths.prior.mean);
  paths.gen = at::softmax(scale * g, 1);
  paths.both = at::softmax(a + g, 1);
  return paths;
}

namespace {

// Calls f with the posteriors [n,C,H,W] of a few samples after another.
template <typename F>
void ForEachPosterior(Model& model, const at::Tensor& a,
                      const DiagonalGaussian& prior, int64_t samples,
                      at::Generator& generator, const F& f) {
  TORCH_CHECK(model->samples(), "SamplePosteriors: type ",
              EnumName(model->config().type), " does not sample");
  TORCH_CHECK(samples > 0, "SamplePosteriors: samples must be at least 1, got ",
              samples);
  TORCH_CHECK(a.size(0) == 1, "SamplePosteriors: expected one image, got ",
              a.size(0));
  for (int64_t done = 0; done < samples; done += kDecodedAtOnce) {
    const DiagonalGaussian rows =
        Rows(prior, std::min(kDecodedAtOnce, samples - done));
    f(at::softmax(
        a + model->Generate(SampleGaussian(rows, Noise(rows.mean, generator))),
        1));
  }
}

}  // namespace

at::Tensor SamplePosteriors(Model& model, const at::Tensor& x, int64_t samples,
                            at::Generator& generator) {
  const at::Tensor a = model->RunCnn(x).full;
  std::vector<at::Tensor> posteriors;
  ForEachPosterior(model, a, model->Prior(x, a), samples, generator,
                   [&](at::Tensor p) { posteriors.push_back(std::move(p)); });
  return at::cat(posteriors);
}

at::Tensor MeanPosterior(Model& model, const at::Tensor& a,
                         const DiagonalGaussian& prior, int64_t samples,
                         at::Generator& generator) {
  at::Tensor sum;
  ForEachPosterior(model, a, prior, samples, generator,
                   [&](const at::Tensor& p) {
                     const at::Tensor some = p.sum(0, /*keepdim=*/true);
                     sum = sum.defined() ? sum + some : some;
                   });
  return sum / static_cast<double>(samples);
}

Uncertainty Summarize(const at::Tensor& posteriors) {
  const at::Tensor mean = posteriors.mean(0);
  return {-at::xlogy(mean, mean).sum(0),
          posteriors.var(0, /*unbiased=*/false).sum(0)};
}

System::System(std::vector<Model> models, const InferenceConfig& config)
    : models_(std::move(models)), config_(config) {
  TORCH_CHECK(!models_.empty(), "System: expected a model, got none");
}

std::vector<std::string> System::Names() const {
  if (!models_[0]->has_latent()) return {"cnn"};
  std::vector<std::string> names;
  if (config_.samples > 0 && models_[0]->samples()) {
    names.push_back("averaged");
  }
  names.push_back(EnumName(config_.path));
  for (const auto& [path, name] : EnumNames(config_.path)) {
    if (path != config_.path) names.push_back(name);
  }
  return names;
}

Prediction System::Predict(const Batch& batch) {
  const std::vector<std::string> names = Names();
  std::vector<at::Tensor> sums(names.size());
  for (size_t m = 0; m < models_.size(); ++m) {
    Model& model = models_[m];
    const at::Tensor x = model->Prepare(batch.images);
    const Paths paths = Deterministic(model, x);
    if (m == 0) images_ = x, paths_ = paths;
    for (size_t i = 0; i < names.size(); ++i) {
      at::Tensor value = names[i] == "both"  ? paths.both
                         : names[i] == "cnn" ? paths.cnn
                                             : paths.gen;
      if (names[i] == "averaged") {
        std::vector<at::Tensor> means;
        for (int64_t n = 0; n < x.size(0); ++n) {
          at::Generator generator =
              MakeGenerator(static_cast<uint64_t>(config_.seed));
          const DiagonalGaussian prior = {
              paths.prior.mean.narrow(0, n, 1),
              paths.prior.log_variance.narrow(0, n, 1)};
          means.push_back(MeanPosterior(model, paths.a.narrow(0, n, 1), prior,
                                        config_.samples, generator));
        }
        value = at::cat(means);
      }
      sums[i] = sums[i].defined() ? sums[i] + value : value;
    }
  }
  for (at::Tensor& sum : sums) sum = sum / static_cast<double>(models_.size());
  return {std::move(sums), {}};
}

}  // namespace cgm
}  // namespace seg
