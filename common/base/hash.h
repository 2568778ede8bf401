// FNV-1a, 64 bits: tells bytes apart that nobody forges. Fingerprints of
// results on record and of stages' folders are made of it, so it never changes.
#ifndef COMMON_BASE_HASH_H_
#define COMMON_BASE_HASH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace seg {

constexpr uint64_t kFnvStart = 14695981039346656037u;

// The hash of `bytes`, going on from `hash`.
inline uint64_t Fnv1a(absl::string_view bytes, uint64_t hash = kFnvStart) {
  for (const char c : bytes) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  }
  return hash;
}

// 16 hexadecimal digits.
inline std::string HashText(uint64_t hash) {
  return absl::StrCat(absl::Hex(hash, absl::kZeroPad16));
}

// The hash of texts in their order, as HashText. Each ends with a separator:
// {"ab", "c"} and {"a", "bc"} differ.
inline std::string HashTexts(const std::vector<std::string>& texts) {
  uint64_t hash = kFnvStart;
  for (const std::string& text : texts) hash = Fnv1a("\x1f", Fnv1a(text, hash));
  return HashText(hash);
}

}  // namespace seg

#endif  // COMMON_BASE_HASH_H_
