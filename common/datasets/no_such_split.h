// The error of a data set that has no split of the name that was asked for.
#ifndef COMMON_DATASETS_NO_SUCH_SPLIT_H_
#define COMMON_DATASETS_NO_SUCH_SPLIT_H_

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace seg {

constexpr char kNoSuchSplitPayload[] = "segpapers/no_such_split";

// kNotFound, told from a file that is not found by IsNoSuchSplit: a command can
// then say that its flag is wrong. `message` names the splits that there are.
inline absl::Status NoSuchSplitError(absl::string_view message) {
  absl::Status status = absl::NotFoundError(message);
  status.SetPayload(kNoSuchSplitPayload, absl::Cord("1"));
  return status;
}

inline bool IsNoSuchSplit(const absl::Status& status) {
  return status.GetPayload(kNoSuchSplitPayload).has_value();
}

}  // namespace seg

#endif  // COMMON_DATASETS_NO_SUCH_SPLIT_H_
