// Notices scalars that say nothing.
#ifndef COMMON_TRAINING_SCALAR_WATCH_H_
#define COMMON_TRAINING_SCALAR_WATCH_H_

#include <cstdint>
#include <map>
#include <string>

namespace seg {

// Of each named scalar, tells once that it is not finite and once that it stays
// at one value.
class ScalarWatch {
 public:
  enum class Finding { kNothing, kNotFinite, kPlateau };

  // A plateau: exactly equal in this many updates one after the other.
  explicit ScalarWatch(int64_t plateau) : plateau_(plateau) {}

  Finding Update(const std::string& name, double value);

 private:
  struct Seen {
    double value = 0;
    int64_t equal = 0;  // updates that gave `value`, up to the latest
    bool told_not_finite = false;
    bool told_plateau = false;
  };

  const int64_t plateau_;
  std::map<std::string, Seen> seen_;
};

}  // namespace seg

#endif  // COMMON_TRAINING_SCALAR_WATCH_H_
