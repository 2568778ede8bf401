#include "common/io/pickle_globals.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/quote.h"

namespace seg {
namespace {

enum class Role {
  kOrderedDict,
  kRebuildTensor,     // (storage, offset, size, stride[, grad, hooks, meta])
  kRebuildTensorV3,   // (storage, offset, size, stride, grad, hooks, dtype, ..)
  kRebuildParameter,  // (tensor, grad, hooks)
  kStorageType,
  kUntypedStorage,
  kDtype,
};

struct Global {
  const char* module;
  const char* name;
  Role role;
  RawType type;
};

constexpr RawType kNoType = RawType::kUint8;
constexpr Global kGlobals[] = {
    {"collections", "OrderedDict", Role::kOrderedDict, kNoType},
    {"torch._utils", "_rebuild_tensor", Role::kRebuildTensor, kNoType},
    {"torch._utils", "_rebuild_tensor_v2", Role::kRebuildTensor, kNoType},
    {"torch._utils", "_rebuild_tensor_v3", Role::kRebuildTensorV3, kNoType},
    {"torch._utils", "_rebuild_parameter", Role::kRebuildParameter, kNoType},
    {"torch", "BoolStorage", Role::kStorageType, RawType::kBool},
    {"torch", "ByteStorage", Role::kStorageType, RawType::kUint8},
    {"torch", "CharStorage", Role::kStorageType, RawType::kInt8},
    {"torch", "ShortStorage", Role::kStorageType, RawType::kInt16},
    {"torch", "IntStorage", Role::kStorageType, RawType::kInt32},
    {"torch", "LongStorage", Role::kStorageType, RawType::kInt64},
    {"torch", "HalfStorage", Role::kStorageType, RawType::kFloat16},
    {"torch", "BFloat16Storage", Role::kStorageType, RawType::kBfloat16},
    {"torch", "FloatStorage", Role::kStorageType, RawType::kFloat32},
    {"torch", "DoubleStorage", Role::kStorageType, RawType::kFloat64},
    {"torch", "ComplexFloatStorage", Role::kStorageType, RawType::kComplex64},
    {"torch", "ComplexDoubleStorage", Role::kStorageType, RawType::kComplex128},
    {"torch.storage", "UntypedStorage", Role::kUntypedStorage, kNoType},
    // Types without a storage class of their own come with _rebuild_tensor_v3.
    {"torch", "uint16", Role::kDtype, RawType::kUint16},
    {"torch", "uint32", Role::kDtype, RawType::kUint32},
    {"torch", "uint64", Role::kDtype, RawType::kUint64},
    {"torch", "float8_e4m3fn", Role::kDtype, RawType::kFloat8E4m3},
    {"torch", "float8_e5m2", Role::kDtype, RawType::kFloat8E5m2},
    {"torch", "float8_e8m0fnu", Role::kDtype, RawType::kFloat8E8m0},
};

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("pickle: ", what));
}

PickleValue MakeValue(PickleKind kind, size_t index) {
  PickleValue value;
  value.kind = kind;
  value.integer = static_cast<int64_t>(index);
  return value;
}

const PickleValue& Item(const Pickle& pickle, const PickleValue& list,
                        size_t i) {
  return pickle.values[list.items[i]];
}

bool HasRole(const PickleValue& value, Role role) {
  return value.kind == PickleKind::kGlobal &&
         kGlobals[value.integer].role == role;
}

// A tuple of integers >= 0, as sizes and strides are.
absl::StatusOr<std::vector<int64_t>> ToSizes(const Pickle& pickle,
                                             const PickleValue& value,
                                             const char* what) {
  if (value.kind != PickleKind::kTuple && value.kind != PickleKind::kList) {
    return Invalid(absl::StrCat("tensor ", what, " must be a tuple, got ",
                                PickleKindName(value.kind)));
  }
  if (static_cast<int64_t>(value.items.size()) > kMaxDims) {
    return Invalid(absl::StrCat("tensor has ", value.items.size(),
                                " dimensions, at most ", kMaxDims,
                                " are supported"));
  }
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < value.items.size(); ++i) {
    const PickleValue& item = Item(pickle, value, i);
    if (item.kind != PickleKind::kInt || item.integer < 0) {
      return Invalid(
          absl::StrCat("tensor ", what, " must be integers in 0..2^63-1"));
    }
    sizes.push_back(item.integer);
  }
  return sizes;
}

// Checks that the elements lie in the view, and makes offset and strides
// those of the whole storage.
absl::Status PlaceTensor(const Pickle& pickle, const PickleStorageView& view,
                         PickleTensor* tensor) {
  const PickleStorage& storage = pickle.storages[view.storage];
  const int64_t item = storage.untyped ? RawTypeSize(tensor->type) : 1;
  const int64_t available = view.size / item;
  const auto outside = [&](const char* what) {
    return Invalid(absl::StrCat("tensor of size ", ShapeString(tensor->shape),
                                ", stride ", ShapeString(tensor->strides),
                                ", offset ", tensor->offset, " ", what, " of ",
                                available, " elements"));
  };
  const absl::StatusOr<int64_t> count = CountElements(tensor->shape);
  if (!count.ok()) {
    return Invalid(absl::StrCat("tensor ", count.status().message()));
  }
  if (tensor->shape.size() != tensor->strides.size()) {
    return Invalid("tensor has sizes and strides of different number");
  }
  if (view.offset % item != 0) {
    return Invalid("tensor is not aligned in its untyped storage");
  }
  // More elements than the storage has: an expanded view, which would take
  // more memory than the file.
  if (*count > available) return outside("has more elements than its storage");
  if (*count == 0) {
    tensor->offset = 0;
    return absl::OkStatus();
  }
  int64_t last = tensor->offset;
  for (size_t i = 0; i < tensor->shape.size(); ++i) {
    int64_t step = 0;
    if (!MultiplyChecked(tensor->shape[i] - 1, tensor->strides[i], &step) ||
        !AddChecked(last, step, &last)) {
      return outside("leaves its storage");
    }
    if (tensor->shape[i] == 1) tensor->strides[i] = 1;  // has no meaning
  }
  if (last >= available) return outside("leaves its storage");
  tensor->offset += view.offset / item;  // within the storage, so no overflow
  return absl::OkStatus();
}

absl::StatusOr<PickleValue> RebuildTensor(const PickleValue& args,
                                          const Global& global,
                                          Pickle* pickle) {
  const size_t needed = global.role == Role::kRebuildTensorV3 ? 7 : 4;
  if (args.items.size() < needed || args.items.size() > 8 ||
      Item(*pickle, args, 0).kind != PickleKind::kStorage) {
    return Invalid(absl::StrCat(global.name, " has unexpected arguments"));
  }
  const PickleStorageView& view =
      pickle->storage_views[Item(*pickle, args, 0).integer];
  const PickleStorage& storage = pickle->storages[view.storage];
  PickleTensor tensor;
  tensor.storage = view.storage;
  tensor.type = storage.type;
  const bool with_dtype = global.role == Role::kRebuildTensorV3;
  if (storage.untyped != with_dtype ||
      (with_dtype && !HasRole(Item(*pickle, args, 6), Role::kDtype))) {
    return Invalid(absl::StrCat(
        global.name, with_dtype ? " needs an untyped storage and a dtype"
                                : " needs a storage with a type"));
  }
  if (with_dtype) {
    tensor.type = kGlobals[Item(*pickle, args, 6).integer].type;
  }
  const PickleValue& offset = Item(*pickle, args, 1);
  if (offset.kind != PickleKind::kInt || offset.integer < 0) {
    return Invalid("tensor offset must be an integer in 0..2^63-1");
  }
  tensor.offset = offset.integer;
  SEG_ASSIGN_OR_RETURN(tensor.shape,
                       ToSizes(*pickle, Item(*pickle, args, 2), "size"));
  SEG_ASSIGN_OR_RETURN(tensor.strides,
                       ToSizes(*pickle, Item(*pickle, args, 3), "stride"));
  SEG_RETURN_IF_ERROR(PlaceTensor(*pickle, view, &tensor));
  pickle->tensors.push_back(std::move(tensor));
  return MakeValue(PickleKind::kTensor, pickle->tensors.size() - 1);
}

// OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]).
absl::StatusOr<PickleValue> MakeOrderedDict(const PickleValue& args,
                                            const Pickle& pickle) {
  PickleValue dict;
  dict.kind = PickleKind::kDict;
  if (args.items.empty()) return dict;
  const PickleValue& pairs = Item(pickle, args, 0);
  if (args.items.size() != 1 || pairs.kind != PickleKind::kList) {
    return Invalid("OrderedDict has unexpected arguments");
  }
  for (size_t i = 0; i < pairs.items.size(); ++i) {
    const PickleValue& pair = Item(pickle, pairs, i);
    if ((pair.kind != PickleKind::kList && pair.kind != PickleKind::kTuple) ||
        pair.items.size() != 2) {
      return Invalid("OrderedDict has unexpected arguments");
    }
    dict.items.insert(dict.items.end(), pair.items.begin(), pair.items.end());
  }
  return dict;
}

// Applies the last part of a persistent id: None or (key, offset, size).
absl::Status ReadView(const Pickle& pickle, const PickleValue& value,
                      PickleStorageView* view) {
  if (value.kind == PickleKind::kNone) return absl::OkStatus();
  if (value.kind != PickleKind::kTuple || value.items.size() != 3 ||
      Item(pickle, value, 1).kind != PickleKind::kInt ||
      Item(pickle, value, 2).kind != PickleKind::kInt) {
    return Invalid("storage view must be None or (key, offset, size)");
  }
  const int64_t offset = Item(pickle, value, 1).integer;
  const int64_t size = Item(pickle, value, 2).integer;
  if (offset < 0 || size < 0 || offset > view->size ||
      size > view->size - offset) {
    return Invalid(absl::StrCat("storage view of ", size, " elements at ",
                                offset, " leaves the storage of ", view->size));
  }
  view->offset = offset;
  view->size = size;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int64_t> FindPickleGlobal(absl::string_view module,
                                         absl::string_view name) {
  for (const Global& global : kGlobals) {
    if (module == global.module && name == global.name) {
      return &global - kGlobals;
    }
  }
  return Invalid(absl::StrCat(
      "global ",
      Quote(absl::StrCat(module.substr(0, 60), ".", name.substr(0, 60))),
      " is not allowed; save a plain state_dict of tensors"));
}

absl::StatusOr<PickleValue> CallPickleGlobal(int64_t index,
                                             const PickleValue& args,
                                             Pickle* pickle) {
  const Global& global = kGlobals[index];
  switch (global.role) {
    case Role::kOrderedDict:
      return MakeOrderedDict(args, *pickle);
    case Role::kRebuildTensor:
    case Role::kRebuildTensorV3:
      return RebuildTensor(args, global, pickle);
    case Role::kRebuildParameter:
      if (args.items.empty() ||
          Item(*pickle, args, 0).kind != PickleKind::kTensor) {
        return Invalid("_rebuild_parameter has unexpected arguments");
      }
      return MakeValue(PickleKind::kTensor, Item(*pickle, args, 0).integer);
    case Role::kStorageType:
    case Role::kUntypedStorage:
    case Role::kDtype:
      break;
  }
  return Invalid(
      absl::StrCat(global.module, ".", global.name, " must not be called"));
}

absl::StatusOr<PickleValue> LoadPickleStorage(
    const PickleValue& id, std::map<absl::string_view, int32_t>* keys,
    Pickle* pickle) {
  const size_t size = id.items.size();
  const bool expected =
      id.kind == PickleKind::kTuple && (size == 5 || size == 6) &&
      Item(*pickle, id, 0).kind == PickleKind::kString &&
      Item(*pickle, id, 0).text == "storage" &&
      (HasRole(Item(*pickle, id, 1), Role::kStorageType) ||
       HasRole(Item(*pickle, id, 1), Role::kUntypedStorage)) &&
      Item(*pickle, id, 2).kind == PickleKind::kString &&
      Item(*pickle, id, 4).kind == PickleKind::kInt;
  if (!expected) {
    return Invalid(
        "persistent id must be ('storage', type, key, location, size)");
  }
  PickleStorage storage;
  storage.key = Item(*pickle, id, 2).text;
  storage.untyped = HasRole(Item(*pickle, id, 1), Role::kUntypedStorage);
  storage.type = kGlobals[Item(*pickle, id, 1).integer].type;
  storage.size = Item(*pickle, id, 4).integer;
  if (storage.size < 0 ||
      !MultiplyChecked(storage.size, RawTypeSize(storage.type),
                       &storage.bytes)) {
    return Invalid(absl::StrCat("storage ", Quote(storage.key),
                                " has the impossible size ", storage.size));
  }
  const auto found =
      keys->emplace(storage.key, static_cast<int32_t>(pickle->storages.size()));
  if (found.second) {
    pickle->storages.push_back(storage);
  } else {
    const PickleStorage& known = pickle->storages[found.first->second];
    if (known.size != storage.size || known.type != storage.type ||
        known.untyped != storage.untyped) {
      return Invalid(absl::StrCat("storage ", Quote(storage.key),
                                  " appears with two types or sizes"));
    }
  }
  PickleStorageView view;
  view.storage = found.first->second;
  view.size = storage.size;
  if (size == 6) {
    SEG_RETURN_IF_ERROR(ReadView(*pickle, Item(*pickle, id, 5), &view));
  }
  pickle->storage_views.push_back(view);
  return MakeValue(PickleKind::kStorage, pickle->storage_views.size() - 1);
}

}  // namespace seg
