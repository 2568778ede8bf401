// Writes pickles opcode by opcode, for tests.
#ifndef SEGPAPERS_COMMON_IO_PICKLE_BUILDER_H_
#define SEGPAPERS_COMMON_IO_PICKLE_BUILDER_H_

#include <string>
#include <vector>

#include "common/io/byte_order.h"

namespace seg {
namespace pickle {

inline std::string Program(const std::string& body) {
  return std::string("\x80\x02", 2) + body + ".";
}
inline std::string Int(int64_t value) {  // LONG1
  std::string bytes("\x8a\x08", 2);
  AppendLittle(static_cast<uint64_t>(value), 8, &bytes);
  return bytes;
}
inline std::string Str(const std::string& text) {  // BINUNICODE
  std::string bytes = "X";
  AppendLittle(text.size(), 4, &bytes);
  return bytes + text;
}
inline std::string Global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string Join(const std::vector<std::string>& items) {
  std::string bytes;
  for (const std::string& item : items) bytes += item;
  return bytes;
}
inline std::string Tuple(const std::vector<std::string>& items) {
  return "(" + Join(items) + "t";
}
inline std::string List(const std::vector<std::string>& items) {
  return "](" + Join(items) + "e";
}
// Keys and values alternate.
inline std::string Dict(const std::vector<std::string>& items) {
  return "}(" + Join(items) + "u";
}
inline std::string Ints(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (const int64_t value : values) items.push_back(Int(value));
  return Tuple(items);
}
inline std::string OrderedDict() {
  return Global("collections", "OrderedDict") + ")R";
}
// A storage by persistent id.
inline std::string Storage(const std::string& type, const std::string& key,
                           int64_t size) {
  return Tuple({Str("storage"), Global("torch", type), Str(key), Str("cpu"),
                Int(size)}) +
         "Q";
}
inline std::string Tensor(const std::string& storage, int64_t offset,
                          const std::vector<int64_t>& sizes,
                          const std::vector<int64_t>& strides) {
  return Global("torch._utils", "_rebuild_tensor_v2") +
         Tuple({storage, Int(offset), Ints(sizes), Ints(strides), "\x89",
                OrderedDict()}) +
         "R";
}

}  // namespace pickle
}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PICKLE_BUILDER_H_
