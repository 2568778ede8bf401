#include "common/evaluation/same_classes.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace seg {
namespace {

// By class of `from`: its place in `to`. Empty unless both hold the same names.
std::vector<int64_t> Places(const std::vector<std::string>& from,
                            const std::vector<std::string>& to) {
  std::vector<int64_t> places;
  for (const std::string& name : from) {
    const auto it = std::find(to.begin(), to.end(), name);
    if (it == to.end()) return {};
    places.push_back(it - to.begin());
  }
  return places;
}

}  // namespace

absl::Status CheckSameClasses(const DatasetInfo& trained,
                              const DatasetInfo& data,
                              const std::vector<int64_t>& map,
                              const std::string& compare) {
  const std::vector<std::string>& names = trained.class_names;
  if (data.num_classes() != trained.num_classes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        data.name, ": has ", data.num_classes(),
        " classes, the model was trained on ", trained.num_classes(),
        "; map them by data.map and data.class_names"));
  }
  if (compare == "by_order") return absl::OkStatus();
  const auto [own, other] = std::mismatch(
      data.class_names.begin(), data.class_names.end(), names.begin());
  if (own == data.class_names.end()) return absl::OkStatus();
  const std::vector<int64_t> places = Places(data.class_names, names);
  const std::string remedy =
      places.empty() ? "name the classes alike by data.map and data.class_names"
      : map.empty()
          ? absl::StrCat("set data.map=[", absl::StrJoin(places, ","), "]")
          : "put the classes into its order by data.map";
  return absl::InvalidArgumentError(absl::StrCat(
      data.name, ": class ", own - data.class_names.begin(), " is '", *own,
      "', the model was trained on '", *other, "' there; ", remedy,
      ", or set eval.classes=by_order to score class by class all the same"));
}

KeyRule SameClassesRule() {
  return OneOf("eval.classes", {"by_name", "by_order"});
}

}  // namespace seg
