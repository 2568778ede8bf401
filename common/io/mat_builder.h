// Builds MATLAB files of level 5 byte by byte, for tests: right ones and wrong
// ones. After "MAT-File Format" (MathWorks), chapter 1.
#ifndef SEGPAPERS_COMMON_IO_MAT_BUILDER_H_
#define SEGPAPERS_COMMON_IO_MAT_BUILDER_H_

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/io/byte_order.h"

namespace seg {

// The 128 bytes before the first variable.
inline std::string MatHeader() {
  std::string header = "MATLAB 5.0 MAT-file, made by a test";
  header.resize(124, ' ');
  return header + std::string("\0\1IM", 4);
}

// A tag, the data, and zeros up to a multiple of eight.
inline std::string MatElement(int type, std::string data) {
  std::string out;
  AppendLittle(type, 4, &out);
  AppendLittle(data.size(), 4, &out);
  data.resize((data.size() + 7) / 8 * 8);
  return out + data;
}

// The head of a variable: flags, dimensions, name.
inline std::string MatHead(int mat_class, int flags,
                           const std::vector<int32_t>& dims,
                           const std::string& name) {
  std::string kind;
  AppendLittle(mat_class | flags << 8, 4, &kind);
  AppendLittle(0, 4, &kind);
  std::string sides;
  for (const int32_t d : dims) {
    AppendLittle(static_cast<uint32_t>(d), 4, &sides);
  }
  return MatElement(6, kind) + MatElement(5, sides) + MatElement(1, name);
}

// A numeric array. mat_class: 9 uint8, 6 double, ...; type: of the stored data,
// 2 uint8, 9 double, ...; flags: 2 logical, 8 complex; columns first.
inline std::string MatArray(const std::string& name,
                            const std::vector<int32_t>& dims, int mat_class,
                            int type, const std::string& data, int flags = 0) {
  return MatElement(
      14, MatHead(mat_class, flags, dims, name) + MatElement(type, data));
}

// A struct; the fields' arrays have the name "".
inline std::string MatStruct(
    const std::string& name,
    const std::vector<std::pair<std::string, std::string>>& fields,
    const std::vector<int32_t>& dims = {1, 1}) {
  constexpr int kNameSize = 32;
  std::string head = MatHead(2, 0, dims, name);
  AppendLittle(5 | 4 << 16, 4, &head);  // a small element: type and size
  AppendLittle(kNameSize, 4, &head);
  std::string names;
  std::string arrays;
  for (const auto& [field, array] : fields) {
    std::string padded = field;
    padded.resize(kNameSize);
    names += padded;
    arrays += array;
  }
  return MatElement(14, head + MatElement(1, names) + arrays);
}

// `variable` as a compressed one.
inline std::string MatCompressed(const std::string& variable) {
  uLongf size = compressBound(variable.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(&packed[0]), &size,
           reinterpret_cast<const Bytef*>(variable.data()), variable.size());
  std::string out;
  AppendLittle(15, 4, &out);
  AppendLittle(size, 4, &out);
  return out + packed.substr(0, size);
}

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_MAT_BUILDER_H_
