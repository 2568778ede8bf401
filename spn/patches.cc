#include "spn/patches.h"

#include <ATen/ATen.h>

#include <vector>

namespace seg {
namespace spn {
namespace {

// Uniform in 0 .. n-1.
int64_t Draw(int64_t n) {
  return at::randint(n, {}, at::kLong).item<int64_t>();
}

// Whether a mask [h,w] has two classes that are not the ignore label.
bool HasTwoClasses(const at::Tensor& mask, int64_t ignore_label) {
  const at::Tensor labels = mask.masked_select(mask.ne(ignore_label));
  return labels.numel() > 0 && labels.ne(labels[0]).any().item<bool>();
}

at::Tensor Cut(const at::Tensor& image, const Patch& patch, int64_t size) {
  return image.narrow(-2, patch.y, size).narrow(-1, patch.x, size);
}

}  // namespace

std::vector<Patch> DrawPatches(const at::Tensor& masks,
                               const PatchConfig& config,
                               int64_t ignore_label) {
  TORCH_CHECK(masks.dim() == 3, "DrawPatches: masks must be [N,H,W], got ",
              masks.sizes());
  const int64_t rows = masks.size(1) - config.size + 1;
  const int64_t columns = masks.size(2) - config.size + 1;
  TORCH_CHECK(rows >= 1 && columns >= 1, "patch.size: ", config.size,
              " does not fit into training images of ", masks.size(2), "x",
              masks.size(1),
              "; set a smaller one, or a larger data.augment.crop_height and "
              "crop_width");
  std::vector<Patch> patches;
  for (int64_t i = 0; i < masks.size(0); ++i) {
    const bool can_have_two = HasTwoClasses(masks[i], ignore_label);
    for (int64_t k = 0; k < config.per_image; ++k) {
      Patch patch;
      for (int64_t tries = 0; tries <= config.tries; ++tries) {
        patch = {i, Draw(rows), Draw(columns)};
        if (!can_have_two ||
            HasTwoClasses(Cut(masks[i], patch, config.size), ignore_label)) {
          break;
        }
      }
      patches.push_back(patch);
    }
  }
  return patches;
}

at::Tensor CutPatches(const at::Tensor& map, const std::vector<Patch>& patches,
                      int64_t size) {
  std::vector<at::Tensor> cuts;
  for (const Patch& patch : patches) {
    cuts.push_back(Cut(map[patch.image], patch, size));
  }
  return at::stack(cuts);
}

}  // namespace spn
}  // namespace seg
