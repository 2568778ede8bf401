// Names for the tensors in a nest of dicts and lists. Part of pth_index.
#ifndef SEGPAPERS_COMMON_IO_PTH_NAMES_H_
#define SEGPAPERS_COMMON_IO_PTH_NAMES_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "common/io/pickle_reader.h"

namespace seg {

// The tensors under pickle.root by name: keys (and positions in lists) joined
// by '.', after stepping into a container (see pth.h). The values are indices
// into pickle.tensors. Refuses nests deeper than 64, more than
// 131072 tensors or kMaxPickleValues visits (shared values count each time),
// names that together exceed 64 MB, and two tensors of one name.
absl::StatusOr<std::map<std::string, int64_t>> NameTensors(
    const Pickle& pickle);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PTH_NAMES_H_
