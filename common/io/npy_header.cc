#include "common/io/npy_header.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/byte_order.h"
#include "common/io/quote.h"

namespace seg {
namespace {

constexpr absl::string_view kMagic("\x93NUMPY", 6);
constexpr uint32_t kMaxHeader = 1 << 16;  // NumPy itself stops at 10000

struct TypeName {
  const char* name;  // as written; '<' also stands for "any" with one byte
  RawType type;
};
constexpr TypeName kTypeNames[] = {
    {"|b1", RawType::kBool},      {"|u1", RawType::kUint8},
    {"|i1", RawType::kInt8},      {"<u2", RawType::kUint16},
    {"<i2", RawType::kInt16},     {"<u4", RawType::kUint32},
    {"<i4", RawType::kInt32},     {"<u8", RawType::kUint64},
    {"<i8", RawType::kInt64},     {"<f2", RawType::kFloat16},
    {"<f4", RawType::kFloat32},   {"<f8", RawType::kFloat64},
    {"<c8", RawType::kComplex64}, {"<c16", RawType::kComplex128},
};

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("npy: ", what));
}

// Reads the few forms of Python literal that a header is made of.
class LiteralReader {
 public:
  explicit LiteralReader(absl::string_view text) : rest_(text) {}

  // Skips blanks; true and consumed when `token` comes next.
  bool Take(absl::string_view token) {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    if (!absl::StartsWith(rest_, token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  // 'text' or "text", no escapes.
  bool TakeString(std::string* value) {
    const char quote = Take("'") ? '\'' : Take("\"") ? '"' : 0;
    if (quote == 0) return false;
    const size_t end = rest_.find(quote);
    if (end == absl::string_view::npos) return false;
    *value = std::string(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return true;
  }

  // Decimal digits; Python 2 wrote an L after long ones.
  bool TakeSize(int64_t* value) {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    size_t digits = 0;
    while (digits < rest_.size() && absl::ascii_isdigit(rest_[digits])) {
      ++digits;
    }
    if (!absl::SimpleAtoi(rest_.substr(0, digits), value)) return false;
    rest_.remove_prefix(digits);
    if (absl::StartsWith(rest_, "L")) rest_.remove_prefix(1);
    return true;
  }

  // (), (3,), (3, 4), (3, 4,).
  bool TakeShape(std::vector<int64_t>* shape) {
    if (!Take("(")) return false;
    while (!Take(")")) {
      int64_t size = 0;
      if (static_cast<int64_t>(shape->size()) >= kMaxDims) return false;
      if (!TakeSize(&size)) return false;
      shape->push_back(size);
      if (Take(",")) continue;
      // (3) is a number in Python, not a tuple.
      return shape->size() > 1 && Take(")");
    }
    return true;
  }

  bool AtEnd() {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    return rest_.empty();
  }

 private:
  absl::string_view rest_;
};

absl::Status ParseType(const std::string& descr, NpyFile* file) {
  std::string name = descr;
  file->big_endian = absl::StartsWith(name, ">");
  if (file->big_endian) name[0] = '<';
  for (const TypeName& known : kTypeNames) {
    // A single byte has no order: accept any mark.
    const bool match = RawTypeSize(known.type) == 1
                           ? name.size() == 3 &&
                                 (name[0] == '<' || name[0] == '|') &&
                                 absl::EndsWith(name, known.name + 1)
                           : name == known.name;
    if (match) {
      file->tensor.type = known.type;
      if (RawTypeSize(known.type) == 1) file->big_endian = false;
      return absl::OkStatus();
    }
  }
  return Invalid(absl::StrCat("unsupported dtype ", Quote(descr),
                              ", expected bool, integers, float16 to "
                              "float64 or complex"));
}

// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
absl::Status ParseDictionary(absl::string_view text, NpyFile* file) {
  LiteralReader reader(text);
  if (!reader.Take("{")) return Invalid("header is not a dictionary");
  bool has_descr = false, has_order = false, has_shape = false;
  while (!reader.Take("}")) {
    std::string key;
    if (!reader.TakeString(&key) || !reader.Take(":")) {
      return Invalid("header dictionary is malformed");
    }
    bool* seen = key == "descr"           ? &has_descr
                 : key == "fortran_order" ? &has_order
                 : key == "shape"         ? &has_shape
                                          : nullptr;
    if (seen == nullptr || *seen) {
      return Invalid(absl::StrCat("header has ",
                                  seen == nullptr ? "unknown" : "duplicate",
                                  " key ", Quote(key)));
    }
    *seen = true;
    if (seen == &has_descr) {
      std::string descr;
      if (!reader.TakeString(&descr)) {
        return Invalid(
            "descr is not a string; structured dtypes are not "
            "supported");
      }
      SEG_RETURN_IF_ERROR(ParseType(descr, file));
    } else if (seen == &has_order) {
      file->fortran_order = reader.Take("True");
      if (!file->fortran_order && !reader.Take("False")) {
        return Invalid("fortran_order is neither True nor False");
      }
    } else if (!reader.TakeShape(&file->tensor.shape)) {
      return Invalid(absl::StrCat("shape is not a tuple of at most ", kMaxDims,
                                  " sizes below 2^63"));
    }
    if (!reader.Take(",")) {
      if (!reader.Take("}")) return Invalid("header dictionary is malformed");
      break;
    }
  }
  if (!has_descr || !has_order || !has_shape) {
    return Invalid("header lacks descr, fortran_order or shape");
  }
  if (!reader.AtEnd()) return Invalid("header has text after the dictionary");
  return absl::OkStatus();
}

}  // namespace

const char* NpyTypeName(RawType type) {
  for (const TypeName& known : kTypeNames) {
    if (known.type == type) return known.name;
  }
  return nullptr;
}

absl::StatusOr<NpyFile> ParseNpyFile(absl::string_view bytes) {
  if (!absl::StartsWith(bytes, kMagic)) {
    return Invalid(
        bytes.size() < kMagic.size()
            ? absl::StrCat("file of ", bytes.size(), " bytes is too short")
            : "file does not begin with \\x93NUMPY");
  }
  if (bytes.size() < 8) return Invalid("file ends in the version");
  const int major = static_cast<uint8_t>(bytes[6]);
  if (major < 1 || major > 3) {
    return Invalid(absl::StrCat("unknown version ", major, ".",
                                static_cast<uint8_t>(bytes[7]),
                                ", expected 1.0 to 3.0"));
  }
  const size_t length_bytes = major == 1 ? 2 : 4;
  if (bytes.size() < 8 + length_bytes) {
    return Invalid("file ends in the header length");
  }
  const auto length = static_cast<uint32_t>(
      LoadLittle(bytes, 8, static_cast<int>(length_bytes)));
  absl::string_view data = bytes.substr(8 + length_bytes);
  if (length > kMaxHeader || length > data.size()) {
    return Invalid(absl::StrCat("header length ", length, " exceeds the ",
                                std::min<size_t>(data.size(), kMaxHeader),
                                " bytes possible; is the file truncated?"));
  }
  NpyFile file;
  SEG_RETURN_IF_ERROR(ParseDictionary(data.substr(0, length), &file));
  data.remove_prefix(length);
  const absl::StatusOr<int64_t> count = CountElements(file.tensor.shape);
  if (!count.ok()) return Invalid(std::string(count.status().message()));
  int64_t size = 0;
  if (!MultiplyChecked(*count, RawTypeSize(file.tensor.type), &size) ||
      size != static_cast<int64_t>(data.size())) {
    return Invalid(absl::StrCat(
        RawTypeName(file.tensor.type), " ", ShapeString(file.tensor.shape),
        " does not fill the ", data.size(),
        " bytes after the header exactly; is the file truncated?"));
  }
  file.tensor.bytes = data;
  return file;
}

}  // namespace seg
