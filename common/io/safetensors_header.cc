#include "common/io/safetensors_header.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/io/byte_order.h"
#include "common/io/quote.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

using Json = nlohmann::json;

constexpr size_t kPrefix = 8;  // the u64 in front of the header

struct TypeName {
  const char* name;
  RawType type;
};
constexpr TypeName kTypeNames[] = {
    {"BOOL", RawType::kBool},
    {"U8", RawType::kUint8},
    {"I8", RawType::kInt8},
    {"U16", RawType::kUint16},
    {"I16", RawType::kInt16},
    {"U32", RawType::kUint32},
    {"I32", RawType::kInt32},
    {"U64", RawType::kUint64},
    {"I64", RawType::kInt64},
    {"F8_E4M3", RawType::kFloat8E4m3},
    {"F8_E5M2", RawType::kFloat8E5m2},
    {"F8_E8M0", RawType::kFloat8E8m0},
    {"F16", RawType::kFloat16},
    {"BF16", RawType::kBfloat16},
    {"F32", RawType::kFloat32},
    {"F64", RawType::kFloat64},
    {"C64", RawType::kComplex64},
};

// Reads the header as a stream of events: keeps what the format has, stops at
// the first thing that it does not have, and sees duplicate keys, which a
// parsed object would hide. Depth and memory stay bounded whatever comes.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  struct Entry {
    std::string name;
    std::string dtype;
    std::vector<int64_t> shape;
    std::vector<int64_t> offsets;
    bool has_dtype = false, has_shape = false, has_offsets = false;
  };

  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string error;

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_integer(int64_t) override {  // negative only
    return Unexpected("a negative number");
  }
  bool number_float(double, const std::string& text) override {
    return Unexpected("the number " + text.substr(0, 40));
  }
  bool binary(Json::binary_t&) override { return Unexpected("binary"); }
  bool number_unsigned(uint64_t value) override;
  bool string(std::string& value) override;
  bool key(std::string& value) override;
  bool start_object(size_t) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("header is not valid JSON at byte ", position));
  }

 private:
  enum class State {
    kStart,     // before the outer object
    kTop,       // in it
    kMetadata,  // in "__metadata__"
    kTensor,    // in the object of a tensor
    kShape,     // in its "shape"
    kOffsets,   // in its "data_offsets"
    kDone,
  };

  bool Fail(std::string message) {
    error = std::move(message);
    return false;
  }
  bool Unexpected(const std::string& what) {
    return Fail(absl::StrCat("header has ", what, " ", Where(),
                             " where the format has none"));
  }
  std::string Where() const {
    switch (state_) {
      case State::kStart:
      case State::kDone:
      case State::kTop:
        return "at the top";
      case State::kMetadata:
        return absl::StrCat("in __metadata__");
      default:
        return absl::StrCat("in ", Quote(entries.back().name), ".", key_);
    }
  }

  State state_ = State::kStart;
  std::string key_;  // the last one of the current object
  bool has_metadata_ = false;
};

bool HeaderReader::number_unsigned(uint64_t value) {
  if (state_ != State::kShape && state_ != State::kOffsets) {
    return Unexpected("a number");
  }
  if (value > static_cast<uint64_t>(INT64_MAX)) {
    return Fail(absl::StrCat("number ", value, " is too large ", Where()));
  }
  Entry& entry = entries.back();
  std::vector<int64_t>& list =
      state_ == State::kShape ? entry.shape : entry.offsets;
  const int64_t limit = state_ == State::kShape ? kMaxDims : 2;
  if (static_cast<int64_t>(list.size()) >= limit) {
    return Fail(absl::StrCat("more than ", limit, " numbers ", Where()));
  }
  list.push_back(static_cast<int64_t>(value));
  return true;
}

bool HeaderReader::string(std::string& value) {
  if (state_ == State::kMetadata) {
    metadata[key_] = std::move(value);
    return true;
  }
  if (state_ == State::kTensor && key_ == "dtype") {
    entries.back().dtype = std::move(value);
    return true;
  }
  return Unexpected("a string");
}

bool HeaderReader::key(std::string& value) {
  key_ = std::move(value);
  if (state_ == State::kMetadata) {
    if (!metadata.emplace(key_, "").second) {
      return Fail(absl::StrCat("duplicate key ", Quote(key_), " ", Where()));
    }
  } else if (state_ == State::kTensor) {
    Entry& entry = entries.back();
    bool* seen = key_ == "dtype"          ? &entry.has_dtype
                 : key_ == "shape"        ? &entry.has_shape
                 : key_ == "data_offsets" ? &entry.has_offsets
                                          : nullptr;
    if (seen == nullptr) {
      return Fail(absl::StrCat("unknown key ", Quote(key_), " in ",
                               Quote(entry.name),
                               ", expected dtype, shape, data_offsets"));
    }
    if (*seen) {
      return Fail(absl::StrCat("duplicate key ", Quote(key_), " in ",
                               Quote(entry.name)));
    }
    *seen = true;
  }
  return true;
}

bool HeaderReader::start_object(size_t) {
  if (state_ == State::kStart) {
    state_ = State::kTop;
  } else if (state_ == State::kTop && key_ == "__metadata__") {
    if (has_metadata_) return Fail("duplicate key \"__metadata__\"");
    has_metadata_ = true;
    state_ = State::kMetadata;
  } else if (state_ == State::kTop) {
    entries.emplace_back();
    entries.back().name = key_;
    state_ = State::kTensor;
  } else {
    return Unexpected("an object");
  }
  return true;
}

bool HeaderReader::end_object() {
  if (state_ == State::kTensor) {
    const Entry& entry = entries.back();
    if (!entry.has_dtype || !entry.has_shape || entry.offsets.size() != 2) {
      return Fail(absl::StrCat(Quote(entry.name),
                               " lacks dtype, shape or two data_offsets"));
    }
  }
  state_ = state_ == State::kTop ? State::kDone : State::kTop;
  return true;
}

bool HeaderReader::start_array(size_t) {
  if (state_ != State::kTensor || key_ == "dtype") {
    return Unexpected("an array");
  }
  state_ = key_ == "shape" ? State::kShape : State::kOffsets;
  return true;
}

bool HeaderReader::end_array() {
  state_ = State::kTensor;
  return true;
}

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("safetensors: ", what));
}

// Type, shape and bytes of one entry. Its offsets must lie within `data`.
absl::StatusOr<RawTensor> CheckEntry(const HeaderReader::Entry& entry,
                                     absl::string_view data) {
  RawTensor tensor;
  const auto* type =
      std::find_if(std::begin(kTypeNames), std::end(kTypeNames),
                   [&](const TypeName& t) { return entry.dtype == t.name; });
  if (type == std::end(kTypeNames)) {
    return Invalid(absl::StrCat(Quote(entry.name), " has unknown dtype ",
                                Quote(entry.dtype)));
  }
  tensor.type = type->type;
  tensor.shape = entry.shape;
  const absl::StatusOr<int64_t> count = CountElements(entry.shape);
  if (!count.ok()) {
    return Invalid(
        absl::StrCat(Quote(entry.name), ": ", count.status().message()));
  }
  const int64_t begin = entry.offsets[0];
  const int64_t end = entry.offsets[1];
  const int64_t total = static_cast<int64_t>(data.size());
  if (begin > end || end > total) {
    return Invalid(absl::StrCat(Quote(entry.name), " has data_offsets [", begin,
                                ", ", end, "] outside the ", total,
                                " bytes of data; is the file truncated?"));
  }
  int64_t size = 0;
  if (!MultiplyChecked(*count, RawTypeSize(tensor.type), &size) ||
      size != end - begin) {
    return Invalid(absl::StrCat(Quote(entry.name), " is ", entry.dtype, " ",
                                ShapeString(entry.shape), " but has ",
                                end - begin, " bytes"));
  }
  tensor.bytes = data.substr(begin, size);
  return tensor;
}

// The tensors must cover the data exactly, each byte once. `data_at`: where in
// the file it begins.
absl::Status CheckCover(std::vector<HeaderReader::Entry>* entries,
                        int64_t data_at, int64_t data_size) {
  std::sort(entries->begin(), entries->end(),
            [](const HeaderReader::Entry& a, const HeaderReader::Entry& b) {
              return a.offsets != b.offsets ? a.offsets < b.offsets
                                            : a.name < b.name;
            });
  int64_t end = 0;
  for (const HeaderReader::Entry& entry : *entries) {
    if (entry.offsets[0] != end) {
      return Invalid(absl::StrCat(
          Quote(entry.name), " begins at byte ", entry.offsets[0],
          entry.offsets[0] < end ? " and overlaps the tensor before it, which "
                                   "ends at "
                                 : " and leaves a hole after byte ",
          end));
    }
    end = entry.offsets[1];
  }
  if (end != data_size) {
    return Invalid(
        absl::StrCat(data_size - end,
                     " bytes follow the last tensor, where the format has "
                     "none; cut the file to its first ",
                     data_at + end, " bytes (truncate -s), or save it again"));
  }
  return absl::OkStatus();
}

}  // namespace

const char* SafetensorsTypeName(RawType type) {
  for (const TypeName& t : kTypeNames) {
    if (t.type == type) return t.name;
  }
  return nullptr;
}

bool LooksLikeSafetensors(absl::string_view bytes) {
  if (bytes.size() <= kPrefix) return false;
  const uint64_t length = LoadLittle(bytes, 0, 8);
  return length > 0 && length <= uint64_t{kMaxSafetensorsHeader} &&
         bytes[kPrefix] == '{';
}

absl::StatusOr<SafetensorsFile> ParseSafetensorsFile(absl::string_view bytes) {
  if (bytes.size() < kPrefix) {
    return Invalid(absl::StrCat("file of ", bytes.size(),
                                " bytes is too short for the header length"));
  }
  const uint64_t length = LoadLittle(bytes, 0, 8);
  if (length > uint64_t{kMaxSafetensorsHeader}) {
    return Invalid(absl::StrCat("header length ", length,
                                " is above the limit of ",
                                kMaxSafetensorsHeader));
  }
  if (length > bytes.size() - kPrefix) {
    return Invalid(absl::StrCat("header length ", length, " exceeds the ",
                                bytes.size() - kPrefix,
                                " bytes after it; is the file truncated?"));
  }
  const absl::string_view header = bytes.substr(kPrefix, length);
  const absl::string_view data = bytes.substr(kPrefix + length);
  if (header.empty() || header[0] != '{') {
    return Invalid("header must begin with '{'");
  }
  HeaderReader reader;
  if (!Json::sax_parse(header.begin(), header.end(), &reader)) {
    return Invalid(reader.error);
  }
  SafetensorsFile file;
  for (const HeaderReader::Entry& entry : reader.entries) {
    absl::StatusOr<RawTensor> tensor = CheckEntry(entry, data);
    if (!tensor.ok()) return tensor.status();
    if (!file.tensors.emplace(entry.name, *std::move(tensor)).second) {
      return Invalid(absl::StrCat("duplicate tensor ", Quote(entry.name)));
    }
  }
  absl::Status cover =
      CheckCover(&reader.entries, static_cast<int64_t>(kPrefix + length),
                 static_cast<int64_t>(data.size()));
  if (!cover.ok()) return cover;
  file.metadata = std::move(reader.metadata);
  return file;
}

}  // namespace seg
