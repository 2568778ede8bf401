#include "common/io/pth_names.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/io/quote.h"

namespace seg {
namespace {

constexpr int kMaxDepth = 64;
constexpr int64_t kMaxNameBytes = int64_t{1} << 26;
constexpr int64_t kMaxNames = int64_t{1} << 17;

// What training scripts call the model's part of a checkpoint.
constexpr absl::string_view kContainers[] = {"state_dict", "model_state_dict",
                                             "model"};

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("pth: ", what));
}

class Walker {
 public:
  explicit Walker(const Pickle& pickle) : pickle_(pickle) {}

  absl::Status Walk(int32_t index, const std::string& name, int depth) {
    if (depth > kMaxDepth) {
      return Invalid(
          absl::StrCat("containers are nested deeper than ", kMaxDepth));
    }
    if (++visits_ > kMaxPickleValues) {
      return Invalid(absl::StrCat("more than ", kMaxPickleValues, " values"));
    }
    const PickleValue& value = pickle_.values[index];
    switch (value.kind) {
      case PickleKind::kTensor:
        return Add(name, value.integer);
      case PickleKind::kDict:
        for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
          if (IsLeaf(value.items[i + 1])) continue;
          std::string key;
          SEG_RETURN_IF_ERROR(KeyText(value.items[i], &key));
          SEG_RETURN_IF_ERROR(WalkChild(value.items[i + 1], name, key, depth));
        }
        return absl::OkStatus();
      case PickleKind::kList:
      case PickleKind::kTuple:
        for (size_t i = 0; i < value.items.size(); ++i) {
          if (IsLeaf(value.items[i])) continue;
          SEG_RETURN_IF_ERROR(
              WalkChild(value.items[i], name, absl::StrCat(i), depth));
        }
        return absl::OkStatus();
      case PickleKind::kStorage:
        return Invalid(
            absl::StrCat(Quote(name), " is a bare storage, expected a tensor"));
      default:
        return absl::OkStatus();  // numbers, strings: not weights
    }
  }

  std::map<std::string, int64_t>& tensors() { return tensors_; }

 private:
  // Nothing below it can be a tensor.
  bool IsLeaf(int32_t index) const {
    const PickleValue& value = pickle_.values[index];
    return value.kind != PickleKind::kTensor &&
           value.kind != PickleKind::kStorage && value.items.empty();
  }

  absl::Status KeyText(int32_t index, std::string* text) const {
    const PickleValue& key = pickle_.values[index];
    if (key.kind == PickleKind::kString) {
      *text = std::string(key.text);
    } else if (key.kind == PickleKind::kInt) {
      *text = absl::StrCat(key.integer);
    } else {
      return Invalid(absl::StrCat("dict key must be a str or int, got ",
                                  PickleKindName(key.kind)));
    }
    return absl::OkStatus();
  }

  absl::Status WalkChild(int32_t index, const std::string& name,
                         const std::string& key, int depth) {
    name_bytes_ += static_cast<int64_t>(name.size() + key.size());
    if (name_bytes_ > kMaxNameBytes) {
      return Invalid(absl::StrCat("names exceed ", kMaxNameBytes, " bytes"));
    }
    return Walk(index, depth == 0 ? key : absl::StrCat(name, ".", key),
                depth + 1);
  }

  absl::Status Add(const std::string& name, int64_t tensor) {
    // A file that is one tensor.
    const std::string& used = name.empty() ? kLone : name;
    if (static_cast<int64_t>(tensors_.size()) >= kMaxNames) {
      return Invalid(absl::StrCat("more than ", kMaxNames, " tensors"));
    }
    if (tensors_.emplace(used, tensor).second) return absl::OkStatus();
    return Invalid(absl::StrCat("two tensors have the name ", Quote(used)));
  }

  const std::string kLone = "tensor";
  const Pickle& pickle_;
  int64_t visits_ = 0;
  int64_t name_bytes_ = 0;
  std::map<std::string, int64_t> tensors_;
};

// The dict of weights in a checkpoint, or the root itself.
int32_t StepIntoContainer(const Pickle& pickle) {
  const PickleValue& root = pickle.values[pickle.root];
  if (root.kind != PickleKind::kDict) return pickle.root;
  for (const absl::string_view container : kContainers) {
    for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const PickleValue& key = pickle.values[root.items[i]];
      const PickleValue& value = pickle.values[root.items[i + 1]];
      if (key.kind == PickleKind::kString && key.text == container &&
          value.kind == PickleKind::kDict && !value.items.empty()) {
        return root.items[i + 1];
      }
    }
  }
  return pickle.root;
}

}  // namespace

absl::StatusOr<std::map<std::string, int64_t>> NameTensors(
    const Pickle& pickle) {
  Walker walker(pickle);
  SEG_RETURN_IF_ERROR(walker.Walk(StepIntoContainer(pickle), "", 0));
  return std::move(walker.tensors());
}

}  // namespace seg
