// What TORCH_CHECK throws, in tests.
//
//   ExpectError([&] { Op(x.to(at::kHalf)); }, "x must be float32, got Half");
//   EXPECT_THAT(ErrorOf([&] { Op(x); }), HasSubstr("got Half"));
#ifndef COMMON_TESTING_TORCH_ERRORS_H_
#define COMMON_TESTING_TORCH_ERRORS_H_

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace seg {

// The message of the error that `call` throws; "no error" where it returns.
inline std::string ErrorOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
  return "no error";
}

// `call` throws an error whose message contains `message`.
inline void ExpectError(const std::function<void()>& call,
                        const std::string& message) {
  EXPECT_THAT(ErrorOf(call), ::testing::HasSubstr(message));
}

}  // namespace seg

#endif  // COMMON_TESTING_TORCH_ERRORS_H_
