#include "spn/part_scores.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"

namespace seg {
namespace spn {
namespace {

struct Counts {
  int64_t both = 0;
  int64_t total = 0;  // true and predicted pixels, added
};

Counts CountPart(const ConfusionMatrix& confusion,
                 const std::vector<int64_t>& classes) {
  Counts counts;
  for (const int64_t c : classes) {
    for (const int64_t other : classes)
      counts.both += confusion.count(c, other);
    for (int64_t other = 0; other < confusion.num_classes(); ++other) {
      counts.total += confusion.count(c, other) + confusion.count(other, c);
    }
  }
  return counts;
}

double FMeasure(const Counts& counts) {
  if (counts.total == 0) return std::numeric_limits<double>::quiet_NaN();
  return 2.0 * static_cast<double>(counts.both) /
         static_cast<double>(counts.total);
}

struct Part {
  const char* name;
  std::vector<const char*> classes;
  bool in_overall;
};

const std::vector<Part>& Parts() {
  static const auto* parts = new std::vector<Part>{
      {"skin", {"face skin"}, false},
      {"brows", {"left brow", "right brow"}, true},
      {"eyes", {"left eye", "right eye"}, true},
      {"nose", {"nose"}, true},
      {"U-lip", {"upper lip"}, false},
      {"L-lip", {"lower lip"}, false},
      {"in-mouth", {"inner mouth"}, false},
      {"mouth", {"upper lip", "inner mouth", "lower lip"}, true},
      {"hair", {"hair"}, false}};
  return *parts;
}

}  // namespace

const std::vector<std::string>& HelenClasses() {
  static const auto* names = new std::vector<std::string>{
      "background",  "face skin", "left brow", "right brow",
      "left eye",    "right eye", "nose",      "upper lip",
      "inner mouth", "lower lip", "hair"};
  return *names;
}

std::vector<std::pair<std::string, double>> PartScores(
    const ConfusionMatrix& confusion,
    const std::vector<std::string>& class_names) {
  const auto find = [&](const std::string& name) {
    return std::find(class_names.begin(), class_names.end(), name) -
           class_names.begin();
  };
  const auto missing = [&](const std::string& name) {
    return find(name) == static_cast<int64_t>(class_names.size());
  };
  const std::vector<std::string>& helen = HelenClasses();
  if (std::any_of(helen.begin(), helen.end(), missing)) return {};
  std::vector<std::pair<std::string, double>> scores;
  Counts overall;
  for (const Part& part : Parts()) {
    std::vector<int64_t> classes;
    for (const char* name : part.classes) classes.push_back(find(name));
    const Counts counts = CountPart(confusion, classes);
    scores.emplace_back(part.name, FMeasure(counts));
    if (!part.in_overall) continue;
    overall.both += counts.both;
    overall.total += counts.total;
  }
  scores.emplace_back("overall", FMeasure(overall));
  return scores;
}

absl::Status PartFMeasures::Finish(Findings* findings) {
  std::string table;
  for (size_t k = 0; k < scores_.outputs().size(); ++k) {
    const std::string& output = scores_.outputs()[k];
    const auto parts =
        PartScores(scores_.confusion(k), scores_.info().class_names);
    if (parts.empty()) return absl::OkStatus();
    if (table.empty()) {
      table = absl::StrFormat("%-12s", "F-measure");
      for (const auto& [name, f] : parts) {
        absl::StrAppendFormat(&table, "%10s", name);
      }
    }
    absl::StrAppendFormat(&table, "\n%-12s", output);
    for (const auto& [name, f] : parts) {
      findings->scalars[(k == 0 ? "" : output + "/") + "part_f/" + name] = f;
      absl::StrAppendFormat(&table, "%10.2f", 100 * f);
    }
  }
  findings->tables.push_back(std::move(table));
  return absl::OkStatus();
}

}  // namespace spn
}  // namespace seg
