#include "common/io/strict_json.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/nearest.h"

namespace seg {
namespace {

using nlohmann::json;

std::string Shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

template <typename T>
bool AllOf(const json& list, bool (*fits)(const json&), std::vector<T>* out) {
  for (const json& item : list) {
    if (!fits(item)) return false;
    out->push_back(item.get<T>());
  }
  return true;
}

bool IsString(const json& v) { return v.is_string(); }
bool IsNumber(const json& v) { return v.is_number(); }
// nlohmann wraps unsigned numbers above the signed range.
bool IsInteger(const json& v) {
  return v.is_number_integer() &&
         (!v.is_number_unsigned() || v.get<uint64_t>() <= uint64_t{INT64_MAX});
}
bool IsBool(const json& v) { return v.is_boolean(); }
bool IsList(const json& v) { return v.is_array(); }
bool IsObject(const json& v) { return v.is_object(); }

}  // namespace

Fields::Fields(const json& node, std::string where)
    : node_(node), where_(std::move(where)) {
  if (!node.is_object()) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(where_, ": expected keys and values, got ", Shown(node)));
  }
}

bool Fields::Has(const std::string& key) const {
  asked_.insert(key);
  return node_.is_object() && node_.contains(key);
}

void Fields::Fail(const std::string& key, const std::string& what) {
  if (!status_.ok()) return;
  status_ =
      absl::InvalidArgumentError(absl::StrCat(where_, ": ", key, ": ", what));
}

const json* Fields::Find(const std::string& key, const char* expected,
                         bool (*fits)(const json&)) {
  known_.insert(key);
  if (!status_.ok()) return nullptr;
  if (!node_.contains(key)) {
    Fail(key, absl::StrCat("missing; add it (", expected, ")"));
    return nullptr;
  }
  const json& value = node_[key];
  if (!fits(value)) {
    Fail(key, absl::StrCat("expected ", expected, ", got ", Shown(value)));
    return nullptr;
  }
  return &value;
}

std::string Fields::String(const std::string& key) {
  const json* value = Find(key, "a text", IsString);
  if (value == nullptr) return "";
  const std::string text = value->get<std::string>();
  if (text.empty()) Fail(key, "must not be empty; fill it in or drop the key");
  return text;
}

double Fields::Number(const std::string& key) {
  const json* value = Find(key, "a number", IsNumber);
  return value == nullptr ? 0 : value->get<double>();
}

int64_t Fields::Integer(const std::string& key) {
  const json* value = Find(key, "an integer", IsInteger);
  return value == nullptr ? 0 : value->get<int64_t>();
}

bool Fields::Bool(const std::string& key) {
  const json* value = Find(key, "true or false", IsBool);
  return value != nullptr && value->get<bool>();
}

std::vector<std::string> Fields::Strings(const std::string& key) {
  std::vector<std::string> out;
  const json* value = Find(key, "a list of texts", IsList);
  if (value != nullptr && !AllOf(*value, IsString, &out)) {
    Fail(key, absl::StrCat("expected a list of texts, got ", Shown(*value)));
  }
  return out;
}

std::vector<double> Fields::Numbers(const std::string& key) {
  std::vector<double> out;
  const json* value = Find(key, "a list of numbers", IsList);
  if (value != nullptr && !AllOf(*value, IsNumber, &out)) {
    Fail(key, absl::StrCat("expected a list of numbers, got ", Shown(*value)));
  }
  return out;
}

std::vector<int64_t> Fields::Integers(const std::string& key) {
  std::vector<int64_t> out;
  const json* value = Find(key, "a list of integers", IsList);
  if (value != nullptr && !AllOf(*value, IsInteger, &out)) {
    Fail(key, absl::StrCat("expected a list of integers, got ", Shown(*value)));
  }
  return out;
}

const json& Fields::List(const std::string& key) {
  static const json* const kEmpty = new json(json::array());
  const json* value = Find(key, "a list", IsList);
  return value == nullptr ? *kEmpty : *value;
}

const json& Fields::Object(const std::string& key) {
  static const json* const kEmpty = new json(json::object());
  const json* value = Find(key, "keys and values", IsObject);
  return value == nullptr ? *kEmpty : *value;
}

absl::Status Fields::Finish() const {
  if (!status_.ok()) return status_;
  for (auto it = node_.begin(); it != node_.end(); ++it) {
    if (known_.count(it.key()) > 0) continue;
    std::vector<std::string> names(known_.begin(), known_.end());
    names.insert(names.end(), asked_.begin(), asked_.end());
    const std::string near = NearestName(it.key(), names);
    return absl::InvalidArgumentError(absl::StrCat(
        where_, ": ", it.key(), ": unknown key; ",
        near.empty() ? "remove it" : "did you mean " + near + "?"));
  }
  return absl::OkStatus();
}

}  // namespace seg
