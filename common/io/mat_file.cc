#include "common/io/mat_file.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/io/byte_order.h"
#include "common/io/quote.h"

namespace seg {
namespace {

using absl::string_view;

constexpr size_t kHeaderSize = 128;
constexpr size_t kMaxInflated = size_t{1} << 30;
constexpr size_t kMaxRank = 8;

// Element types and array classes of the format.
constexpr uint32_t kInt8 = 1;
constexpr uint32_t kInt32 = 5;
constexpr uint32_t kUint32 = 6;
constexpr uint32_t kMatrix = 14;
constexpr uint32_t kCompressed = 15;
constexpr int kStructClass = 2;

constexpr uint32_t kComplexFlag = 0x800;

absl::Status Bad(const std::string& text) {
  return absl::InvalidArgumentError(text);
}
absl::Status Damaged(const std::string& text) {
  return Bad(absl::StrCat("damaged: ", text));
}

struct Element {
  uint32_t type = 0;
  string_view data;
};

// Reads elements one after the other.
class Reader {
 public:
  Reader(string_view bytes, bool little) : bytes_(bytes), little_(little) {}

  bool done() const { return bytes_.empty(); }
  bool little() const { return little_; }

  uint32_t Load(string_view bytes, size_t at) const {
    return static_cast<uint32_t>(little_ ? LoadLittle(bytes, at, 4)
                                         : LoadBig(bytes, at, 4));
  }

  absl::StatusOr<Element> Next() {
    if (bytes_.size() < 8) {
      return Damaged(absl::StrCat("truncated, ", bytes_.size(),
                                  " bytes left where an element begins"));
    }
    Element element;
    element.type = Load(bytes_, 0);
    if (element.type >> 16 != 0) {  // small: type, size and data in 8 bytes
      const uint32_t size = element.type >> 16;
      element.type &= 0xffff;
      if (size > 4) {
        return Damaged(absl::StrCat("a small element of ", size, " bytes"));
      }
      element.data = bytes_.substr(4, size);
      bytes_.remove_prefix(8);
      return element;
    }
    const size_t size = Load(bytes_, 4);
    bytes_.remove_prefix(8);
    if (size > bytes_.size()) {
      return Damaged(absl::StrCat("truncated, an element of ", size,
                                  " bytes has ", bytes_.size()));
    }
    element.data = bytes_.substr(0, size);
    const size_t padded =
        element.type == kCompressed ? size : (size + 7) / 8 * 8;
    bytes_.remove_prefix(std::min(padded, bytes_.size()));
    return element;
  }

  // The next element, which must be of that type.
  absl::StatusOr<string_view> Expect(uint32_t type, const char* what) {
    SEG_ASSIGN_OR_RETURN(const Element element, Next());
    if (element.type != type) {
      return Damaged(absl::StrCat("element type ", element.type, " for ", what,
                                  ", expected ", type));
    }
    return element.data;
  }

 private:
  string_view bytes_;
  bool little_;
};

// An array: what its head says, and the elements behind the head.
struct Array {
  int kind = 6;  // class; an array without bytes is an empty double
  uint32_t flags = 0;
  std::vector<int64_t> dims = {0, 0};
  std::string name;
  Reader rest;
};

absl::StatusOr<Array> ReadHead(string_view data, bool little) {
  Array array = {6, 0, {0, 0}, "", Reader(data, little)};
  if (data.empty()) return array;
  Reader& reader = array.rest;
  SEG_ASSIGN_OR_RETURN(const string_view flags,
                       reader.Expect(kUint32, "an array's flags"));
  if (flags.size() != 8) return Damaged("an array's flags are not 8 bytes");
  array.flags = reader.Load(flags, 0);
  array.kind = static_cast<int>(array.flags & 0xff);
  SEG_ASSIGN_OR_RETURN(const string_view dims,
                       reader.Expect(kInt32, "an array's size"));
  const size_t rank = dims.size() / 4;
  if (dims.size() % 4 != 0 || rank < 1 || rank > kMaxRank) {
    return Damaged(absl::StrCat(rank, " axes, expected 1 .. ", kMaxRank));
  }
  array.dims.clear();
  for (size_t i = 0; i < rank; ++i) {
    array.dims.push_back(static_cast<int32_t>(reader.Load(dims, 4 * i)));
    if (array.dims.back() < 0) {
      return Damaged(absl::StrCat("a side of ", array.dims.back()));
    }
  }
  SEG_ASSIGN_OR_RETURN(const string_view name,
                       reader.Expect(kInt8, "an array's name"));
  array.name = std::string(name);
  return array;
}

// The product of the sides; -1 when it is above `limit`.
int64_t CountElements(const Array& array, int64_t limit) {
  int64_t count = 1;
  for (const int64_t side : array.dims) {
    if (side == 0) return 0;
  }
  for (const int64_t side : array.dims) {
    if (side > limit / count) return -1;
    count *= side;
  }
  return count;
}

absl::StatusOr<std::string> Inflate(string_view packed) {
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK) {
    return absl::ResourceExhaustedError("no memory to uncompress");
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  size_t used = 0;
  int code = Z_OK;
  while (code == Z_OK && used <= kMaxInflated) {
    out.resize(std::max<size_t>(4096, 2 * used));
    stream.next_out = reinterpret_cast<Bytef*>(&out[used]);
    stream.avail_out = static_cast<uInt>(out.size() - used);
    code = inflate(&stream, Z_NO_FLUSH);
    used = out.size() - stream.avail_out;
  }
  inflateEnd(&stream);
  if (used > kMaxInflated) {
    return Bad(absl::StrCat("a variable of more than ", kMaxInflated,
                            " bytes when uncompressed"));
  }
  if (code != Z_STREAM_END) {
    return Damaged("a compressed variable cannot be uncompressed");
  }
  out.resize(used);
  return out;
}

std::string Names(const std::vector<std::string>& names) {
  constexpr size_t kMost = 20;
  if (names.empty()) return "there is none";
  std::vector<std::string> quoted;
  for (size_t i = 0; i < std::min(kMost, names.size()); ++i) {
    quoted.push_back(Quote(names[i]));
  }
  if (names.size() > kMost) quoted.push_back("...");
  return absl::StrCat("there are ", absl::StrJoin(quoted, ", "));
}

// The variable of that name. `inflated` holds its bytes where it was
// compressed, else it lies in `bytes`.
absl::StatusOr<Array> FindVariable(string_view bytes, bool little,
                                   const std::string& name,
                                   std::string* inflated) {
  std::vector<std::string> names;
  Reader reader(bytes, little);
  while (!reader.done()) {
    SEG_ASSIGN_OR_RETURN(Element element, reader.Next());
    if (element.type == kCompressed) {
      SEG_ASSIGN_OR_RETURN(*inflated, Inflate(element.data));
      SEG_ASSIGN_OR_RETURN(element, Reader(*inflated, little).Next());
    }
    if (element.type != kMatrix) {
      return Damaged(absl::StrCat("element type ", element.type,
                                  " where a variable is expected"));
    }
    SEG_ASSIGN_OR_RETURN(const Array array, ReadHead(element.data, little));
    if (array.name == name) return array;
    names.push_back(array.name);
  }
  return absl::NotFoundError(
      absl::StrCat("no variable ", Quote(name), "; ", Names(names)));
}

absl::StatusOr<Array> FindField(const std::string& where, Array array,
                                const std::string& field) {
  if (array.kind != kStructClass) {
    return Bad(
        absl::StrCat(where, ": no struct, so it has no field ", Quote(field)));
  }
  if (CountElements(array, 1) != 1) {
    return Bad(absl::StrCat(where, ": a struct array of size ",
                            absl::StrJoin(array.dims, "x"),
                            ", expected one element"));
  }
  Reader& reader = array.rest;
  SEG_ASSIGN_OR_RETURN(const string_view length,
                       reader.Expect(kInt32, "the length of field names"));
  SEG_ASSIGN_OR_RETURN(const string_view list,
                       reader.Expect(kInt8, "field names"));
  const size_t size = length.size() == 4 ? reader.Load(length, 0) : 0;
  if (size == 0 || list.size() % size != 0) {
    return Damaged(absl::StrCat(where, ": field names of length ", size, " in ",
                                list.size(), " bytes"));
  }
  std::vector<std::string> names;
  for (size_t at = 0; at < list.size(); at += size) {
    const string_view name = list.substr(at, size);
    names.emplace_back(name.substr(0, name.find('\0')));
    SEG_ASSIGN_OR_RETURN(const string_view data,
                         reader.Expect(kMatrix, "a field"));
    if (names.back() == field) return ReadHead(data, reader.little());
  }
  return absl::NotFoundError(
      absl::StrCat(where, ": no field ", Quote(field), "; ", Names(names)));
}

// The type that element data of that type have; false for what holds no
// numbers.
bool StoredType(uint32_t type, RawType* stored) {
  switch (type) {
    case 1:
      *stored = RawType::kInt8;
      return true;
    case 2:
      *stored = RawType::kUint8;
      return true;
    case 3:
      *stored = RawType::kInt16;
      return true;
    case 4:
      *stored = RawType::kUint16;
      return true;
    case 5:
      *stored = RawType::kInt32;
      return true;
    case 6:
      *stored = RawType::kUint32;
      return true;
    case 7:
      *stored = RawType::kFloat32;
      return true;
    case 9:
      *stored = RawType::kFloat64;
      return true;
    case 12:
      *stored = RawType::kInt64;
      return true;
    case 13:
      *stored = RawType::kUint64;
      return true;
    default:
      return false;
  }
}

// The type that an array of a class has; false for what is no number array.
bool ClassType(int kind, RawType* type) {
  constexpr RawType kTypes[] = {
      RawType::kFloat64, RawType::kFloat32, RawType::kInt8,  RawType::kUint8,
      RawType::kInt16,   RawType::kUint16,  RawType::kInt32, RawType::kUint32,
      RawType::kInt64,   RawType::kUint64};  // classes 6 .. 15
  if (kind < 6 || kind > 15) return false;
  *type = kTypes[kind - 6];
  return true;
}

absl::Status ReadNumbers(const std::string& where, Array array, MatArray* out) {
  if (!ClassType(array.kind, &out->type)) {
    return Bad(absl::StrCat(where, ": MATLAB class ", array.kind,
                            ", expected an array of numbers or logical"));
  }
  if (array.flags & kComplexFlag) {
    return Bad(absl::StrCat(where, ": complex, expected real numbers"));
  }
  out->big_endian = !array.rest.little();
  out->stored.type = out->type;
  out->stored.shape = array.dims;
  out->stored.bytes = {};
  if (CountElements(array, 1) == 0) return absl::OkStatus();
  SEG_ASSIGN_OR_RETURN(const Element element, array.rest.Next());
  if (!StoredType(element.type, &out->stored.type)) {
    return Damaged(
        absl::StrCat(where, ": element type ", element.type, " for numbers"));
  }
  const size_t size = RawTypeSize(out->stored.type);
  const int64_t held = static_cast<int64_t>(element.data.size() / size);
  if (element.data.size() % size != 0 || CountElements(array, held) != held) {
    return Damaged(absl::StrCat(where, ": size ",
                                absl::StrJoin(array.dims, "x"), ", but ", held,
                                " numbers are there"));
  }
  out->stored.bytes = element.data;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MatArray> ParseMatFile(string_view bytes,
                                      const std::string& variable) {
  const std::vector<std::string> parts = absl::StrSplit(variable, '.');
  for (const std::string& part : parts) {
    if (part.empty()) {
      return Bad(absl::StrCat("variable ", Quote(variable),
                              ", expected names separated by single dots"));
    }
  }
  if (bytes.size() < kHeaderSize) {
    return Bad(absl::StrCat("expected a MATLAB file of level 5, got ",
                            bytes.size(), " bytes, less than its header"));
  }
  const std::string mark(bytes.substr(kHeaderSize - 4, 4));
  if (mark == std::string("\0\2IM", 4) || mark == std::string("\2\0MI", 4)) {
    return Bad(
        "a MATLAB 7.3 (HDF5) file, expected level 5; write it by save -v7 in "
        "MATLAB");
  }
  const bool little = mark == std::string("\0\1IM", 4);
  if (!little && mark != std::string("\1\0MI", 4)) {
    return Bad(
        "expected a MATLAB file of level 5 (its mark is missing at byte 124); "
        "write it by save -v7 in MATLAB");
  }
  MatArray out;
  SEG_ASSIGN_OR_RETURN(Array array,
                       FindVariable(bytes.substr(kHeaderSize), little, parts[0],
                                    out.inflated.get()));
  std::string where = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    SEG_ASSIGN_OR_RETURN(array, FindField(where, array, parts[i]));
    absl::StrAppend(&where, ".", parts[i]);
  }
  SEG_RETURN_IF_ERROR(ReadNumbers(where, array, &out));
  return out;
}

}  // namespace seg
