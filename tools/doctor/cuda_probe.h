// A kernel small enough to answer one question: does CUDA code of this build
// run on this machine?
#ifndef TOOLS_DOCTOR_CUDA_PROBE_H_
#define TOOLS_DOCTOR_CUDA_PROBE_H_

#include <string>

namespace seg {

// Runs a vector addition on device 0 and checks it. Empty when right, else what
// went wrong.
std::string CudaProbe();

}  // namespace seg

#endif  // TOOLS_DOCTOR_CUDA_PROBE_H_
