#include "common/config/config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/nearest.h"
#include "common/io/utf8.h"

namespace seg {
namespace {

using nlohmann::json;

void CollectKeys(const json& tree, const std::string& prefix,
                 std::vector<std::string>* keys) {
  for (const auto& [key, value] : tree.items()) {
    keys->push_back(prefix + key);
    if (value.is_object()) CollectKeys(value, prefix + key + ".", keys);
  }
}

std::string NearestKeyOf(const json& defaults, const std::string& wanted) {
  std::vector<std::string> keys;
  CollectKeys(defaults, "", &keys);
  return NearestKey(wanted, keys);
}

std::string TypeName(const json& value) {
  if (value.is_null()) return "nothing";
  if (value.is_boolean()) return "true or false";
  if (value.is_number_integer()) return "an integer";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a string";
  return value.is_array() ? "a list" : "a section";
}

std::string Show(const json& value) {
  std::string text = ToYaml(value);
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  constexpr size_t kMaxShown = 60;
  if (text.size() <= kMaxShown) return text;
  size_t end = kMaxShown;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // whole characters
  return text.substr(0, end) + "...";
}

// Text from outside in a message: on one line, cut where long.
std::string InQuotes(const std::string& text) {
  constexpr size_t kMaxShown = 100;
  return absl::StrCat("'", absl::Utf8SafeCHexEscape(text.substr(0, kMaxShown)),
                      text.size() > kMaxShown ? "...'" : "'");
}

std::string OverrideName(const std::string& text) {
  return "override " + InQuotes(text);
}

// The first list in `tree` that has no default element.
std::string ListWithoutDefault(const json& defaults, const json& tree,
                               const std::string& path) {
  if (tree.is_array() && defaults.is_array()) {
    if (tree.empty()) return "";
    if (defaults.empty()) return path;
  }
  if (!tree.is_structured() || tree.type() != defaults.type()) return "";
  for (const auto& [key, value] : tree.items()) {
    const json& model = tree.is_array() ? defaults[0] : defaults[key];
    const std::string child =
        tree.is_array() ? path
                        : absl::StrCat(path, path.empty() ? "" : ".", key);
    const std::string found = ListWithoutDefault(model, value, child);
    if (!found.empty()) return found;
  }
  return "";
}

// The first key whose value differs, "" where none does. A struct may hold a
// number as a float.
std::string FirstDifference(const json& tree, const json& bound,
                            const std::string& path) {
  if (tree.is_structured()) {
    if (tree.type() != bound.type() || tree.size() != bound.size()) return path;
    for (const auto& [key, value] : tree.items()) {
      const bool is_list = tree.is_array();
      const std::string child =
          is_list ? path : absl::StrCat(path, path.empty() ? "" : ".", key);
      if (!is_list && !bound.contains(key)) return child;
      const std::string found = FirstDifference(
          value, is_list ? bound[std::stoul(key)] : bound[key], child);
      if (!found.empty()) return found;
    }
    return "";
  }
  if (tree.is_number_float() && bound.is_number_float()) return "";
  return tree == bound ? "" : path;
}

void CollectChanges(const json& before, const json& after,
                    const std::string& path,
                    std::vector<ConfigChange>* changes) {
  if (!before.is_object() || !after.is_object()) {
    if (before != after) changes->push_back({path, before, after});
    return;
  }
  std::set<std::string> keys;
  for (const json* tree : {&before, &after}) {
    for (const auto& [key, value] : tree->items()) keys.insert(key);
  }
  for (const std::string& key : keys) {
    CollectChanges(before.value(key, json()), after.value(key, json()),
                   path.empty() ? key : absl::StrCat(path, ".", key), changes);
  }
}

// An override's value. A shell has no comments in a word: what would be one in
// YAML (a folder called "run #3") belongs to the text.
struct OverrideValue {
  json value;
  std::string written;  // as a plain scalar; empty where it is quoted or a list
};

absl::StatusOr<OverrideValue> ParseOverrideValue(const std::string& text,
                                                 const std::string& name) {
  OverrideValue out;
  SEG_ASSIGN_OR_RETURN(out.value, ParseYaml(text, name));
  const std::string plain(absl::StripAsciiWhitespace(text));
  if (out.value.is_structured() || plain.empty() || plain == "~" ||
      plain == "null" || plain[0] == '"' || plain[0] == '\'') {
    return out;
  }
  out.written = plain;
  if (out.value.is_string() || out.value.is_null() ||
      plain.find(" #") != std::string::npos) {
    out.value = plain;
  }
  return out;
}

class Merger {
 public:
  // `written`: see ParseYaml.
  Merger(const json& defaults, const std::vector<KeyRule>& rules,
         std::string name, const std::map<std::string, std::string>& written)
      : root_(defaults),
        rules_(rules),
        name_(std::move(name)),
        written_(written) {}

  // Checks `value` against the default at `path` and lays it over `*target`.
  absl::Status Merge(const json& defaults, const json& value,
                     const std::string& path, json* target) const {
    if (defaults.is_object()) {
      if (value.is_null()) return absl::OkStatus();  // an empty section
      if (!value.is_object()) return WrongType(path, "a section", value);
      for (const auto& [key, child] : value.items()) {
        const std::string child_path =
            path.empty() ? key : absl::StrCat(path, ".", key);
        const auto found = defaults.find(key);
        if (found == defaults.end()) return UnknownKey(child_path);
        SEG_RETURN_IF_ERROR(Merge(*found, child, child_path, &(*target)[key]));
      }
      return absl::OkStatus();
    }
    if (defaults.is_array()) {
      if (!value.is_array()) return WrongType(path, "a list", value);
      json list = json::array();
      for (const json& element : value) {
        if (element.is_null()) return WrongType(path, "a value", element);
        // An empty default list says nothing of its elements' type; binding
        // to the struct has the last word there.
        const json& model = defaults.empty() ? element : defaults[0];
        json merged = model;
        SEG_RETURN_IF_ERROR(Merge(model, element, path, &merged));
        list.push_back(std::move(merged));
      }
      *target = std::move(list);
      return absl::OkStatus();
    }
    return MergeLeaf(defaults, value, path, target);
  }

  absl::Status UnknownKey(const std::string& path) const {
    const std::string nearest = NearestKeyOf(root_, path);
    return Error(absl::StrCat(
        "unknown key ", InQuotes(path),
        nearest.empty() ? ""
                        : absl::StrCat("; did you mean '", nearest, "'?")));
  }

 private:
  absl::Status Error(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": ", what));
  }

  absl::Status WrongType(const std::string& path, const std::string& expected,
                         const json& got) const {
    return Error(absl::StrCat(path.empty() ? "the document" : path,
                              ": expected ", expected, ", got ", TypeName(got),
                              " (", Show(got), ")"));
  }

  absl::Status MergeLeaf(const json& defaults, const json& value,
                         const std::string& path, json* target) const {
    bool fits = false;
    if (defaults.is_boolean()) fits = value.is_boolean();
    if (defaults.is_string()) {
      const auto text = written_.find(path);
      if (!value.is_string() && !value.is_null() && text != written_.end()) {
        return MergeLeaf(defaults, json(text->second), path, target);
      }
      fits = value.is_string();
    }
    if (defaults.is_number_float()) fits = value.is_number();
    if (defaults.is_number_integer()) fits = value.is_number_integer();
    if (!fits) return WrongType(path, TypeName(defaults), value);
    SEG_RETURN_IF_ERROR(CheckRules(defaults, value, path));
    *target = defaults.is_number_float() ? json(value.get<double>()) : value;
    return absl::OkStatus();
  }

  absl::Status CheckRules(const json& defaults, const json& value,
                          const std::string& path) const {
    const bool is_number = value.is_number();
    for (const KeyRule& rule : rules_) {
      if (rule.key != path) continue;
      if (is_number) {
        const double number = value.get<double>();
        if (!(number >= rule.min && number <= rule.max)) {
          return Error(absl::StrCat(path, ": must lie in [", rule.min, ", ",
                                    rule.max, "], got ", Show(value)));
        }
      }
      if (value.is_string() && !rule.one_of.empty() &&
          std::find(rule.one_of.begin(), rule.one_of.end(),
                    value.get<std::string>()) == rule.one_of.end()) {
        return Error(absl::StrCat(path, ": must be one of ",
                                  absl::StrJoin(rule.one_of, ", "), "; got ",
                                  InQuotes(value.get<std::string>())));
      }
    }
    if (is_number && std::isnan(value.get<double>())) {
      return Error(absl::StrCat(path, ": must be a number, got .nan"));
    }
    return absl::OkStatus();
  }

  const json& root_;
  const std::vector<KeyRule>& rules_;
  const std::string name_;
  const std::map<std::string, std::string>& written_;
};

// Whether `key` names a value of `defaults`. What a list without a default
// element holds is not known: there every name will do.
bool NamesKey(const json& defaults, const std::string& key) {
  const json* tree = &defaults;
  for (const absl::string_view part : absl::StrSplit(key, '.')) {
    if (tree->is_array()) {
      if (tree->empty()) return true;
      tree = &(*tree)[0];
    }
    if (!tree->is_object()) return false;
    const auto child = tree->find(std::string(part));
    if (child == tree->end()) return false;
    tree = &*child;
  }
  return true;
}

}  // namespace

KeyRule OneOf(std::string key, std::vector<std::string> values) {
  KeyRule rule;
  rule.key = std::move(key);
  rule.one_of = std::move(values);
  return rule;
}

void AddRules(const std::string& prefix, const std::vector<KeyRule>& rules,
              std::vector<KeyRule>* into) {
  for (KeyRule rule : rules) {
    rule.key = absl::StrCat(prefix, ".", rule.key);
    into->push_back(std::move(rule));
  }
}

std::vector<ConfigChange> ConfigChanges(const json& before, const json& after) {
  std::vector<ConfigChange> changes;
  CollectChanges(before, after, "", &changes);
  return changes;
}

std::string ToString(const ConfigChange& change) {
  return absl::StrCat(change.key, ": ", Show(change.before), " -> ",
                      Show(change.after));
}

absl::StatusOr<json> MergeConfig(const json& defaults,
                                 const std::vector<KeyRule>& rules,
                                 const std::string& text,
                                 const std::string& name,
                                 const std::vector<std::string>& overrides) {
  for (const KeyRule& rule : rules) {
    if (NamesKey(defaults, rule.key)) continue;
    return absl::InternalError(
        absl::StrCat(name, ": a rule names the key '", rule.key,
                     "', which the configuration lacks; is it '",
                     NearestKeyOf(defaults, rule.key), "'?"));
  }
  json merged = defaults;
  std::map<std::string, std::string> written;
  SEG_ASSIGN_OR_RETURN(const json file, ParseYaml(text, name, &written));
  SEG_RETURN_IF_ERROR(Merger(defaults, rules, name, written)
                          .Merge(defaults, file, "", &merged));
  for (const std::string& override_text : overrides) {
    if (!IsUtf8(override_text)) {
      return absl::InvalidArgumentError(
          absl::StrCat(OverrideName(override_text), ": is not UTF-8 text"));
    }
    const size_t equals = override_text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          OverrideName(override_text), ": expected key.path=value"));
    }
    SEG_ASSIGN_OR_RETURN(OverrideValue parsed,
                         ParseOverrideValue(override_text.substr(equals + 1),
                                            OverrideName(override_text)));
    json value = std::move(parsed.value);
    const std::string key = override_text.substr(0, equals);
    written.clear();
    if (!parsed.written.empty()) written[key] = parsed.written;
    const std::vector<std::string> parts = absl::StrSplit(key, '.');
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      json parent = json::object();
      parent[*part] = std::move(value);
      value = std::move(parent);
    }
    SEG_RETURN_IF_ERROR(
        Merger(defaults, rules, OverrideName(override_text), written)
            .Merge(defaults, value, "", &merged));
  }
  return merged;
}

namespace config_internal {

void ThrowNoSuchName(const json& tree) {
  throw json::other_error::create(501, "no value has the name " + Show(tree),
                                  &tree);
}

absl::Status CheckBound(const json& tree, const json& bound,
                        const std::string& name) {
  const std::string path = FirstDifference(tree, bound, "");
  if (path.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, ": ", path, ": the value does not fit the type of this key"));
}

absl::Status BindError(const json& defaults, const json& tree,
                       const std::string& reason, const std::string& name) {
  const std::string list = ListWithoutDefault(defaults, tree, "");
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": ", list, list.empty() ? "" : ": ",
                   absl::Utf8SafeCHexEscape(reason),
                   absl::StrContains(reason, "type must be string")
                       ? "; quote what reads as a number or true/false"
                       : ""));
}

}  // namespace config_internal
}  // namespace seg
