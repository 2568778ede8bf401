// Builds zip archives byte by byte, for tests: right ones and wrong ones.
#ifndef SEGPAPERS_COMMON_IO_ZIP_BUILDER_H_
#define SEGPAPERS_COMMON_IO_ZIP_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

namespace seg {

struct ZipPart {
  std::string name;
  std::string content;
  bool deflate = false;  // then `content` is packed, by method 8
  // Lies, for tests of the reader.
  std::string local_name;  // name in the local header, when not empty
  int method = 0;
  int flags = 0;
  int64_t offset_shift = 0;  // added to the offset in the directory
  int64_t size_shift = 0;    // added to both sizes in the directory
};

// With `zip64`, directory and end record use 64-bit fields throughout.
std::string BuildZip(const std::vector<ZipPart>& parts, bool zip64 = false,
                     const std::string& comment = "");

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_ZIP_BUILDER_H_
