// Whether a model may be scored on a data set: both must mean the same classes.
#ifndef COMMON_EVALUATION_SAME_CLASSES_H_
#define COMMON_EVALUATION_SAME_CLASSES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/config/config.h"
#include "common/datasets/dataset.h"

namespace seg {

// trained: the classes that the model was trained on.
// data:    those of the data set, after data.map.
// map:     data.map, for the remedy alone.
// compare: by_name: number, names and order of the classes must agree;
//          by_order: their number must, and class i of the data is class i of
//          the model.
// The error (kInvalidArgument) names the first class that differs and the
// remedy: the data.map that puts the classes right, where one does.
absl::Status CheckSameClasses(const DatasetInfo& trained,
                              const DatasetInfo& data,
                              const std::vector<int64_t>& map,
                              const std::string& compare);

// The rule of eval.classes, the key that says `compare` in every paper.
KeyRule SameClassesRule();

}  // namespace seg

#endif  // COMMON_EVALUATION_SAME_CLASSES_H_
