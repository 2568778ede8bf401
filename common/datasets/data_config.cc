#include "common/datasets/data_config.h"

namespace seg {

SEG_DEFINE_CONFIG(AugmentOptions, crop_height, crop_width, scale_min, scale_max,
                  scale_per_axis, flip, rotation, shift, brightness, contrast,
                  saturation, hue)
SEG_DEFINE_CONFIG(SyntheticConfig, height, width, train, val, test, seed,
                  hidden_quadrants, border)
SEG_DEFINE_CONFIG(DataConfig, pack, fold, split_seed, split_all, class_table,
                  probabilities, landmarks, align, resize_height, resize_width,
                  resize_longer, resize_shorter, map, class_names, cache_mb,
                  workers, augment, augment_once, synthetic)

std::vector<KeyRule> DataConfig::Rules() {
  constexpr double kSide = 16384;
  return {
      {"fold", 0, 9},
      {"split_seed", -1, 9e15},
      {"align", 0, kSide},
      {"resize_height", 0, kSide},
      {"resize_width", 0, kSide},
      {"resize_longer", 0, kSide},
      {"resize_shorter", 0, kSide},
      {"map", 0, 255},
      {"cache_mb", 0, 1 << 30},
      {"workers", 0, 256},
      {"augment.crop_height", 0, kSide},
      {"augment.crop_width", 0, kSide},
      {"augment.scale_min", 0.05, 20},
      {"augment.scale_max", 0.05, 20},
      {"augment.rotation", 0, 180},
      {"augment.shift", 0, 1},
      {"augment.brightness", 0, 1},
      {"augment.contrast", 0, 1},
      {"augment.saturation", 0, 1},
      {"augment.hue", 0, 0.5},
      {"synthetic.height", 16, 4096},
      {"synthetic.width", 16, 4096},
      {"synthetic.train", 0, 1e9},
      {"synthetic.val", 0, 1e9},
      {"synthetic.test", 0, 1e9},
      {"synthetic.seed", 0, 9e15},
      {"synthetic.hidden_quadrants", 1, 3},
      {"synthetic.border", 0, 16},
  };
}

}  // namespace seg
