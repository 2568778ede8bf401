#include "common/layers/permutohedral/features.h"

#include <algorithm>

#include "ATen/ATen.h"
#include "ATen/Parallel.h"
#include "ATen/core/grad_mode.h"

namespace seg {
namespace {

// Fills the planes x / theta and y / theta. Divides as densecrf does: the
// quotient decides ranks, so a product with 1 / theta is not the same.
void FillPositions(int64_t height, int64_t width, float theta, float* x,
                   float* y) {
  for (int64_t i = 0; i < height; ++i) {
    for (int64_t j = 0; j < width; ++j) {
      *x++ = static_cast<float>(j) / theta;
      *y++ = static_cast<float>(i) / theta;
    }
  }
}

// [N,H W,5] for images on any device, with the divisions of the above: by a
// tensor, since a GPU takes a division by a number for a product.
at::Tensor FeaturesOnDevice(const at::Tensor& images, double theta_position,
                            double theta_colour, bool rgb) {
  TORCH_CHECK(images.is_cuda(),
              "BilateralFeatures: image must be on the CPU or a GPU, got ",
              images.device());
  const at::NoGradGuard no_grad;
  const int64_t height = images.size(2);
  const int64_t width = images.size(3);
  const auto options = at::TensorOptions(images.device()).dtype(at::kFloat);
  const at::Tensor planes =
      at::empty({images.size(0), 5, height, width}, options);
  const at::Tensor theta =
      at::full({1}, static_cast<float>(theta_position), options);
  planes.select(1, rgb ? 0 : 1).copy_(at::arange(width, options) / theta);
  planes.select(1, rgb ? 1 : 0)
      .copy_((at::arange(height, options) / theta).unsqueeze(1));
  at::Tensor colour = planes.narrow(1, 2, 3);
  colour.copy_(rgb ? images : images.flip(1));
  colour.div_(at::full({1}, static_cast<float>(theta_colour), options));
  return planes.flatten(2).transpose(1, 2);
}

}  // namespace

at::Tensor BilateralFeatures(const at::Tensor& image, double theta_position,
                             double theta_colour, BilateralOrder order) {
  TORCH_CHECK(image.dim() == 3 && image.size(0) == 3,
              "BilateralFeatures: image must be [3,H,W], got ", image.sizes());
  TORCH_CHECK(
      theta_position > 0 && theta_colour > 0,
      "BilateralFeatures: theta_position and theta_colour must be > 0, got ",
      theta_position, " and ", theta_colour);
  at::NoGradGuard no_grad;
  const int64_t height = image.size(1);
  const int64_t width = image.size(2);
  const bool rgb = order == BilateralOrder::kXYRGB;
  if (!image.is_cpu()) {
    return FeaturesOnDevice(image.unsqueeze(0), theta_position, theta_colour,
                            rgb)[0];
  }
  const at::Tensor planes = at::empty({5, height, width}, at::kFloat);
  float* x = planes[rgb ? 0 : 1].data_ptr<float>();
  float* y = planes[rgb ? 1 : 0].data_ptr<float>();
  FillPositions(height, width, static_cast<float>(theta_position), x, y);
  at::Tensor colour = planes.narrow(0, 2, 3);
  colour.copy_(rgb ? image : image.flip(0));
  colour.div_(static_cast<float>(theta_colour));
  return planes.view({5, height * width}).t();
}

at::Tensor SpatialFeatures(int64_t height, int64_t width, double theta) {
  TORCH_CHECK(height >= 0 && width >= 0 && theta > 0,
              "SpatialFeatures: height, width must be >= 0 and theta > 0, got ",
              height, ", ", width, ", ", theta);
  at::NoGradGuard no_grad;
  const at::Tensor planes = at::empty({2, height * width}, at::kFloat);
  FillPositions(height, width, static_cast<float>(theta),
                planes[0].data_ptr<float>(), planes[1].data_ptr<float>());
  return planes.t();
}

LatticeVector BuildBilateralLattices(const at::Tensor& images,
                                     double theta_position, double theta_colour,
                                     int64_t threads, BilateralOrder order) {
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3,
              "BuildBilateralLattices: images must be [N,3,H,W], got ",
              images.sizes());
  TORCH_CHECK(threads >= 0,
              "BuildBilateralLattices: threads must be >= 0, got ", threads);
  if (!images.is_cpu()) {
    TORCH_CHECK(theta_position > 0 && theta_colour > 0,
                "BuildBilateralLattices: theta_position and theta_colour must "
                "be > 0, got ",
                theta_position, " and ", theta_colour);
    return PermutohedralLattice::BuildBatch(FeaturesOnDevice(
        images, theta_position, theta_colour, order == BilateralOrder::kXYRGB));
  }
  const int64_t batch = images.size(0);
  const int64_t available = at::get_num_threads();
  const int64_t used = std::max<int64_t>(
      1, threads == 0 ? available : std::min(threads, available));
  LatticeVector lattices(batch);
  at::parallel_for(
      0, batch, (batch + used - 1) / used, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
          lattices[n] = PermutohedralLattice::Build(BilateralFeatures(
              images[n], theta_position, theta_colour, order));
        }
      });
  return lattices;
}

LatticeVector BuildSpatialLattices(int64_t batch, int64_t height, int64_t width,
                                   double theta, const c10::Device& device) {
  TORCH_CHECK(batch >= 0, "BuildSpatialLattices: batch must be >= 0, got ",
              batch);
  if (batch == 0) return {};
  const at::Tensor features = SpatialFeatures(height, width, theta);
  return LatticeVector(batch, PermutohedralLattice::Build(features.to(device)));
}

}  // namespace seg
