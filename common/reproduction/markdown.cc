#include "common/reproduction/markdown.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/reproduction/verdict.h"

namespace seg {

std::string Escape(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '|') {
      out += "\\|";
    } else if (c == '\n' || c == '\r') {
      out += ' ';
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Fixed(double value, int decimals) {
  const std::string text = absl::StrFormat("%.*f", decimals, std::abs(value));
  // No minus before what rounds to zero.
  const bool zero = text.find_first_not_of("0.") == std::string::npos;
  return (value < 0 && !zero ? kMinus : "") + text;
}

std::string Signed(double value, int decimals) {
  const std::string text = Fixed(value, decimals);
  const bool zero = text.find_first_not_of("0.") == std::string::npos;
  return value > 0 && !zero ? "+" + text : text;
}

std::string MeanAndSd(const std::vector<double>& values, int decimals,
                      bool with_sign) {
  if (values.empty()) return kNone;
  const MeanSd stats = ComputeMeanSd(values);
  std::string out =
      with_sign ? Signed(stats.mean, decimals) : Fixed(stats.mean, decimals);
  if (values.size() > 1) {
    absl::StrAppend(&out, " ", kPlusMinus, " ", Fixed(stats.sd, decimals));
  }
  return out;
}

std::string CountNote(size_t n) { return absl::StrCat(" (n = ", n, ")"); }

std::string DirtyMark(const ExperimentResult& result) {
  const bool dirty = std::any_of(result.runs.begin(), result.runs.end(),
                                 [](const MeasuredRun& r) { return r.dirty; });
  return dirty ? kDirtyMark : "";
}

void MarkdownTable::AddColumn(const std::string& name, bool right) {
  absl::StrAppend(&head_, " ", name, " |");
  absl::StrAppend(&rule_, right ? " ---: |" : " --- |");
}

void MarkdownTable::AddRow(const std::vector<std::string>& cells) {
  body_ += "|";
  for (const std::string& cell : cells) {
    absl::StrAppend(&body_,
                    cell.empty() ? " |" : absl::StrCat(" ", cell, " |"));
  }
  body_ += "\n";
}

std::string MarkdownTable::Text() const {
  return absl::StrCat(head_, "\n", rule_, "\n", body_);
}

std::string Footnotes::Mark(const std::string& text) {
  auto it = std::find(texts_.begin(), texts_.end(), text);
  if (it == texts_.end()) it = texts_.insert(it, text);
  return absl::StrCat(" [", it - texts_.begin() + 1, "]");
}

std::string Footnotes::List() const {
  std::string out;
  for (size_t i = 0; i < texts_.size(); ++i) {
    absl::StrAppend(&out, i + 1, ". ", Escape(texts_[i]), "\n");
  }
  return out;
}

}  // namespace seg
