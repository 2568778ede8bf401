// The `dense_crf` section of a configuration: mean-field inference on a trained
// network (Kraehenbuehl and Koltun 2011).
#ifndef COMMON_CONFIG_DENSE_CRF_CONFIG_H_
#define COMMON_CONFIG_DENSE_CRF_CONFIG_H_

#include <cstdint>
#include <vector>

#include "common/config/config.h"
#include "common/layers/mean_field/mean_field.h"
#include "nlohmann/json.hpp"

namespace seg {

struct DenseCrfConfig {
  int64_t iterations = 5;
  double spatial_theta = 3;  // pixels
  double spatial_weight = 0;
  double theta_position = 20;  // pixels
  double theta_colour = 10;    // grey levels
  double bilateral_weight = 6;

  static std::vector<KeyRule> Rules();
  MeanFieldOptions Options() const;
};

SEG_DECLARE_CONFIG(DenseCrfConfig)

}  // namespace seg

#endif  // COMMON_CONFIG_DENSE_CRF_CONFIG_H_
