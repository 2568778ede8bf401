#include "common/reporting/svg_internal.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/reporting/svg_plot.h"

namespace seg {
namespace svg_internal {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

// Direct colours instead of CSS variables: renderers without var() (librsvg,
// office programs) then still show the light version. Okabe and Ito 2008, with
// orange and sky blue darkened on white for contrast.
constexpr char kStyle[] = R"(<style>
.seg-plot{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
.seg-plot text{fill:#1f2328}.seg-plot .soft{fill:#59636e;font-size:11px}.seg-plot .title{font-size:13px;font-weight:600}
.seg-plot .grid{stroke:#e3e6ea;stroke-width:1}.seg-plot .axis{stroke:#8c959f;stroke-width:1}.seg-plot .ref{stroke:#59636e;stroke-width:1;stroke-dasharray:3 3}
.seg-plot .l{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}.seg-plot .raw{stroke-width:1;stroke-opacity:.28}
.seg-plot .c0{stroke:#0072b2}.seg-plot .c1{stroke:#d55e00}.seg-plot .c2{stroke:#009e73}.seg-plot .c3{stroke:#b8619a}.seg-plot .c4{stroke:#b07a00}.seg-plot .c5{stroke:#2f8fc9}.seg-plot .c6{stroke:#1f2328}
.seg-plot .f0{fill:#0072b2}.seg-plot .f1{fill:#d55e00}.seg-plot .f2{fill:#009e73}.seg-plot .f3{fill:#b8619a}.seg-plot .f4{fill:#b07a00}.seg-plot .f5{fill:#2f8fc9}.seg-plot .f6{fill:#1f2328}
.seg-plot .cell{fill:#0072b2}.seg-plot .frame{fill:none;stroke:#d0d7de}.seg-plot text.on{fill:#fff}.seg-plot .num{font-size:12px}.seg-plot .sub{font-size:9.5px}
@media screen and (prefers-color-scheme:dark){
.seg-plot text{fill:#e6e8eb}.seg-plot .soft{fill:#9aa4af}.seg-plot .grid{stroke:#30363d}.seg-plot .axis{stroke:#6e7681}.seg-plot .ref{stroke:#9aa4af}
.seg-plot .c0{stroke:#56b4e9}.seg-plot .c1{stroke:#f28b4b}.seg-plot .c2{stroke:#35c79a}.seg-plot .c3{stroke:#e19cc5}.seg-plot .c4{stroke:#e6a93a}.seg-plot .c5{stroke:#9ad1f5}.seg-plot .c6{stroke:#e6e8eb}
.seg-plot .f0{fill:#56b4e9}.seg-plot .f1{fill:#f28b4b}.seg-plot .f2{fill:#35c79a}.seg-plot .f3{fill:#e19cc5}.seg-plot .f4{fill:#e6a93a}.seg-plot .f5{fill:#9ad1f5}.seg-plot .f6{fill:#e6e8eb}
.seg-plot .cell{fill:#56b4e9}.seg-plot .frame{stroke:#3d444d}.seg-plot text.on{fill:#0d1117}}
</style>)";

// Length in bytes of the UTF-8 character at text[i], 0 where it is not one.
size_t Utf8Length(const std::string& text, size_t i) {
  const auto byte = [&](size_t k) {
    return static_cast<unsigned char>(text[k]);
  };
  const unsigned char c = byte(i);
  size_t length = 0;
  uint32_t code = 0;
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) length = 2, code = c & 0x1F;
  if ((c & 0xF0) == 0xE0) length = 3, code = c & 0x0F;
  if (c >= 0xF0 && c <= 0xF4) length = 4, code = c & 0x07;
  if (length == 0 || i + length > text.size()) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i + k) & 0x3F);
  }
  if (length == 3 &&
      (code < 0x800 || (code >= 0xD800 && code <= 0xDFFF) || code >= 0xFFFE)) {
    return 0;  // overlong, surrogate, or a character that XML forbids
  }
  if (length == 4 && (code < 0x10000 || code > 0x10FFFF)) return 0;
  return length;
}

}  // namespace

int64_t TextLength(const std::string& text) {
  int64_t n = 0;
  for (size_t i = 0; i < text.size();) {
    i += std::max<size_t>(1, Utf8Length(text, i));
    ++n;
  }
  return n;
}

std::string Clip(const std::string& text, int64_t limit) {
  if (TextLength(text) <= limit) return text;
  size_t i = 0;
  for (int64_t n = 0; n + 1 < limit && i < text.size(); ++n) {
    i += std::max<size_t>(1, Utf8Length(text, i));
  }
  return text.substr(0, i) + "\xE2\x80\xA6";
}

std::string Px(double v) {
  const double r = std::round(v * 10) / 10;
  std::string s = absl::StrFormat("%.1f", r == 0 ? 0.0 : r);
  if (s.size() > 2 && s.compare(s.size() - 2, 2, ".0") == 0) {
    s.resize(s.size() - 2);
  }
  return s;
}

std::string TextAt(double x, double y, const std::string& anchor,
                   const std::string& css, const std::string& text) {
  return absl::StrCat(
      "<text x=\"", Px(x), "\" y=\"", Px(y), "\"",
      anchor == "start" ? "" : " text-anchor=\"" + anchor + "\"",
      css.empty() ? "" : " class=\"" + css + "\"", ">", EscapeXml(text),
      "</text>\n");
}

std::string LineAt(double x1, double y1, double x2, double y2,
                   const std::string& css) {
  return absl::StrCat("<line x1=\"", Px(x1), "\" y1=\"", Px(y1), "\" x2=\"",
                      Px(x2), "\" y2=\"", Px(y2), "\" class=\"", css, "\"/>\n");
}

std::string Svg(double width, double height, const std::string& title,
                const std::string& kind, const std::string& body) {
  return absl::StrCat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"seg-plot\" width=\"",
      Px(width), "\" height=\"", Px(height), "\" viewBox=\"0 0 ", Px(width),
      " ", Px(height), "\" role=\"img\" aria-label=\"",
      EscapeXml(title.empty() ? kind : title), "\">\n", kStyle, "\n", body,
      "</svg>\n");
}

std::string NoData(double width, const std::string& title,
                   const std::string& kind) {
  std::string body;
  if (!title.empty()) body += TextAt(0, 14, "start", "title", title);
  body += TextAt(width / 2, 48, "middle", "soft", "no data");
  return Svg(width, 72, title, kind, body);
}

std::vector<std::string> TickLabels(const std::vector<double>& ticks) {
  double largest = 0;
  for (double t : ticks) largest = std::max(largest, std::abs(t));
  double unit = 1;
  const char* suffix = "";
  if (largest >= 1e4 && largest < 1e6) unit = 1e3, suffix = "k";
  if (largest >= 1e6 && largest < 1e9) unit = 1e6, suffix = "M";
  if (largest >= 1e9 && largest < 1e12) unit = 1e9, suffix = "G";
  std::vector<std::string> labels;
  if (largest >= 1e12 || (largest > 0 && largest < 1e-4)) {
    for (double t : ticks) labels.push_back(FormatNumber(t));
    return labels;
  }
  int decimals = 0;  // as few as keep each tick's value
  for (; decimals < 8; ++decimals) {
    const double scale = std::pow(10.0, decimals);
    const bool exact = std::all_of(ticks.begin(), ticks.end(), [&](double t) {
      const double v = t / unit * scale;
      return std::abs(v - std::round(v)) < 1e-6 * std::max(1.0, std::abs(v));
    });
    if (exact) break;
  }
  for (double t : ticks) {
    labels.push_back(
        t == 0 ? "0"
               : absl::StrCat(absl::StrFormat("%.*f", decimals, t / unit),
                              suffix));
  }
  return labels;
}

}  // namespace svg_internal

using svg_internal::kReplacement;
using svg_internal::Utf8Length;

std::string EscapeXml(const std::string& text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text, i);
    const unsigned char c = text[i];
    if (length == 0 ||
        (length == 1 && c < 0x20 && c != '\t' && c != '\n' && c != '\r')) {
      out += kReplacement;
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out.append(text, i, length);
    }
    i += std::max<size_t>(1, length);
  }
  return out;
}

std::string FormatNumber(double value) {
  if (!std::isfinite(value)) return "n/a";
  return value == 0 ? "0" : absl::StrFormat("%.6g", value);
}

std::string FormatTick(double value) {
  if (!std::isfinite(value)) return "n/a";
  const double size = std::abs(value);
  if (size < 9999.5) return absl::StrFormat("%.4g", value);
  const char* suffix = "k";
  double unit = 1e3;
  if (size >= 999.5e3) unit = 1e6, suffix = "M";
  if (size >= 999.5e6) unit = 1e9, suffix = "G";
  if (size >= 999.5e9) return absl::StrFormat("%.3g", value);
  return absl::StrCat(absl::StrFormat("%.3g", value / unit), suffix);
}

std::vector<double> NiceTicks(double low, double high, int target) {
  if (!std::isfinite(low) || !std::isfinite(high) || target < 1) return {};
  if (low > high) std::swap(low, high);
  if (low == high) return {low};
  const double raw = (high - low) / target;
  if (!std::isfinite(raw)) return {};
  int exponent = static_cast<int>(std::floor(std::log10(raw)));
  double mantissa = 10;
  const double share = raw / std::pow(10.0, exponent);
  for (double m : {1.0, 2.0, 5.0}) {
    if (share <= m * 1.0001) {
      mantissa = m;
      break;
    }
  }
  // k * mantissa is an integer: dividing by a power of ten rounds once, so
  // that ticks are the doubles nearest to the decimal numbers.
  const auto tick = [&](double k) {
    return exponent < 0 ? k * mantissa / std::pow(10.0, -exponent)
                        : k * mantissa * std::pow(10.0, exponent);
  };
  const double step = tick(1);
  const double first = std::ceil(low / step - 1e-9);
  const double last = std::floor(high / step + 1e-9);
  std::vector<double> ticks;
  for (double k = first; k <= last && ticks.size() < 50; ++k) {
    const double t = tick(k);
    ticks.push_back(t == 0 ? 0 : t);
  }
  return ticks;
}

}  // namespace seg
