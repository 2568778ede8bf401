// How often an operator of LibTorch runs: whether a network sees an image once.
#ifndef COMMON_TESTING_COUNT_OPERATORS_H_
#define COMMON_TESTING_COUNT_OPERATORS_H_

#include <cstdint>
#include <functional>
#include <string>

namespace seg {

// Calls of `name` ("aten::convolution") in this thread while `body` runs.
int64_t CountOperators(const std::string& name,
                       const std::function<void()>& body);

}  // namespace seg

#endif  // COMMON_TESTING_COUNT_OPERATORS_H_
