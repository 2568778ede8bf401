#include "common/base/without_exceptions.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "common/testing/status_matchers.h"

namespace seg {
namespace {

using ::testing::HasSubstr;

TEST(WithoutExceptionsTest, WhatIsReturnedPasses) {
  EXPECT_OK(WithoutExceptions([] { return absl::OkStatus(); }));
  EXPECT_THAT(WithoutExceptions([] { return absl::CancelledError("c"); }),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("c")));
}

TEST(WithoutExceptionsTest, WhatIsThrownIsOneLine) {
  const absl::Status torch = WithoutExceptions([]() -> absl::Status {
    TORCH_CHECK(false, "first\nsecond");
    return absl::OkStatus();
  });
  EXPECT_THAT(torch,
              StatusIs(absl::StatusCode::kInternal, HasSubstr("first second")));
  EXPECT_THAT(WithoutExceptions(
                  []() -> absl::Status { throw std::runtime_error("a\nb"); }),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("a b")));
}

TEST(WithoutExceptionsTest, WhereMemoryEndsTheLineSaysSo) {
  const auto says = StatusIs(absl::StatusCode::kResourceExhausted,
                             HasSubstr("the memory does not suffice"));
  EXPECT_THAT(
      WithoutExceptions([]() -> absl::Status { throw std::bad_alloc(); }),
      says);
  for (const char* text :
       {"DefaultCPUAllocator: can't allocate memory: you tried to allocate 9",
        "CUDA out of memory. Tried to allocate 2.00 GiB."}) {
    EXPECT_THAT(WithoutExceptions([&]() -> absl::Status {
                  TORCH_CHECK(false, text);
                  return absl::OkStatus();
                }),
                says);
  }
}

}  // namespace
}  // namespace seg
