// Pieces that the plots share: text metrics, primitives, the style sheet.
// Internal to common/reporting.
#ifndef COMMON_REPORTING_SVG_INTERNAL_H_
#define COMMON_REPORTING_SVG_INTERNAL_H_

#include <cstdint>
#include <string>
#include <vector>

namespace seg {
namespace svg_internal {

constexpr double kCharWidth = 7.2;  // advance of 12 px text in a wide font
constexpr double kSmallChar = 6.6;  // of 11 px

// Number of characters; each byte that is not UTF-8 counts as one.
int64_t TextLength(const std::string& text);

// At most `limit` characters, the last an ellipsis where some are left out.
std::string Clip(const std::string& text, int64_t limit);

// A coordinate: one decimal, no "-0".
std::string Px(double v);

// <text> and <line>. `anchor` is start, middle or end; `css` names classes of
// the style sheet.
std::string TextAt(double x, double y, const std::string& anchor,
                   const std::string& css, const std::string& text);
std::string LineAt(double x1, double y1, double x2, double y2,
                   const std::string& css);

// The element itself, with the style sheet; `kind` becomes the accessible name
// where there is no title.
std::string Svg(double width, double height, const std::string& title,
                const std::string& kind, const std::string& body);

// A plot of nothing.
std::string NoData(double width, const std::string& title,
                   const std::string& kind);

// Labels of ticks that share their number of decimals; k, M, G where large.
std::vector<std::string> TickLabels(const std::vector<double>& ticks);

}  // namespace svg_internal
}  // namespace seg

#endif  // COMMON_REPORTING_SVG_INTERNAL_H_
