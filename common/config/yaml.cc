// YAML text to a JSON tree and back.
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "common/io/file.h"
#include "common/io/quote.h"
#include "common/io/utf8.h"
#include "yaml-cpp/eventhandler.h"

namespace seg {
namespace {

using nlohmann::json;

// Configurations are a few levels deep; the limit keeps hostile text from
// exhausting the stack of those who walk the tree. (yaml-cpp's own parser stops
// at 500.)
constexpr size_t kMaxDepth = 32;

// In bytes. yaml-cpp reads "key: value" only where the colon comes within 1024
// characters, and an escaped byte takes six of them.
constexpr size_t kMaxKeySize = 128;

absl::Status YamlError(const std::string& name, const YAML::Mark& mark,
                       const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat(name, ":", mark.line + 1, ": ", what));
}

// Core schema of YAML 1.2 for a plain scalar.
json PlainScalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null") return nullptr;
  if (text == "true") return true;
  if (text == "false") return false;
  const std::string body =
      text[0] == '-' || text[0] == '+' ? text.substr(1) : text;
  const double sign = text[0] == '-' ? -1.0 : 1.0;
  if (body == ".inf") return sign * std::numeric_limits<double>::infinity();
  if (text == ".nan") return std::numeric_limits<double>::quiet_NaN();
  const bool digits_only =
      !body.empty() &&
      body.find_first_not_of("0123456789") == std::string::npos;
  int64_t integer = 0;
  if (digits_only && absl::SimpleAtoi(text, &integer)) return integer;
  // strtod would also take hexadecimal, "inf" and "nan".
  double real = 0;
  if (!body.empty() && body.find_first_of("0123456789") <= 1 &&
      body.find_first_not_of("0123456789.eE+-") == std::string::npos &&
      absl::SimpleAtod(text, &real)) {
    return real;
  }
  return text;
}

// Builds the tree from the parser's events. (YAML::Load would resolve aliases,
// merge duplicate keys and recurse without limit.)
class TreeBuilder : public YAML::EventHandler {
 public:
  // `written`: see ParseYaml; may be null.
  TreeBuilder(std::string name, std::map<std::string, std::string>* written)
      : name_(std::move(name)), written_(written) {}

  const absl::Status& status() const { return status_; }
  json Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    OnScalar(mark, "?", anchor, "");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Fail(mark, "aliases are not allowed");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& value) override {
    if (!CheckNode(mark, tag, anchor)) return;
    // yaml-cpp makes a lone byte of these two.
    if (!IsUtf8(value)) {
      return Fail(mark,
                  "escapes \\N and \\_ are not known; write \\u0085, \\u00a0");
    }
    // yaml-cpp marks a quoted scalar by the tag "!".
    const json scalar = tag == "!" ? json(value) : PlainScalar(value);
    if (!stack_.empty() && stack_.back().value.is_object() &&
        !stack_.back().has_key) {
      Frame& top = stack_.back();
      if (value.size() > kMaxKeySize) {
        return Fail(mark, absl::StrCat("key ", Quote(value), " is longer than ",
                                       kMaxKeySize, " bytes"));
      }
      if (top.value.contains(value)) {
        return Fail(mark, absl::StrCat("duplicate key ", Quote(value)));
      }
      top.key = value;
      top.has_key = true;
      return;
    }
    if (scalar.is_number() && std::isinf(scalar.get<double>()) &&
        !absl::EndsWith(value, ".inf")) {
      return Fail(mark, absl::StrCat("number ", Quote(value),
                                     " is too large; infinity is .inf"));
    }
    if (scalar.is_number() || scalar.is_boolean()) Note(value);
    Add(scalar);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Push(mark, tag, anchor, json::array());
  }
  void OnSequenceEnd() override { Pop(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag,
                  YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Push(mark, tag, anchor, json::object());
  }
  void OnMapEnd() override { Pop(); }

 private:
  struct Frame {
    json value;
    std::string key;
    bool has_key = false;
  };

  void Fail(const YAML::Mark& mark, const std::string& what) {
    if (status_.ok()) status_ = YamlError(name_, mark, what);
  }

  bool CheckNode(const YAML::Mark& mark, const std::string& tag,
                 YAML::anchor_t anchor) {
    if (anchor != 0) Fail(mark, "anchors are not allowed");
    if (tag != "?" && tag != "!" && !tag.empty()) {
      Fail(mark, absl::StrCat("tag ", Quote(tag), " is not allowed"));
    }
    return status_.ok();
  }

  void Push(const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor, json value) {
    if (CheckNode(mark, tag, anchor)) {
      if (stack_.size() >= kMaxDepth) {
        Fail(mark, absl::StrCat("nested deeper than ", kMaxDepth, " levels"));
      } else if (!stack_.empty() && stack_.back().value.is_object() &&
                 !stack_.back().has_key) {
        Fail(mark, "a key must be a plain word");
      }
    }
    // After a failure the frames still have to match their ends.
    stack_.push_back({std::move(value), "", false});
  }

  void Pop() {
    json value = std::move(stack_.back().value);
    stack_.pop_back();
    if (status_.ok()) Add(std::move(value));
  }

  // Keeps how the scalar to be added is written.
  void Note(const std::string& text) {
    if (written_ == nullptr) return;
    std::string path;
    for (const Frame& frame : stack_) {
      if (!frame.value.is_object()) return;
      absl::StrAppend(&path, path.empty() ? "" : ".", frame.key);
    }
    (*written_)[path] = text;
  }

  void Add(json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (Frame& top = stack_.back(); top.value.is_array()) {
      top.value.push_back(std::move(value));
    } else {
      top.value[top.key] = std::move(value);
      top.has_key = false;
    }
  }

  std::string name_;
  std::map<std::string, std::string>* written_;
  absl::Status status_;
  json root_;
  std::vector<Frame> stack_;
};

// Refuses what YAML does not allow in a text, but yaml-cpp reads: bytes that
// are not UTF-8 (which JSON cannot hold), and control characters (at 0x04 it
// would stop, and take the rest for absent).
absl::Status CheckCharacters(const std::string& text, const std::string& name) {
  size_t line = 1;
  for (const char c : text) {
    if (c == '\n') ++line;
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ":", line, ": holds the control character 0x",
                       absl::Hex(byte, absl::kZeroPad2), "; not a text file?"));
    }
  }
  if (!IsUtf8(text)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": is not UTF-8 text"));
  }
  return absl::OkStatus();
}

bool NeedsQuotes(const std::string& text) {
  if (!PlainScalar(text).is_string()) return true;
  if (text.find_first_of("\"\\#:?{}[],&*!|>'%@`\x7f") != std::string::npos) {
    return true;
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) return true;
  }
  // The last two: the end of a document, and a byte order mark.
  return text.front() == ' ' || text.back() == ' ' || text.front() == '-' ||
         text == "yes" || text == "no" || absl::StartsWith(text, "...") ||
         text.front() == '\xEF';
}

std::string Scalar(const json& value) {
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    // A JSON string is a YAML double-quoted scalar.
    return NeedsQuotes(text) ? value.dump() : text;
  }
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::isnan(number)) return ".nan";
    if (std::isinf(number)) return number > 0 ? ".inf" : "-.inf";
  }
  return value.dump();
}

// `tree` in flow style, on one line.
std::string Flow(const json& tree) {
  if (!tree.is_structured()) return Scalar(tree);
  std::string out;
  for (const auto& [key, value] : tree.items()) {
    if (!out.empty()) out += ", ";
    if (tree.is_object()) absl::StrAppend(&out, Scalar(json(key)), ": ");
    out += Flow(value);
  }
  return tree.is_object() ? absl::StrCat("{", out, "}")
                          : absl::StrCat("[", out, "]");
}

// `tree`, a mapping that is not empty, in block style.
void Emit(const json& tree, size_t indent, std::string* out) {
  for (const auto& [key, value] : tree.items()) {
    absl::StrAppend(out, std::string(indent, ' '), Scalar(json(key)), ":");
    if (value.is_object() && !value.empty()) {
      *out += "\n";
      Emit(value, indent + 2, out);
    } else {
      absl::StrAppend(out, " ", Flow(value), "\n");
    }
  }
}

}  // namespace

absl::StatusOr<json> ParseYaml(const std::string& text, const std::string& name,
                               std::map<std::string, std::string>* written) {
  SEG_RETURN_IF_ERROR(WithPath(CheckNotUtf16(text), name));
  SEG_RETURN_IF_ERROR(CheckCharacters(text, name));
  TreeBuilder builder(name, written);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return json(nullptr);
    SEG_RETURN_IF_ERROR(builder.status());
    TreeBuilder second(name, nullptr);
    if (parser.HandleNextDocument(second)) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": holds more than one document"));
    }
  } catch (const YAML::Exception& e) {
    // The builder's own reason comes earlier in the text.
    SEG_RETURN_IF_ERROR(builder.status());
    return YamlError(name, e.mark, absl::Utf8SafeCHexEscape(e.msg));
  }
  return builder.Take();
}

std::string ToYaml(const json& tree) {
  if (!tree.is_object() || tree.empty()) return Flow(tree) + "\n";
  std::string out;
  Emit(tree, 0, &out);
  return out;
}

}  // namespace seg
