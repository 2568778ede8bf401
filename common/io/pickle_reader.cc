#include "common/io/pickle_reader.h"

#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/io/byte_order.h"
#include "common/io/pickle_globals.h"
#include "common/io/pickle_opcodes.h"
#include "common/io/quote.h"

namespace seg {
namespace {

using namespace pickle_opcode;

class Machine {
 public:
  explicit Machine(absl::string_view bytes) : bytes_(bytes) {}

  absl::StatusOr<Pickle> Run() {
    bool done = false;
    while (!done) {
      opcode_at_ = at_;
      if (at_ >= bytes_.size()) return Error("pickle ends without STOP");
      const auto opcode = static_cast<uint8_t>(bytes_[at_++]);
      if (opcode == kStop) {
        done = true;
      } else {
        SEG_RETURN_IF_ERROR(Execute(opcode));
      }
    }
    if (stack_.size() != 1 || !marks_.empty()) {
      return Error("pickle stops with other than one value");
    }
    pickle_.root = stack_[0];
    pickle_.size = at_;
    return std::move(pickle_);
  }

 private:
  absl::Status Error(const std::string& what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("pickle: ", what, " (byte ", opcode_at_, ")"));
  }

  // The next `size` bytes.
  absl::Status Take(uint64_t size, absl::string_view* taken) {
    if (size > bytes_.size() - at_) {
      return Error(absl::StrCat("value of ", size, " bytes leaves the file"));
    }
    *taken = bytes_.substr(at_, size);
    at_ += size;
    return absl::OkStatus();
  }
  absl::Status TakeNumber(int size, uint64_t* value) {
    absl::string_view taken;
    SEG_RETURN_IF_ERROR(Take(size, &taken));
    *value = LoadLittle(taken, 0, size);
    return absl::OkStatus();
  }
  // Up to a newline, which is taken too.
  absl::Status TakeLine(absl::string_view* line) {
    const size_t end = bytes_.find('\n', at_);
    if (end == absl::string_view::npos) return Error("name has no end");
    SEG_RETURN_IF_ERROR(Take(end - at_, line));
    ++at_;
    return absl::OkStatus();
  }

  absl::Status Push(PickleValue value) {
    SEG_RETURN_IF_ERROR(Limit(pickle_.values.size(), "values"));
    SEG_RETURN_IF_ERROR(CountSlots(value.items.size()));
    SEG_RETURN_IF_ERROR(PushIndex(static_cast<int32_t>(pickle_.values.size())));
    pickle_.values.push_back(std::move(value));
    return absl::OkStatus();
  }
  absl::Status PushInteger(PickleKind kind, int64_t integer) {
    PickleValue value;
    value.kind = kind;
    value.integer = integer;
    return Push(std::move(value));
  }
  absl::Status PushKind(PickleKind kind) { return PushInteger(kind, 0); }

  absl::Status PushIndex(int32_t index) {
    SEG_RETURN_IF_ERROR(Limit(stack_.size(), "values on the stack"));
    stack_.push_back(index);
    return absl::OkStatus();
  }
  absl::Status Limit(size_t count, const char* what) const {
    if (static_cast<int64_t>(count) < kMaxPickleValues) {
      return absl::OkStatus();
    }
    return Error(absl::StrCat("more than ", kMaxPickleValues, " ", what));
  }
  // Items of all containers and sizes of all tensors. Calls can copy them, so
  // they are not bounded by the number of opcodes.
  absl::Status CountSlots(size_t count) {
    slots_ += static_cast<int64_t>(count);
    if (slots_ <= 8 * kMaxPickleValues) return absl::OkStatus();
    return Error(absl::StrCat("more than ", 8 * kMaxPickleValues, " items"));
  }

  // Values above the last mark.
  size_t Available() const {
    return stack_.size() - (marks_.empty() ? 0 : marks_.back());
  }
  absl::Status Need(size_t count) const {
    if (Available() >= count) return absl::OkStatus();
    return Error("stack underflow");
  }
  PickleValue& Top(size_t below = 0) {
    return pickle_.values[stack_[stack_.size() - 1 - below]];
  }
  // Removes the last mark and what is above it, which goes to `items`.
  absl::Status TakeToMark(std::vector<int32_t>* items) {
    if (marks_.empty()) return Error("no mark on the stack");
    items->insert(items->end(), stack_.begin() + marks_.back(), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return absl::OkStatus();
  }

  absl::Status Execute(uint8_t opcode);
  absl::Status ExecuteAtom(uint8_t opcode);
  absl::Status ExecuteContainer(uint8_t opcode);
  absl::Status ExecuteMemo(uint8_t opcode);
  absl::Status ExecuteObject(uint8_t opcode);
  absl::Status PushText(int length_bytes);
  absl::Status PushLong(int length_bytes);
  absl::Status PushTuple(size_t count);
  absl::Status Extend(PickleKind kind, const std::vector<int32_t>& items);
  absl::Status PushGlobal(absl::string_view module, absl::string_view name);

  const absl::string_view bytes_;
  size_t at_ = 0;
  size_t opcode_at_ = 0;
  Pickle pickle_;
  std::vector<int32_t> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  int64_t slots_ = 0;
  std::map<uint64_t, int32_t> memo_;
  std::map<absl::string_view, int32_t> storage_keys_;
};

absl::Status Machine::Execute(uint8_t opcode) {
  switch (opcode) {
    case kProto: {
      uint64_t protocol = 0;
      SEG_RETURN_IF_ERROR(TakeNumber(1, &protocol));
      if (protocol < 2 || protocol > 5) {
        return Error(absl::StrCat("protocol ", protocol,
                                  " is not supported, expected 2 to 5"));
      }
      return absl::OkStatus();
    }
    case kFrame: {
      uint64_t size = 0;
      SEG_RETURN_IF_ERROR(TakeNumber(8, &size));
      if (size > bytes_.size() - at_) return Error("frame leaves the file");
      return absl::OkStatus();
    }
    case kMark:
      SEG_RETURN_IF_ERROR(Limit(marks_.size(), "marks"));
      marks_.push_back(stack_.size());
      return absl::OkStatus();
    case kPop:
      SEG_RETURN_IF_ERROR(Need(1));
      stack_.pop_back();
      return absl::OkStatus();
    case kPopMark: {
      std::vector<int32_t> dropped;
      return TakeToMark(&dropped);
    }
    case kNone:
    case kNewTrue:
    case kNewFalse:
    case kBinInt:
    case kBinInt1:
    case kBinInt2:
    case kLong1:
    case kLong4:
    case kBinFloat:
    case kShortBinString:
    case kShortBinBytes:
    case kShortBinUnicode:
    case kBinString:
    case kBinBytes:
    case kBinUnicode:
    case kBinBytes8:
    case kBinUnicode8:
      return ExecuteAtom(opcode);
    case kEmptyTuple:
    case kTuple1:
    case kTuple2:
    case kTuple3:
    case kTuple:
    case kEmptyList:
    case kList:
    case kEmptyDict:
    case kDict:
    case kAppend:
    case kAppends:
    case kSetItem:
    case kSetItems:
      return ExecuteContainer(opcode);
    case kBinGet:
    case kLongBinGet:
    case kBinPut:
    case kLongBinPut:
    case kMemoize:
      return ExecuteMemo(opcode);
    case kGlobal:
    case kStackGlobal:
    case kReduce:
    case kBuild:
    case kBinPersId:
      return ExecuteObject(opcode);
    default:
      return Error(absl::StrFormat("opcode 0x%02x (%s) is not allowed", opcode,
                                   RefusedPickleOpcodeName(opcode)));
  }
}

absl::Status Machine::ExecuteAtom(uint8_t opcode) {
  uint64_t number = 0;
  switch (opcode) {
    case kNone:
      return PushKind(PickleKind::kNone);
    case kNewTrue:
      return PushInteger(PickleKind::kBool, 1);
    case kNewFalse:
      return PushInteger(PickleKind::kBool, 0);
    case kBinInt:
      SEG_RETURN_IF_ERROR(TakeNumber(4, &number));
      return PushInteger(PickleKind::kInt,
                         static_cast<int32_t>(static_cast<uint32_t>(number)));
    case kBinInt1:
      SEG_RETURN_IF_ERROR(TakeNumber(1, &number));
      return PushInteger(PickleKind::kInt, static_cast<int64_t>(number));
    case kBinInt2:
      SEG_RETURN_IF_ERROR(TakeNumber(2, &number));
      return PushInteger(PickleKind::kInt, static_cast<int64_t>(number));
    case kLong1:
      return PushLong(1);
    case kLong4:
      return PushLong(4);
    case kBinFloat:  // its value is never needed
      SEG_RETURN_IF_ERROR(TakeNumber(8, &number));
      return PushKind(PickleKind::kFloat);
    case kShortBinString:
    case kShortBinBytes:
    case kShortBinUnicode:
      return PushText(1);
    case kBinString:
    case kBinBytes:
    case kBinUnicode:
      return PushText(4);
    default:  // kBinBytes8, kBinUnicode8
      return PushText(8);
  }
}

absl::Status Machine::PushText(int length_bytes) {
  uint64_t size = 0;
  PickleValue value;
  value.kind = PickleKind::kString;
  SEG_RETURN_IF_ERROR(TakeNumber(length_bytes, &size));
  SEG_RETURN_IF_ERROR(Take(size, &value.text));
  return Push(std::move(value));
}

// Two's complement, little endian, of any length.
absl::Status Machine::PushLong(int length_bytes) {
  uint64_t size = 0;
  PickleValue value;
  SEG_RETURN_IF_ERROR(TakeNumber(length_bytes, &size));
  SEG_RETURN_IF_ERROR(Take(size, &value.text));
  value.kind = PickleKind::kLongInt;
  if (size <= 8) {
    value.kind = PickleKind::kInt;
    uint64_t number = LoadLittle(value.text, 0, static_cast<int>(size));
    if (size > 0 && size < 8 && value.text.back() & 0x80) {
      number |= ~uint64_t{0} << (8 * size);  // sign
    }
    std::memcpy(&value.integer, &number, sizeof(number));
  }
  return Push(std::move(value));
}

absl::Status Machine::PushTuple(size_t count) {
  SEG_RETURN_IF_ERROR(Need(count));
  PickleValue tuple;
  tuple.kind = PickleKind::kTuple;
  tuple.items.assign(stack_.end() - count, stack_.end());
  stack_.resize(stack_.size() - count);
  return Push(std::move(tuple));
}

// Appends to the list or dict at the top.
absl::Status Machine::Extend(PickleKind kind,
                             const std::vector<int32_t>& items) {
  SEG_RETURN_IF_ERROR(Need(1));
  PickleValue& target = Top();
  if (target.kind != kind ||
      (kind == PickleKind::kDict && items.size() % 2 != 0)) {
    return Error(absl::StrCat("items are added to a ",
                              PickleKindName(target.kind), " as to a ",
                              PickleKindName(kind)));
  }
  SEG_RETURN_IF_ERROR(CountSlots(items.size()));
  target.items.insert(target.items.end(), items.begin(), items.end());
  return absl::OkStatus();
}

absl::Status Machine::ExecuteContainer(uint8_t opcode) {
  PickleValue value;
  switch (opcode) {
    case kEmptyTuple:
      return PushTuple(0);
    case kTuple1:
      return PushTuple(1);
    case kTuple2:
      return PushTuple(2);
    case kTuple3:
      return PushTuple(3);
    case kEmptyList:
      return PushKind(PickleKind::kList);
    case kEmptyDict:
      return PushKind(PickleKind::kDict);
    case kTuple:
    case kList:
    case kDict:
      value.kind = opcode == kTuple  ? PickleKind::kTuple
                   : opcode == kList ? PickleKind::kList
                                     : PickleKind::kDict;
      SEG_RETURN_IF_ERROR(TakeToMark(&value.items));
      if (opcode == kDict && value.items.size() % 2 != 0) {
        return Error("dict has a key without a value");
      }
      return Push(std::move(value));
    case kAppend:
    case kSetItem: {
      const size_t count = opcode == kAppend ? 1 : 2;
      SEG_RETURN_IF_ERROR(Need(count + 1));
      const std::vector<int32_t> items(stack_.end() - count, stack_.end());
      stack_.resize(stack_.size() - count);
      return Extend(opcode == kAppend ? PickleKind::kList : PickleKind::kDict,
                    items);
    }
    default: {  // kAppends, kSetItems
      std::vector<int32_t> items;
      SEG_RETURN_IF_ERROR(TakeToMark(&items));
      return Extend(opcode == kAppends ? PickleKind::kList : PickleKind::kDict,
                    items);
    }
  }
}

absl::Status Machine::ExecuteMemo(uint8_t opcode) {
  uint64_t index = memo_.size();
  if (opcode != kMemoize) {
    const bool is_long = opcode == kLongBinGet || opcode == kLongBinPut;
    SEG_RETURN_IF_ERROR(TakeNumber(is_long ? 4 : 1, &index));
  }
  if (opcode == kBinGet || opcode == kLongBinGet) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) {
      return Error(absl::StrCat("memo has no entry ", index));
    }
    return PushIndex(found->second);
  }
  SEG_RETURN_IF_ERROR(Need(1));
  SEG_RETURN_IF_ERROR(Limit(memo_.size(), "memo entries"));
  memo_[index] = stack_.back();
  return absl::OkStatus();
}

absl::Status Machine::PushGlobal(absl::string_view module,
                                 absl::string_view name) {
  const absl::StatusOr<int64_t> global = FindPickleGlobal(module, name);
  if (!global.ok()) return global.status();
  return PushInteger(PickleKind::kGlobal, *global);
}

absl::Status Machine::ExecuteObject(uint8_t opcode) {
  absl::string_view module, name;
  if (opcode == kGlobal) {
    SEG_RETURN_IF_ERROR(TakeLine(&module));
    SEG_RETURN_IF_ERROR(TakeLine(&name));
    return PushGlobal(module, name);
  }
  if (opcode == kBinPersId) {
    SEG_RETURN_IF_ERROR(Need(1));
    absl::StatusOr<PickleValue> storage =
        LoadPickleStorage(Top(), &storage_keys_, &pickle_);
    if (!storage.ok()) return storage.status();
    stack_.pop_back();
    return Push(*std::move(storage));
  }
  SEG_RETURN_IF_ERROR(Need(2));
  const PickleValue& first = Top(1);
  const PickleValue& second = Top(0);
  if (opcode == kStackGlobal) {
    if (first.kind != PickleKind::kString ||
        second.kind != PickleKind::kString) {
      return Error("name of a global is not a string");
    }
    module = first.text;
    name = second.text;
    stack_.resize(stack_.size() - 2);
    return PushGlobal(module, name);
  }
  if (opcode == kBuild) {
    // state_dict() carries its `_metadata` as an attribute: passed over.
    if (first.kind != PickleKind::kDict) {
      return Error(
          absl::StrCat("attributes are set on a ", PickleKindName(first.kind)));
    }
    stack_.pop_back();
    return absl::OkStatus();
  }
  if (first.kind != PickleKind::kGlobal || second.kind != PickleKind::kTuple) {
    return Error(absl::StrCat("a ", PickleKindName(first.kind),
                              " is called with a ",
                              PickleKindName(second.kind)));
  }
  absl::StatusOr<PickleValue> result =
      CallPickleGlobal(first.integer, second, &pickle_);
  if (!result.ok()) return result.status();
  if (result->kind == PickleKind::kTensor) {
    SEG_RETURN_IF_ERROR(
        CountSlots(2 * pickle_.tensors[result->integer].shape.size()));
  }
  stack_.resize(stack_.size() - 2);
  return Push(*std::move(result));
}

}  // namespace

absl::StatusOr<Pickle> ParsePickle(absl::string_view bytes) {
  return Machine(bytes).Run();
}

}  // namespace seg
