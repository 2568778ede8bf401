// Generated sets by their names.
#ifndef COMMON_DATASETS_OPEN_SYNTHETIC_H_
#define COMMON_DATASETS_OPEN_SYNTHETIC_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/datasets/data_config.h"
#include "common/datasets/dataset.h"

namespace seg {

// Whether a data.pack names a generated set: "synthetic:...".
bool IsSynthetic(const std::string& pack);

// A split (train, val, test) of the generated set config.pack, of the sizes in
// config.synthetic. NotFound names the sets or the splits there are;
// InvalidArgument the key that is out of range.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenSynthetic(
    const DataConfig& config, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_OPEN_SYNTHETIC_H_
