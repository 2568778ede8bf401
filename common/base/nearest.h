// "Did you mean ...": the name that somebody probably wanted to write.
#ifndef COMMON_BASE_NEAREST_H_
#define COMMON_BASE_NEAREST_H_

#include <cstddef>
#include <string>
#include <vector>

namespace seg {

// How many characters to insert, delete, replace, or exchange with their
// neighbour turn `a` into `b`. O(|a| |b|).
size_t EditDistance(const std::string& a, const std::string& b);

// The candidate with the smallest edit distance, the first of several; empty
// when none is near (more than a third of the letters differ).
std::string NearestName(const std::string& wanted,
                        const std::vector<std::string>& candidates);

// The one of `keys` that is most like `wanted`, compared by the whole of the
// dotted key or, for one that was written under another section, by its last
// part; empty only where there are none.
std::string NearestKey(const std::string& wanted,
                       const std::vector<std::string>& keys);

}  // namespace seg

#endif  // COMMON_BASE_NEAREST_H_
