// How tables show a fraction.
#ifndef COMMON_EVALUATION_PERCENT_H_
#define COMMON_EVALUATION_PERCENT_H_

#include <string>

namespace seg {

// "84.03" for 0.8403, "-" for NaN.
std::string Percent(double fraction);

}  // namespace seg

#endif  // COMMON_EVALUATION_PERCENT_H_
