// The few Python names that a restricted pickle (pickle_reader.h) may use, and
// what calling them means. Part of pickle_reader; not for use elsewhere.
#ifndef SEGPAPERS_COMMON_IO_PICKLE_GLOBALS_H_
#define SEGPAPERS_COMMON_IO_PICKLE_GLOBALS_H_

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/pickle_reader.h"

namespace seg {

// The index of a known global; an error that names any other.
absl::StatusOr<int64_t> FindPickleGlobal(absl::string_view module,
                                         absl::string_view name);

// The value of `global(*args)`. Adds to pickle->tensors.
absl::StatusOr<PickleValue> CallPickleGlobal(int64_t global,
                                             const PickleValue& args,
                                             Pickle* pickle);

// The value of a persistent id ('storage', type, key, location, size[, view]).
// Adds to pickle->storages and storage_views. `keys` finds storages met before.
absl::StatusOr<PickleValue> LoadPickleStorage(
    const PickleValue& id, std::map<absl::string_view, int32_t>* keys,
    Pickle* pickle);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PICKLE_GLOBALS_H_
