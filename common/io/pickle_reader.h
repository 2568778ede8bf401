// A restricted interpreter of Python pickles: enough for what torch.save makes
// of state dicts, and nothing that could run code. It has no functions to call
// but those listed below, each of which only checks and stores its arguments.
//
// Values: None, bool, int, float, str, bytes, tuple, list, dict, OrderedDict,
// torch.XStorage references (persistent ids) and tensors on them
// (torch._utils._rebuild_tensor, _v2, _v3, _rebuild_parameter). Any other
// opcode or global is an error that names it.
//
// Source: CPython Lib/pickletools.py (opcodes of protocols 2 to 4),
// torch/_utils.py, torch/serialization.py.
//
// Safe against hostile input: no recursion; strings are views of the input;
// every length is checked against what is left; values, marks and list items
// are counted and limited, so that bookkeeping takes a constant times the
// pickle's own size and never more than about 300 MB. Values may share and even
// contain each other (the memo allows it): who walks them must bound depth and
// steps.
#ifndef SEGPAPERS_COMMON_IO_PICKLE_READER_H_
#define SEGPAPERS_COMMON_IO_PICKLE_READER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/raw_tensor.h"

namespace seg {

// Enough for 40,000 tensors; a list, tuple or dict may have as many items.
constexpr int64_t kMaxPickleValues = int64_t{1} << 20;

enum class PickleKind {
  kNone,
  kBool,
  kInt,
  kLongInt,  // beyond 64 bits: `text` has its two's complement bytes
  kFloat,
  kString,  // str or bytes
  kTuple,
  kList,
  kDict,     // `items` alternates keys and values
  kGlobal,   // `integer` is an index into the table of known globals
  kStorage,  // `integer` indexes Pickle::storage_views
  kTensor,   // `integer` indexes Pickle::tensors
};

// "tuple" and so on, for messages.
const char* PickleKindName(PickleKind kind);

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  int64_t integer = 0;  // bool and int too
  absl::string_view text;
  std::vector<int32_t> items;  // indices into Pickle::values
};

// A storage that a tensor refers to; its bytes are elsewhere in the file.
struct PickleStorage {
  absl::string_view key;
  bool untyped = false;  // then `type` is uint8
  RawType type = RawType::kUint8;
  int64_t size = 0;   // elements
  int64_t bytes = 0;  // size * RawTypeSize(type), does not overflow
};

// Elements [offset, offset + size) of a storage.
struct PickleStorageView {
  int32_t storage = 0;
  int64_t offset = 0;
  int64_t size = 0;
};

// All elements lie within the storage, and there are no more of them than the
// storage has (so an expanded view cannot demand memory that the file has not).
struct PickleTensor {
  int32_t storage = 0;
  RawType type = RawType::kUint8;
  int64_t offset = 0;  // elements of `type` from the start of the storage
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

struct Pickle {
  std::vector<PickleValue> values;
  int32_t root = 0;
  std::vector<PickleStorage> storages;
  std::vector<PickleStorageView> storage_views;
  std::vector<PickleTensor> tensors;
  size_t size = 0;  // bytes up to and with the STOP opcode
};

// Interprets the pickle at the start of `bytes`, which must outlive the result.
absl::StatusOr<Pickle> ParsePickle(absl::string_view bytes);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_PICKLE_READER_H_
