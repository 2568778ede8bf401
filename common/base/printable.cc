#include "common/base/printable.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/io/utf8.h"

namespace seg {
namespace {

std::string Escape(absl::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const size_t size = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    const absl::string_view character = text.substr(i, size);
    // Control characters: C0, delete, and C1 (U+0080 .. U+009F).
    const bool control = byte < 0x20 || byte == 0x7F ||
                         (byte == 0xC2 && size == 2 && character.size() == 2 &&
                          static_cast<uint8_t>(character[1]) < 0xA0);
    if (character.size() == size && IsUtf8(character) && !control) {
      absl::StrAppend(&out, character);
      i += size;
      continue;
    }
    ++i;
    if (byte == '\n' || byte == '\t') {
      out += keep_lines ? std::string(1, text[i - 1])
                        : std::string(byte == '\n' ? "\\n" : "\\t");
    } else if (byte == '\r') {
      out += "\\r";
    } else {
      absl::StrAppend(&out, "\\x", absl::Hex(byte, absl::kZeroPad2));
    }
  }
  return out;
}

}  // namespace

std::string Printable(absl::string_view text) { return Escape(text, false); }

std::string PrintableLines(absl::string_view text) {
  return Escape(text, true);
}

}  // namespace seg
