// How far a solution of a convex problem can be from the best one.
#ifndef COMMON_SOLVERS_DUALITY_GAP_H_
#define COMMON_SOLVERS_DUALITY_GAP_H_

#include <cstdint>

namespace seg {

// primal: the objective, to be minimised, at the solution that was found.
// dual: a lower bound of the objective at any point. So the solution exceeds
//   the least objective by primal - dual at most, wherever it came from.
// passes: over the examples (or groups), until the solver stopped.
struct DualityGap {
  double primal = 0.0;
  double dual = 0.0;
  int64_t passes = 0;

  // The gap as a part of the objective, >= 0 up to rounding.
  double Relative() const {
    return primal > 0.0 ? (primal - dual) / primal : 0.0;
  }
};

}  // namespace seg

#endif  // COMMON_SOLVERS_DUALITY_GAP_H_
