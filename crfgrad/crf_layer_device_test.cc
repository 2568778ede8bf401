// The CRF layer on a device's lattices. The emulator stands for the device:
// here the lattice's raw operators have their CUDA kernels on the CPU's
// tensors.
#include <gtest/gtest.h>

#include "common/layers/permutohedral/features.h"
#include "common/layers/permutohedral/lattice_cuda_tensors.h"
#include "common/layers/permutohedral/lattice_data.h"
#include "crfgrad/crf_layer.h"
#include "torch/library.h"
#include "torch/torch.h"

namespace seg {

TORCH_LIBRARY_IMPL(segpapers, CPU, m) { lattice_ops::RegisterKernels(&m); }

namespace crfgrad {
namespace {

TEST(CrfLayerDeviceTest, IsTheCpus) {
  torch::manual_seed(2);
  CrfConfig config;
  config.iterations = 2;
  config.spatial.radius = 1;
  config.bilateral.theta_position = 4;
  config.bilateral.theta_colour = 20;
  CrfLayer layer(config, 3);
  at::Tensor images = torch::rand({2, 3, 5, 6}) * 40;
  images.narrow(3, 3, 3).add_(90);
  const LatticeVector cpu = layer->BuildLattices(images);
  std::vector<at::Tensor> features;
  for (const at::Tensor& image : images.unbind()) {
    features.push_back(BilateralFeatures(image, 4, 20));
  }
  const auto data = c10::make_intrusive<LatticeData>(torch::stack(features));
  LatticeVector device;
  for (int64_t n = 0; n < 2; ++n) {
    device.push_back(std::make_shared<PermutohedralLattice>(data, n));
  }
  const at::Tensor z = torch::softmax(torch::randn({2, 3, 5, 6}), 1);
  const at::Tensor g = torch::randn({2, 3, 5, 6});
  std::vector<at::Tensor> results[2];
  for (int i = 0; i < 2; ++i) {
    const LatticeVector& lattices = i == 0 ? cpu : device;
    layer->zero_grad();
    const at::Tensor in = z.detach().requires_grad_();
    const at::Tensor q = layer->forward(in, lattices);
    q.backward(g);
    results[i] = {q.detach(), in.grad(),
                  layer->Energy(z, q.detach(), lattices).detach()};
    for (const at::Tensor& parameter : layer->parameters()) {
      results[i].push_back(parameter.grad().clone());
    }
  }
  ASSERT_EQ(results[0].size(), results[1].size());
  for (size_t i = 0; i < results[0].size(); ++i) {
    // Sums in another order.
    EXPECT_LE((results[0][i] - results[1][i]).abs().max().item<float>(),
              1e-5 * results[0][i].abs().max().item<float>())
        << "result " << i;
  }
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
