// Matchers and macros for absl::Status and absl::StatusOr in tests.
//
//   EXPECT_OK(WriteNpy(path, tensor));
//   ASSERT_OK_AND_ASSIGN(const at::Tensor image, ReadImage(path));
//   EXPECT_THAT(ReadNpy(path), StatusIs(absl::StatusCode::kNotFound,
//                                       HasSubstr("missing.npy")));
#ifndef COMMON_TESTING_STATUS_MATCHERS_H_
#define COMMON_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/status_macros.h"

namespace seg {
namespace testing_internal {

inline const absl::Status& GetStatus(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

}  // namespace testing_internal

MATCHER(IsOk, "") {
  const absl::Status& status = testing_internal::GetStatus(arg);
  *result_listener << status.ToString();
  return status.ok();
}

// The code equals `code` and the message matches `message` (a string or a
// matcher).
MATCHER_P2(StatusIs, code, message, "") {
  const absl::Status& status = testing_internal::GetStatus(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         ::testing::Matches(message)(std::string(status.message()));
}

}  // namespace seg

#define EXPECT_OK(expr) EXPECT_THAT(expr, ::seg::IsOk())
#define ASSERT_OK(expr) ASSERT_THAT(expr, ::seg::IsOk())
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  ASSERT_OK_AND_ASSIGN_IMPL_(SEG_MACRO_CONCAT_(seg_test_, __LINE__), lhs, expr)
#define ASSERT_OK_AND_ASSIGN_IMPL_(statusor, lhs, expr) \
  auto statusor = (expr);                               \
  ASSERT_TRUE(statusor.ok()) << statusor.status();      \
  lhs = *std::move(statusor)

#endif  // COMMON_TESTING_STATUS_MATCHERS_H_
