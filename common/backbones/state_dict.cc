#include "common/backbones/state_dict.h"

#include <algorithm>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "c10/core/ScalarType.h"

namespace seg {
namespace {

// "Float [21,4096,1,1]"
std::string Describe(const at::Tensor& t) {
  if (!t.defined()) return "undefined";
  return absl::StrCat(
      c10::toString(t.scalar_type()), " [",
      absl::StrJoin(absl::MakeConstSpan(t.sizes().data(), t.sizes().size()),
                    ","),
      "]");
}

enum class Kind { kFloating, kIntegral, kOther };

Kind KindOf(const at::Tensor& t) {
  const c10::ScalarType type = t.scalar_type();
  if (c10::isFloatingType(type)) return Kind::kFloating;
  if (c10::isIntegralType(type, /*includeBool=*/true)) return Kind::kIntegral;
  return Kind::kOther;
}

bool Fits(const at::Tensor& target, const at::Tensor& source) {
  return source.defined() && source.sizes() == target.sizes() &&
         (source.scalar_type() == target.scalar_type() ||
          (KindOf(source) == KindOf(target) && KindOf(source) != Kind::kOther));
}

// ": N what (a, b, c, ...)"
void AppendNames(const char* what, const std::vector<std::string>& names,
                 std::string* out) {
  constexpr size_t kShown = 3;
  if (names.empty()) return;
  const size_t shown = std::min(names.size(), kShown);
  absl::StrAppend(out, "; ", names.size(), " ", what, " (",
                  absl::StrJoin(names.begin(), names.begin() + shown, ", "),
                  names.size() > shown ? ", ...)" : ")");
}

}  // namespace

TensorMap StateDict(const torch::nn::Module& module, bool copy) {
  TensorMap map;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    const at::Tensor detached = tensor.detach();
    map[name] = copy ? detached.clone(at::MemoryFormat::Contiguous) : detached;
  };
  for (const auto& item : module.named_parameters(/*recurse=*/true)) {
    add(item.key(), item.value());
  }
  for (const auto& item : module.named_buffers(/*recurse=*/true)) {
    add(item.key(), item.value());
  }
  return map;
}

bool LoadReport::complete() const {
  return missing.empty() && unexpected.empty() && mismatched.empty();
}

std::string LoadReport::Summary() const {
  std::string out = absl::StrCat(loaded.size(), " tensors agree");
  AppendNames("missing", missing, &out);
  AppendNames("unexpected", unexpected, &out);
  std::vector<std::string> details;
  for (const Mismatch& m : mismatched) {
    details.push_back(
        absl::StrCat(m.name, ": expected ", m.expected, ", got ", m.got));
  }
  AppendNames("mismatched", details, &out);
  return out;
}

absl::Status LoadStateDict(torch::nn::Module& module, const TensorMap& tensors,
                           LoadReport* report, LoadMode mode) {
  LoadReport local;
  if (report == nullptr) report = &local;
  *report = LoadReport();

  const TensorMap targets = StateDict(module);
  std::vector<std::pair<at::Tensor, at::Tensor>> copies;  // target, source
  for (const auto& [name, target] : targets) {
    const auto it = tensors.find(name);
    if (it == tensors.end()) {
      if (!absl::EndsWith(name, "num_batches_tracked")) {
        report->missing.push_back(name);
      }
    } else if (!Fits(target, it->second)) {
      report->mismatched.push_back(
          {name, Describe(target), Describe(it->second)});
    } else {
      report->loaded.push_back(name);
      copies.emplace_back(target, it->second);
    }
  }
  for (const auto& [name, source] : tensors) {
    if (targets.count(name) == 0) report->unexpected.push_back(name);
  }

  if (mode == LoadMode::kStrict && !report->complete()) {
    return absl::InvalidArgumentError(
        absl::StrCat("weights do not fit the model: ", report->Summary()));
  }
  if (mode == LoadMode::kPartial && copies.empty() && !targets.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no tensor of the weights fits the model: ", report->Summary()));
  }
  const at::NoGradGuard no_grad;
  for (auto& [target, source] : copies) target.copy_(source);
  return absl::OkStatus();
}

}  // namespace seg
