#include "common/solvers/lab_image.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <limits>

#include "common/solvers/cielab.h"
#include "common/solvers/slic_rows.h"

namespace seg {

LabImage ToLab(const char* caller, const at::Tensor& image) {
  TORCH_CHECK(image.dim() == 3 && image.size(0) == 3 &&
                  image.scalar_type() == at::kByte && image.is_cpu(),
              caller, ": image must be uint8 [3,H,W] on the CPU, got ",
              image.scalar_type(), " ", image.sizes(), " on ", image.device());
  LabImage lab;
  lab.height = image.size(1);
  lab.width = image.size(2);
  TORCH_CHECK(
      lab.size() >= 1 && lab.size() <= std::numeric_limits<int32_t>::max(),
      caller, ": image must have 1 .. 2^31-1 pixels, got ", image.sizes());
  const at::Tensor planes = image.contiguous();
  const uint8_t* red = planes.const_data_ptr<uint8_t>();
  const uint8_t* green = red + lab.size();
  const uint8_t* blue = green + lab.size();
  for (auto& plane : lab.planes) plane.resize(lab.size() + kSlicSlack);
  constexpr int64_t kPixels = 8192;  // a piece of work
  at::parallel_for(0, lab.size(), kPixels, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Colour pixel = SrgbToLab(red[i], green[i], blue[i]);
      for (int c = 0; c < 3; ++c) lab.planes[c][i] = pixel[c];
    }
  });
  return lab;
}

}  // namespace seg
