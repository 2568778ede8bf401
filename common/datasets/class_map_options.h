// Classes merged, renamed or left out: see mapped.h.
#ifndef COMMON_DATASETS_CLASS_MAP_OPTIONS_H_
#define COMMON_DATASETS_CLASS_MAP_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace seg {

// New ids for the classes of the data, one per class: 0 .. K-1 without gaps, or
// 255 to ignore the class. Empty: as they are. class_names: by new id; empty:
// taken from the data.
struct ClassMapOptions {
  std::vector<int64_t> map;
  std::vector<std::string> class_names;
};

}  // namespace seg

#endif  // COMMON_DATASETS_CLASS_MAP_OPTIONS_H_
