// Typed configurations: YAML text -> JSON tree -> plain struct, strictly.
//
// A configuration is a plain struct with default values. It is checked before
// it is bound: keys and leaf types against the tree of the defaults (nlohmann's
// conversions alone would take 3.7 for an int, true for 1 and wrap 5e9), ranges
// against KeyRules.
//
//   enum class Mode { kFast, kSlow };
//   struct DemoConfig {
//     double lr = 0.01;
//     Mode mode = Mode::kFast;
//     static std::vector<seg::KeyRule> Rules() {
//       return {{"lr", 0.0, 10.0}, seg::OneOf<Mode>("mode")};
//     }
//   };
//   SEG_DECLARE_ENUM(Mode)                    // in the header
//   SEG_DECLARE_CONFIG(DemoConfig)
//   SEG_DEFINE_ENUM(Mode, {Mode::kFast, "fast"}, {Mode::kSlow, "slow"})
//   SEG_DEFINE_CONFIG(DemoConfig, lr, mode)   // both in the source file
//
//   DemoConfig config;
//   SEG_RETURN_IF_ERROR(seg::ParseConfig(yaml, "demo.yaml", {"lr=0.1"},
//   &config));
#ifndef COMMON_CONFIG_CONFIG_H_
#define COMMON_CONFIG_CONFIG_H_

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"

// Declares the conversions of a struct to and from JSON, in its namespace.
// (nlohmann's own macros define them inline: every file that includes the
// header would compile them anew, 10 to 20 s for the configuration of a paper.)
#define SEG_DECLARE_CONFIG(Type)                         \
  void to_json(nlohmann::json& tree, const Type& value); \
  void from_json(const nlohmann::json& tree, Type& value);

// Defines them, in one source file: the struct's fields, one key for each. Keys
// that a tree lacks keep the struct's default values.
#define SEG_DEFINE_CONFIG(Type, ...)                                           \
  void to_json(nlohmann::json& nlohmann_json_j, const Type& nlohmann_json_t) { \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(NLOHMANN_JSON_TO, __VA_ARGS__))   \
  }                                                                            \
  void from_json(const nlohmann::json& nlohmann_json_j,                        \
                 Type& nlohmann_json_t) {                                      \
    const Type nlohmann_json_default_obj{};                                    \
    NLOHMANN_JSON_EXPAND(                                                      \
        NLOHMANN_JSON_PASTE(NLOHMANN_JSON_FROM_WITH_DEFAULT, __VA_ARGS__))     \
  }

// Declares the conversions of an enumeration, in its namespace: a configuration
// writes its values by name.
#define SEG_DECLARE_ENUM(Type)                                      \
  const std::vector<std::pair<Type, std::string>>& EnumNames(Type); \
  void to_json(nlohmann::json& tree, Type value);                   \
  void from_json(const nlohmann::json& tree, Type& value);

// Defines them, in one source file: {value, "name"} for each value. Another
// name throws nlohmann::json::exception; OneOf<Type> refuses it before that,
// with key and names.
#define SEG_DEFINE_ENUM(Type, ...)                                   \
  const std::vector<std::pair<Type, std::string>>& EnumNames(Type) { \
    static const auto* const names =                                 \
        new std::vector<std::pair<Type, std::string>>{__VA_ARGS__};  \
    return *names;                                                   \
  }                                                                  \
  void to_json(nlohmann::json& tree, Type value) {                   \
    tree = ::seg::EnumName(value);                                   \
  }                                                                  \
  void from_json(const nlohmann::json& tree, Type& value) {          \
    for (const auto& [named, name] : EnumNames(Type{})) {            \
      if (tree == nlohmann::json(name)) {                            \
        value = named;                                               \
        return;                                                      \
      }                                                              \
    }                                                                \
    ::seg::config_internal::ThrowNoSuchName(tree);                   \
  }

namespace seg {

// The name that a configuration writes for `value` of a SEG_DECLARE_ENUM type.
template <typename Enum>
std::string EnumName(Enum value) {
  for (const auto& [named, name] : EnumNames(value)) {
    if (named == value) return name;
  }
  return "";
}

// What the value at `key` (dotted path) may be. For a list the rule holds for
// each element.
struct KeyRule {
  std::string key;
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> one_of = {};  // for strings; empty: any
};

// A rule for a string that takes one of a few values.
KeyRule OneOf(std::string key, std::vector<std::string> values);

// A rule for a SEG_DECLARE_ENUM type: its names.
template <typename Enum>
KeyRule OneOf(std::string key) {
  std::vector<std::string> names;
  for (const auto& named : EnumNames(Enum{})) names.push_back(named.second);
  return OneOf(std::move(key), std::move(names));
}

// `rules` of a nested struct, with "prefix." before each key, added to `into`.
void AddRules(const std::string& prefix, const std::vector<KeyRule>& rules,
              std::vector<KeyRule>* into);

// Reads YAML (one document, mappings with plain keys, no aliases or anchors)
// into JSON. Scalars follow YAML 1.2's core schema: null, booleans, integers,
// floats (.inf and .nan too), else strings; quoted scalars are strings. `name`
// is the file for messages. Errors: kInvalidArgument with line and reason.
// `written`, when given, receives by dotted key how each scalar is written that
// reads as a number or a boolean, lists aside: "007" for a 7.
absl::StatusOr<nlohmann::json> ParseYaml(
    const std::string& text, const std::string& name,
    std::map<std::string, std::string>* written = nullptr);

// The inverse, for printing: block style, keys sorted, one leaf a line. Parsing
// the text gives an equal tree.
std::string ToYaml(const nlohmann::json& tree);

// Lays `text` and then each override `key.path=value` (value in YAML) over the
// tree `defaults`. kInternal when a rule names a key that `defaults` lacks: it
// would never be applied. Other errors, all kInvalidArgument: unknown key
// (names the nearest valid one), wrong leaf type (path, expected, got), value
// outside its rule (path, allowed range). Integers are taken where a float is
// expected, and where a string is expected a number or a boolean as it is
// written (a pack may be called 2024); nothing else is converted. In an
// override " #" begins no comment. The elements of a list follow its first
// default element. A message is one line: what the text holds is quoted, and
// cut where long.
absl::StatusOr<nlohmann::json> MergeConfig(
    const nlohmann::json& defaults, const std::vector<KeyRule>& rules,
    const std::string& text, const std::string& name,
    const std::vector<std::string>& overrides);

// A value that differs in two trees; null where a tree lacks it.
struct ConfigChange {
  std::string key;  // dotted path
  nlohmann::json before, after;
};

// The leaves (and lists) in which two trees of a configuration differ, by key.
std::vector<ConfigChange> ConfigChanges(const nlohmann::json& before,
                                        const nlohmann::json& after);

// "KEY: BEFORE -> AFTER" on one line, long values cut.
std::string ToString(const ConfigChange& change);

namespace config_internal {

[[noreturn]] void ThrowNoSuchName(const nlohmann::json& tree);

// `tree`, bound to a struct and made a tree again, is `bound`: an error names
// the key whose value the struct does not hold unchanged.
absl::Status CheckBound(const nlohmann::json& tree, const nlohmann::json& bound,
                        const std::string& name);

// The error for `tree` that the struct refused with `reason`: names the list
// whose elements no default could be compared with.
absl::Status BindError(const nlohmann::json& defaults,
                       const nlohmann::json& tree, const std::string& reason,
                       const std::string& name);

}  // namespace config_internal

// MergeConfig on the defaults in `*config`, then binds the result to it; on an
// error leaves it as it was. A list without a default element takes what the
// struct's own type takes unchanged.
template <typename Config>
absl::Status ParseConfig(const std::string& text, const std::string& name,
                         const std::vector<std::string>& overrides,
                         Config* config) {
  const nlohmann::json defaults(*config);
  SEG_ASSIGN_OR_RETURN(
      const nlohmann::json tree,
      MergeConfig(defaults, Config::Rules(), text, name, overrides));
  try {
    Config bound = tree.get<Config>();
    SEG_RETURN_IF_ERROR(
        config_internal::CheckBound(tree, nlohmann::json(bound), name));
    *config = std::move(bound);
  } catch (const nlohmann::json::exception& e) {
    return config_internal::BindError(defaults, tree, e.what(), name);
  }
  return absl::OkStatus();
}

}  // namespace seg

#endif  // COMMON_CONFIG_CONFIG_H_
