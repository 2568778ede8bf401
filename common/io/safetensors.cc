#include "common/io/safetensors.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/io/byte_order.h"
#include "common/io/file.h"
#include "common/io/quote.h"
#include "common/io/raw_tensor_convert.h"
#include "common/io/safetensors_header.h"
#include "common/io/utf8.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

constexpr char kMetadataKey[] = "__metadata__";

// One tensor to be written.
struct Item {
  const std::string* name;
  at::Tensor tensor;  // CPU, contiguous
  const char* type_name;
};

absl::StatusOr<Item> MakeItem(const std::string& name,
                              const at::Tensor& tensor) {
  const auto invalid = [&](const std::string& what) {
    return absl::InvalidArgumentError(
        absl::StrCat("safetensors: ", Quote(name), " ", what));
  };
  if (name == kMetadataKey) return invalid("is not allowed as a name");
  if (!IsUtf8(name)) return invalid("is not UTF-8");
  if (!tensor.defined()) return invalid("is an undefined tensor");
  if (tensor.layout() != at::kStrided) {
    return invalid("must be a dense tensor");
  }
  const absl::StatusOr<RawType> type = ToRawType(tensor.scalar_type());
  const char* type_name = type.ok() ? SafetensorsTypeName(*type) : nullptr;
  if (type_name == nullptr) {
    return invalid(absl::StrCat("has dtype ",
                                c10::toString(tensor.scalar_type()),
                                ", which the format does not have"));
  }
  // A lazily conjugated or negated view is materialised by resolve_*.
  return Item{&name,
              tensor.detach().cpu().resolve_conj().resolve_neg().contiguous(),
              type_name};
}

}  // namespace

absl::StatusOr<TensorMap> ParseSafetensors(const std::string& bytes,
                                           StringMap* metadata) {
  absl::StatusOr<SafetensorsFile> file = ParseSafetensorsFile(bytes);
  if (!file.ok()) return file.status();
  TensorMap tensors;
  for (const auto& entry : file->tensors) {
    absl::StatusOr<at::Tensor> tensor = ToTensor(entry.second);
    if (!tensor.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "safetensors: \"", entry.first, "\": ", tensor.status().message()));
    }
    tensors.emplace(entry.first, *std::move(tensor));
  }
  if (metadata != nullptr) *metadata = std::move(file->metadata);
  return tensors;
}

absl::StatusOr<TensorMap> ReadSafetensors(const std::string& path,
                                          StringMap* metadata) {
  const absl::StatusOr<std::string> bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<TensorMap> tensors = ParseSafetensors(*bytes, metadata);
  if (!tensors.ok()) return WithPath(tensors.status(), path);
  return tensors;
}

absl::StatusOr<std::string> SerializeSafetensors(const TensorMap& tensors,
                                                 const StringMap& metadata) {
  for (const auto& entry : metadata) {
    if (!IsUtf8(entry.first) || !IsUtf8(entry.second)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "safetensors: metadata ", Quote(entry.first), " is not UTF-8"));
    }
  }
  std::vector<Item> items;
  items.reserve(tensors.size());
  for (const auto& entry : tensors) {
    absl::StatusOr<Item> item = MakeItem(entry.first, entry.second);
    if (!item.ok()) return item.status();
    items.push_back(*std::move(item));
  }
  // Falling element size keeps every tensor aligned without padding, which the
  // format does not allow. The sort is stable: names stay ordered.
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) {
                     return a.tensor.element_size() > b.tensor.element_size();
                   });
  std::string text = "{";
  int64_t size = 0;
  if (!metadata.empty()) {
    absl::StrAppend(&text, "\"", kMetadataKey,
                    "\":", nlohmann::json(metadata).dump(),
                    items.empty() ? "" : ",");
  }
  for (const Item& item : items) {
    const int64_t end = size + static_cast<int64_t>(item.tensor.nbytes());
    absl::StrAppend(&text, &item == &items.front() ? "" : ",",
                    nlohmann::json(*item.name).dump(), ":{\"dtype\":\"",
                    item.type_name, "\",\"shape\":[",
                    absl::StrJoin(item.tensor.sizes(), ","),
                    "],\"data_offsets\":[", size, ",", end, "]}");
    size = end;
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (static_cast<int64_t>(text.size()) > kMaxSafetensorsHeader) {
    return absl::InvalidArgumentError(
        absl::StrCat("safetensors: header of ", text.size(),
                     " bytes is above the limit of ", kMaxSafetensorsHeader));
  }
  std::string bytes;
  bytes.reserve(8 + text.size() + size);
  AppendLittle(text.size(), 8, &bytes);
  bytes += text;
  for (const Item& item : items) {
    if (item.tensor.nbytes() == 0) continue;
    bytes.append(static_cast<const char*>(item.tensor.const_data_ptr()),
                 item.tensor.nbytes());
  }
  return bytes;
}

absl::Status WriteSafetensors(const std::string& path, const TensorMap& tensors,
                              const StringMap& metadata) {
  const absl::StatusOr<std::string> bytes =
      SerializeSafetensors(tensors, metadata);
  if (!bytes.ok()) return WithPath(bytes.status(), path);
  return WriteFileAtomically(path, *bytes);
}

}  // namespace seg
