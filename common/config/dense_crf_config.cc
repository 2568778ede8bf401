#include "common/config/dense_crf_config.h"

#include <vector>

namespace seg {

SEG_DEFINE_CONFIG(DenseCrfConfig, iterations, spatial_theta, spatial_weight,
                  theta_position, theta_colour, bilateral_weight)

std::vector<KeyRule> DenseCrfConfig::Rules() {
  return {{"iterations", 0, 1000},     {"spatial_theta", 1e-3, 1e6},
          {"spatial_weight", 0, 1e6},  {"theta_position", 1e-3, 1e6},
          {"theta_colour", 1e-3, 1e6}, {"bilateral_weight", 0, 1e6}};
}

MeanFieldOptions DenseCrfConfig::Options() const {
  MeanFieldOptions options;
  options.iterations = iterations;
  options.spatial_theta = spatial_theta;
  options.spatial_weight = spatial_weight;
  options.bilateral_theta_position = theta_position;
  options.bilateral_theta_colour = theta_colour;
  options.bilateral_weight = bilateral_weight;
  return options;
}

}  // namespace seg
