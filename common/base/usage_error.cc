#include "common/base/usage_error.h"

#include "absl/strings/cord.h"

namespace seg {
namespace {

constexpr char kUsagePayload[] = "segpapers/usage";

}  // namespace

absl::Status UsageError(absl::Status status) {
  if (!status.ok()) status.SetPayload(kUsagePayload, absl::Cord("1"));
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

}  // namespace seg
