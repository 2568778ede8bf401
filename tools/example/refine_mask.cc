// Lifting a component: a dense CRF cleans a label map with a fifth of its
// pixels wrong. Copy this file and its BUILD target into a program of your own.
#include <ATen/ATen.h>

#include <cstdio>

#include "common/datasets/open.h"
#include "common/layers/mean_field/mean_field.h"
#include "common/metrics/confusion_matrix.h"

int main() {
  const auto scenes = seg::OpenDataset(seg::DataConfig(), "", "val");
  const auto sample = (*scenes)->Get(0);  // image [3,H,W], mask [H,W]
  const int64_t labels = (*scenes)->info().num_classes();

  // Labels with noise, and probabilities that believe them to 60 %.
  at::manual_seed(1);
  const at::Tensor wrong = at::rand(sample->mask.sizes()).lt(0.2);
  const at::Tensor noisy =
      at::where(wrong, at::randint(labels, sample->mask.sizes(), at::kByte),
                sample->mask);
  const at::Tensor belief = at::one_hot(noisy.to(at::kLong), labels)
                                .permute({2, 0, 1})
                                .to(at::kFloat);
  const at::Tensor p = belief * 0.6 + 0.4 / static_cast<double>(labels);

  seg::MeanFieldOptions options;
  options.bilateral_theta_position = 15;  // pixels
  options.bilateral_theta_colour = 12;    // grey levels
  const at::Tensor q = seg::MeanField(-p.log().unsqueeze(0),
                                      sample->image.unsqueeze(0), options);

  seg::ConfusionMatrix before(labels), after(labels);
  before.Add(noisy, sample->mask);
  after.Add(q[0].argmax(0).to(at::kByte), sample->mask);
  std::printf("pixel accuracy %.1f %% before, %.1f %% after\n",
              100 * before.PixelAccuracy(), 100 * after.PixelAccuracy());
  return after.PixelAccuracy() > before.PixelAccuracy() ? 0 : 1;
}
