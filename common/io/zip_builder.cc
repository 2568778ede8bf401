#include "common/io/zip_builder.h"

#include "common/io/byte_order.h"

namespace seg {

std::string BuildZip(const std::vector<ZipPart>& parts, bool zip64,
                     const std::string& comment) {
  std::string bytes, directory;
  for (const ZipPart& part : parts) {
    const auto offset = static_cast<uint64_t>(
        static_cast<int64_t>(bytes.size()) + part.offset_shift);
    const auto size = static_cast<uint64_t>(
        static_cast<int64_t>(part.content.size()) + part.size_shift);
    const std::string& local =
        part.local_name.empty() ? part.name : part.local_name;
    // Local header: version, flags, method, time, date, crc, sizes, lengths.
    bytes += "PK\3\4";
    AppendLittle(20, 2, &bytes);
    AppendLittle(part.flags, 2, &bytes);
    AppendLittle(part.method, 2, &bytes);
    AppendLittle(0, 8, &bytes);
    AppendLittle(part.content.size(), 4, &bytes);
    AppendLittle(part.content.size(), 4, &bytes);
    AppendLittle(local.size(), 2, &bytes);
    AppendLittle(3, 2, &bytes);
    bytes += local + "xyz" + part.content;
    std::string extra("\xEE\0\2\0zz", 6);  // an unknown field first
    if (zip64) {
      AppendLittle(1, 2, &extra);
      AppendLittle(24, 2, &extra);
      AppendLittle(size, 8, &extra);
      AppendLittle(size, 8, &extra);
      AppendLittle(offset, 8, &extra);
    }
    directory += "PK\1\2";
    AppendLittle(20, 2, &directory);
    AppendLittle(20, 2, &directory);
    AppendLittle(part.flags, 2, &directory);
    AppendLittle(part.method, 2, &directory);
    AppendLittle(0, 8, &directory);
    AppendLittle(zip64 ? 0xFFFFFFFF : size, 4, &directory);
    AppendLittle(zip64 ? 0xFFFFFFFF : size, 4, &directory);
    AppendLittle(part.name.size(), 2, &directory);
    AppendLittle(extra.size(), 2, &directory);
    AppendLittle(1, 2, &directory);  // comment
    AppendLittle(0, 8, &directory);
    AppendLittle(zip64 ? 0xFFFFFFFF : offset, 4, &directory);
    directory += part.name + extra + "c";
  }
  const size_t begin = bytes.size();
  bytes += directory;
  if (zip64) {
    const size_t end64 = bytes.size();
    bytes += "PK\6\6";
    AppendLittle(44, 8, &bytes);
    AppendLittle(45, 2, &bytes);
    AppendLittle(45, 2, &bytes);
    AppendLittle(0, 8, &bytes);
    AppendLittle(parts.size(), 8, &bytes);
    AppendLittle(parts.size(), 8, &bytes);
    AppendLittle(directory.size(), 8, &bytes);
    AppendLittle(begin, 8, &bytes);
    bytes += "PK\6\7";
    AppendLittle(0, 4, &bytes);
    AppendLittle(end64, 8, &bytes);
    AppendLittle(1, 4, &bytes);
  }
  bytes += "PK\5\6";
  AppendLittle(0, 4, &bytes);
  AppendLittle(zip64 ? 0xFFFF : parts.size(), 2, &bytes);
  AppendLittle(zip64 ? 0xFFFF : parts.size(), 2, &bytes);
  AppendLittle(zip64 ? 0xFFFFFFFF : directory.size(), 4, &bytes);
  AppendLittle(zip64 ? 0xFFFFFFFF : begin, 4, &bytes);
  AppendLittle(comment.size(), 2, &bytes);
  return bytes + comment;
}

}  // namespace seg
