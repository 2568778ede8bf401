// Names for addresses of code, for messages: through addr2line, where it is.
#ifndef COMMON_TESTING_CUDA_EMULATOR_SOURCE_LINE_H_
#define COMMON_TESTING_CUDA_EMULATOR_SOURCE_LINE_H_

#include <string>

namespace seg::cuda::emulator {

// "folder/file.cu:12" of the call that returns to `address`; the address in
// hexadecimal where no line is known.
std::string CallerLine(const void* return_address);

// The function that starts at `address`, without its parameters.
std::string FunctionName(const void* address);

}  // namespace seg::cuda::emulator

#endif  // COMMON_TESTING_CUDA_EMULATOR_SOURCE_LINE_H_
