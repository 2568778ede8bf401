// Early return on a failed absl::Status or absl::StatusOr.
//
//   SEG_RETURN_IF_ERROR(WriteFileAtomically(path, bytes));
//   SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
#ifndef COMMON_BASE_STATUS_MACROS_H_
#define COMMON_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define SEG_RETURN_IF_ERROR(expr)                               \
  do {                                                          \
    if (absl::Status seg_status_ = (expr); !seg_status_.ok()) { \
      return seg_status_;                                       \
    }                                                           \
  } while (false)

#define SEG_MACRO_CONCAT_INNER_(a, b) a##b
#define SEG_MACRO_CONCAT_(a, b) SEG_MACRO_CONCAT_INNER_(a, b)

#define SEG_ASSIGN_OR_RETURN(lhs, expr)                                       \
  SEG_ASSIGN_OR_RETURN_IMPL_(SEG_MACRO_CONCAT_(seg_statusor_, __LINE__), lhs, \
                             expr)

#define SEG_ASSIGN_OR_RETURN_IMPL_(statusor, lhs, expr) \
  auto statusor = (expr);                               \
  if (!statusor.ok()) return statusor.status();         \
  lhs = *std::move(statusor)

#endif  // COMMON_BASE_STATUS_MACROS_H_
