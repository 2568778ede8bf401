// What a user reads when LibTorch stops a training step.
#ifndef COMMON_TRAINING_STEP_ERROR_H_
#define COMMON_TRAINING_STEP_ERROR_H_

#include <string>

namespace seg {

// The text of an exception in a training step, in the user's terms where its
// cause is a known one (cause, what was expected, the keys that mend it), else
// as it is.
std::string ExplainStepError(const std::string& what);

}  // namespace seg

#endif  // COMMON_TRAINING_STEP_ERROR_H_
