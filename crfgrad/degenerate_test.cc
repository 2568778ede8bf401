// What images seldom are, through every refiner of this folder: a result on the
// simplex, or an error that says what is wrong.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "common/layers/mean_field/crf_rnn.h"
#include "common/layers/mean_field/mean_field.h"
#include "common/testing/torch_errors.h"
#include "crfgrad/crf_layer.h"
#include "gmock/gmock.h"

namespace seg {
namespace crfgrad {
namespace {

using ::testing::HasSubstr;

struct Theta {
  double position = 20, colour = 10;
};

struct Refiner {
  std::string name;
  // z [N,L,H,W], images [N,3,H,W] -> probabilities [N,L,H,W].
  std::function<at::Tensor(const at::Tensor& z, const at::Tensor& images,
                           const Theta& theta)>
      run;
};

std::vector<Refiner> Refiners() {
  return {
      {"dense CRF",
       [](const at::Tensor& z, const at::Tensor& images, const Theta& theta) {
         MeanFieldOptions options;
         options.bilateral_theta_position = theta.position;
         options.bilateral_theta_colour = theta.colour;
         return MeanField(-z.log(), images, options);
       }},
      {"CRF-RNN",
       [](const at::Tensor& z, const at::Tensor& images, const Theta& theta) {
         CrfRnn layer(CrfRnnOptions(z.size(1))
                          .theta_position(theta.position)
                          .theta_colour(theta.colour));
         return layer->forward(z.log(), images).exp().detach();
       }},
      {"CRF-Grad",
       [](const at::Tensor& z, const at::Tensor& images, const Theta& theta) {
         CrfConfig config;
         config.spatial.weight = 1;
         config.bilateral.weight = 3;
         config.bilateral.theta_position = theta.position;
         config.bilateral.theta_colour = theta.colour;
         CrfLayer layer(config, z.size(1));
         return layer->forward(z, layer->BuildLattices(images)).detach();
       }},
  };
}

at::Tensor Probabilities(at::IntArrayRef sizes) {
  at::manual_seed(3);
  return at::softmax(2 * at::randn(sizes), 1);
}

void ExpectOnTheSimplex(const at::Tensor& q, at::IntArrayRef sizes,
                        const std::string& where) {
  ASSERT_EQ(q.sizes(), sizes) << where;
  EXPECT_TRUE(q.isfinite().all().item<bool>()) << where;
  EXPECT_GE(q.min().item<double>(), -1e-6) << where;
  EXPECT_LT((q.sum(1) - 1).abs().max().item<double>(), 1e-4) << where;
}

TEST(DegenerateTest, FlatImagesAndThinOnes) {
  for (const Refiner& refiner : Refiners()) {
    for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 1}, {1, 40}, {40, 1}, {13, 11}}) {
      for (const int64_t labels : {1, 2, 21}) {
        const std::vector<int64_t> sizes = {2, labels, height, width};
        const std::string where = refiner.name + " " + std::to_string(height) +
                                  " x " + std::to_string(width) +
                                  ", L = " + std::to_string(labels);
        const at::Tensor flat = at::full({2, 3, height, width}, 128.0f);
        ExpectOnTheSimplex(refiner.run(Probabilities(sizes), flat, Theta()),
                           sizes, where);
      }
    }
  }
}

// One class alone is certain, whatever the image.
TEST(DegenerateTest, OneClassIsCertain) {
  const at::Tensor z = at::ones({1, 1, 6, 5});
  for (const Refiner& refiner : Refiners()) {
    const at::Tensor q = refiner.run(z, at::rand({1, 3, 6, 5}) * 255, Theta());
    EXPECT_LT((q - 1).abs().max().item<double>(), 1e-6) << refiner.name;
  }
}

// A huge width makes one cell of the image: every pixel sees the same message.
TEST(DegenerateTest, HugeWidths) {
  const std::vector<int64_t> sizes = {1, 3, 12, 14};
  const at::Tensor image = at::rand({1, 3, 12, 14}) * 255;
  for (const Refiner& refiner : Refiners()) {
    const double huge = refiner.name == "CRF-Grad" ? 1e6 : 1e8;
    for (const Theta& theta :
         {Theta{huge, huge}, Theta{huge, 10}, Theta{20, huge}}) {
      ExpectOnTheSimplex(refiner.run(Probabilities(sizes), image, theta), sizes,
                         refiner.name);
    }
  }
}

// Pixels 1e8 cells apart: the lattice's keys do not hold that, and the error
// says what they hold. (pydensecrf crashes there, its issue 98.) CRF-Grad's
// widths have bounds of their own.
TEST(DegenerateTest, WidthsThatAreRefused) {
  const std::vector<int64_t> sizes = {1, 3, 12, 14};
  const at::Tensor image = at::rand({1, 3, 12, 14}) * 255;
  for (const Refiner& refiner : Refiners()) {
    const bool bounded = refiner.name == "CRF-Grad";
    std::vector<Theta> refused = {Theta{1e-8, 10}, Theta{20, 1e-8}};
    if (bounded) refused.push_back(Theta{1e8, 1e8});
    for (const Theta& theta : refused) {
      EXPECT_THAT(
          ErrorOf([&] { refiner.run(Probabilities(sizes), image, theta); }),
          HasSubstr(bounded ? "must lie in [0.001, 1e+06]"
                            : "within 2^22 lattice cells"))
          << refiner.name;
    }
    // Isolated pixels, within what keys hold.
    ExpectOnTheSimplex(
        refiner.run(Probabilities(sizes), image, Theta{1e-3, 1e-3}), sizes,
        refiner.name);
  }
}

}  // namespace
}  // namespace crfgrad
}  // namespace seg
