// Text from outside (names of files, keys, what a library said) on its way to a
// terminal or a log.
#ifndef COMMON_BASE_PRINTABLE_H_
#define COMMON_BASE_PRINTABLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace seg {

// `text` on one line: valid UTF-8 stays as it is; a byte that is none, a
// control character and a line end become \xNN, \n, \r or \t. So no name of a
// file can move the cursor, colour the terminal, or make two lines of one.
std::string Printable(absl::string_view text);

// The same, but line ends and tabs stay: for tables.
std::string PrintableLines(absl::string_view text);

}  // namespace seg

#endif  // COMMON_BASE_PRINTABLE_H_
