#include "common/io/zip_builder.h"

#include <zlib.h>

#include "common/io/byte_order.h"

namespace seg {
namespace {

std::string Deflate(const std::string& bytes) {
  z_stream stream = {};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 9,
               Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(&out[0]);
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

std::string BuildZip(const std::vector<ZipPart>& parts, bool zip64,
                     const std::string& comment) {
  std::string bytes, directory;
  for (const ZipPart& part : parts) {
    const auto offset = static_cast<uint64_t>(
        static_cast<int64_t>(bytes.size()) + part.offset_shift);
    const std::string content =
        part.deflate ? Deflate(part.content) : part.content;
    const int method = part.deflate ? 8 : part.method;
    const auto shifted = [&part](const std::string& bytes) {
      return static_cast<uint64_t>(static_cast<int64_t>(bytes.size()) +
                                   part.size_shift);
    };
    const uint64_t packed = shifted(content), size = shifted(part.content);
    const std::string& local =
        part.local_name.empty() ? part.name : part.local_name;
    // Local header: version, flags, method, time, date, crc, sizes, lengths.
    bytes += "PK\3\4";
    AppendLittle(20, 2, &bytes);
    AppendLittle(part.flags, 2, &bytes);
    AppendLittle(method, 2, &bytes);
    AppendLittle(0, 8, &bytes);
    AppendLittle(content.size(), 4, &bytes);
    AppendLittle(part.content.size(), 4, &bytes);
    AppendLittle(local.size(), 2, &bytes);
    AppendLittle(3, 2, &bytes);
    bytes += local + "xyz" + content;
    std::string extra("\xEE\0\2\0zz", 6);  // an unknown field first
    if (zip64) {
      AppendLittle(1, 2, &extra);
      AppendLittle(24, 2, &extra);
      AppendLittle(size, 8, &extra);
      AppendLittle(packed, 8, &extra);
      AppendLittle(offset, 8, &extra);
    }
    directory += "PK\1\2";
    AppendLittle(20, 2, &directory);
    AppendLittle(20, 2, &directory);
    AppendLittle(part.flags, 2, &directory);
    AppendLittle(method, 2, &directory);
    AppendLittle(0, 8, &directory);
    AppendLittle(zip64 ? 0xFFFFFFFF : packed, 4, &directory);
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
