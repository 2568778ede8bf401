// Pieces of GitHub Markdown that the renderers of results share.
#ifndef COMMON_REPRODUCTION_MARKDOWN_H_
#define COMMON_REPRODUCTION_MARKDOWN_H_

#include <string>
#include <vector>

#include "common/reproduction/results.h"

namespace seg {

constexpr char kMinus[] = "\xE2\x88\x92";         // U+2212
constexpr char kPlusMinus[] = "\xC2\xB1";         // U+00B1
constexpr char kNone[] = "\xE2\x80\x93";          // en dash: nothing to show
constexpr char kDirtyMark[] = "\xE2\x80\xA0";     // dagger
constexpr char kRecalledMark[] = "\xE2\x80\xA1";  // double dagger

// Text made safe for a table cell and for a line of prose.
std::string Escape(const std::string& text);

// Fixed digits after the point, U+2212 for a minus, none before a zero.
// Signed: with a plus too.
std::string Fixed(double value, int decimals);
std::string Signed(double value, int decimals);

// "81.5 ± 0.7"; one value alone without a spread, none as an en dash.
std::string MeanAndSd(const std::vector<double>& values, int decimals,
                      bool with_sign = false);

// " (n = 3)".
std::string CountNote(size_t n);

// The dagger where a run was measured with changes that no commit holds.
std::string DirtyMark(const ExperimentResult& result);

// Cells are written as they are: escape text first.
class MarkdownTable {
 public:
  void AddColumn(const std::string& name, bool right = true);
  void AddRow(const std::vector<std::string>& cells);
  bool empty() const { return body_.empty(); }
  std::string Text() const;  // ends with a newline

 private:
  std::string head_ = "|", rule_ = "|", body_;
};

// Texts that are told once, under a table, and pointed to by number.
class Footnotes {
 public:
  // " [1]"; the same text always has the same number.
  std::string Mark(const std::string& text);
  bool empty() const { return texts_.empty(); }
  std::string List() const;  // "1. text", a line each

 private:
  std::vector<std::string> texts_;
};

}  // namespace seg

#endif  // COMMON_REPRODUCTION_MARKDOWN_H_
