// Tables that merge the named classes of a data set, of any number, into a few
// (data.class_table). They do by name what data.map (mapped.h) does by id, and
// come before it: masks have 8 bits, so a set of more than 255 classes must be
// merged as it is read. A table is a file in YAML:
//   title: "NYU Depth V2, 5 classes"
//   others: objects     class of all names that the table does not list, or
//                       ignore: these are neither trained on nor scored
//   ignore: [unknown]   names that are ignored
//   classes:            in the order of their new ids, 1 to 255 of them
//     - {name: ground, color: [128, 64, 128], of: [floor, rug]}
//     - {name: objects, color: [0, 0, 142], of: []}
#ifndef COMMON_DATASETS_CLASS_TABLE_H_
#define COMMON_DATASETS_CLASS_TABLE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

struct ClassTable {
  std::string path;
  DatasetInfo info;  // title, class_names, palette
  // By old name, and for all others: the new id, or 255 (ignored).
  std::map<std::string, uint8_t> ids;
  uint8_t others = 255;
};

// All keys are required. Errors begin with the path and name the key: no such
// file, no YAML, an unknown or missing key, a name that is there twice, a class
// `others` that the table does not have.
absl::StatusOr<ClassTable> ReadClassTable(const std::string& path);

// The new id of each name. Logs a warning that tells names of the table which
// the data do not have: a misspelt one would be one of the others.
std::vector<uint8_t> NewIds(const ClassTable& table,
                            const std::vector<std::string>& names);

}  // namespace seg

#endif  // COMMON_DATASETS_CLASS_TABLE_H_
