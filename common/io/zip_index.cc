#include "common/io/zip_index.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/byte_order.h"
#include "common/io/quote.h"

namespace seg {
namespace {

constexpr absl::string_view kLocalSignature("PK\3\4", 4);
constexpr absl::string_view kCentralSignature("PK\1\2", 4);
constexpr absl::string_view kEndSignature("PK\5\6", 4);
constexpr absl::string_view kEnd64Signature("PK\6\6", 4);
constexpr absl::string_view kLocator64Signature("PK\6\7", 4);
constexpr size_t kLocalSize = 30;
constexpr size_t kCentralSize = 46;
constexpr size_t kEndSize = 22;
constexpr size_t kEnd64Size = 56;
constexpr size_t kLocator64Size = 20;
constexpr uint64_t kStored = 0;  // compression methods
constexpr uint64_t kDeflated = 8;
// Deflate cannot expand more than this (a 258 byte match takes at least two
// bits).
constexpr uint64_t kMaxDeflateRatio = 1032;
constexpr uint64_t kFull16 = 0xFFFF;  // "see the zip64 field"
constexpr uint64_t kFull32 = 0xFFFFFFFF;

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("zip: ", what));
}
absl::Status InvalidEntry(absl::string_view name, const std::string& what) {
  return Invalid(absl::StrCat("entry ", Quote(name), " ", what));
}

// Whether [at, at + size) lies within `bytes`.
bool Fits(absl::string_view bytes, uint64_t at, uint64_t size) {
  return at <= bytes.size() && size <= bytes.size() - at;
}

struct Directory {
  uint64_t entries = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// From the zip64 end record, which the locator before the end record names.
absl::Status ReadEnd64(absl::string_view bytes, size_t end_at,
                       Directory* directory) {
  const size_t locator = end_at - kLocator64Size;
  const uint64_t at = LoadLittle(bytes, locator + 8, 8);
  if (!Fits(bytes.substr(0, locator), at, kEnd64Size) ||
      bytes.substr(at, 4) != kEnd64Signature) {
    return Invalid("zip64 end record is not where its locator says");
  }
  if (LoadLittle(bytes, at + 16, 4) != 0 ||
      LoadLittle(bytes, at + 20, 4) != 0) {
    return Invalid("archive is split over several files");
  }
  directory->entries = LoadLittle(bytes, at + 32, 8);
  directory->size = LoadLittle(bytes, at + 40, 8);
  directory->offset = LoadLittle(bytes, at + 48, 8);
  return absl::OkStatus();
}

absl::StatusOr<Directory> FindDirectory(absl::string_view bytes) {
  if (bytes.size() < kEndSize) return Invalid("file is too short");
  // The end record is the last thing but for a comment of 16-bit length.
  const size_t last = bytes.size() - kEndSize;
  const size_t first = last > kFull16 ? last - kFull16 : 0;
  size_t at = last;
  while (bytes.substr(at, 4) != kEndSignature ||
         LoadLittle(bytes, at + 20, 2) != last - at) {
    if (at == first) {
      return Invalid(
          "no end record found; the file is truncated, or other bytes follow "
          "the archive: copy or save it again");
    }
    --at;
  }
  if (LoadLittle(bytes, at + 4, 4) != 0) {
    return Invalid("archive is split over several files");
  }
  Directory directory;
  directory.entries = LoadLittle(bytes, at + 10, 2);
  directory.size = LoadLittle(bytes, at + 12, 4);
  directory.offset = LoadLittle(bytes, at + 16, 4);
  const bool full = directory.entries == kFull16 || directory.size == kFull32 ||
                    directory.offset == kFull32;
  if (full && at >= kLocator64Size &&
      bytes.substr(at - kLocator64Size, 4) == kLocator64Signature) {
    SEG_RETURN_IF_ERROR(ReadEnd64(bytes, at, &directory));
  }
  if (!Fits(bytes.substr(0, at), directory.offset, directory.size) ||
      directory.entries > directory.size / kCentralSize) {
    return Invalid("directory lies outside the file");
  }
  return directory;
}

struct Entry {
  absl::string_view name;
  uint64_t method = kStored;
  uint64_t size = 0;    // unpacked
  uint64_t packed = 0;  // as it lies in the archive
  uint64_t header = 0;  // offset of the local header
  uint64_t end = 0;     // of the content
};

// Replaces the fields that are full by those of the zip64 extra field.
absl::Status ReadExtra64(absl::string_view extra, Entry* entry) {
  if (entry->size != kFull32 && entry->packed != kFull32 &&
      entry->header != kFull32) {
    return absl::OkStatus();
  }
  while (extra.size() >= 4) {
    const uint64_t id = LoadLittle(extra, 0, 2);
    absl::string_view body = extra.substr(4);
    const uint64_t size = LoadLittle(extra, 2, 2);
    if (size > body.size()) break;
    extra = body.substr(size);
    if (id != 1) continue;
    body = body.substr(0, size);
    for (uint64_t* field : {&entry->size, &entry->packed, &entry->header}) {
      if (*field != kFull32) continue;
      if (body.size() < 8) {
        return InvalidEntry(entry->name, "has a short zip64 field");
      }
      *field = LoadLittle(body, 0, 8);
      body.remove_prefix(8);
    }
    return absl::OkStatus();
  }
  return absl::OkStatus();  // then 4294967295 is meant, and fails later
}

// One record of the directory; `rest` moves behind it.
absl::StatusOr<Entry> ReadCentral(absl::string_view* rest) {
  if (rest->size() < kCentralSize ||
      !absl::StartsWith(*rest, kCentralSignature)) {
    return Invalid("directory is damaged");
  }
  const uint64_t flags = LoadLittle(*rest, 8, 2);
  const uint64_t name_size = LoadLittle(*rest, 28, 2);
  const uint64_t extra_size = LoadLittle(*rest, 30, 2);
  const uint64_t comment_size = LoadLittle(*rest, 32, 2);
  Entry entry;
  entry.method = LoadLittle(*rest, 10, 2);
  entry.packed = LoadLittle(*rest, 20, 4);
  entry.size = LoadLittle(*rest, 24, 4);
  entry.header = LoadLittle(*rest, 42, 4);
  if (rest->size() - kCentralSize < name_size + extra_size + comment_size) {
    return Invalid("directory is damaged");
  }
  entry.name = rest->substr(kCentralSize, name_size);
  const absl::string_view extra =
      rest->substr(kCentralSize + name_size, extra_size);
  rest->remove_prefix(kCentralSize + name_size + extra_size + comment_size);
  SEG_RETURN_IF_ERROR(ReadExtra64(extra, &entry));
  if (flags & 1) return InvalidEntry(entry.name, "is encrypted");
  if (entry.method != kStored && entry.method != kDeflated) {
    return InvalidEntry(
        entry.name,
        absl::StrCat("is compressed (method ", entry.method,
                     "), expected stored, as torch.save writes it, or deflate; "
                     "unpack the archive and pack it again without "
                     "compression"));
  }
  if (entry.method == kStored ? entry.packed != entry.size
                              : entry.size / kMaxDeflateRatio > entry.packed) {
    return InvalidEntry(entry.name,
                        absl::StrCat("of ", entry.packed,
                                     " bytes cannot unpack to ", entry.size));
  }
  return entry;
}

// The content, found through the local header.
absl::StatusOr<absl::string_view> FindContent(absl::string_view bytes,
                                              Entry* entry) {
  if (!Fits(bytes, entry->header, kLocalSize) ||
      bytes.substr(entry->header, 4) != kLocalSignature) {
    return InvalidEntry(entry->name, "has no header where it should");
  }
  const uint64_t name_size = LoadLittle(bytes, entry->header + 26, 2);
  const uint64_t extra_size = LoadLittle(bytes, entry->header + 28, 2);
  const uint64_t name_at = entry->header + kLocalSize;
  const uint64_t content = name_at + name_size + extra_size;
  if (!Fits(bytes, name_at, name_size) ||
      bytes.substr(name_at, name_size) != entry->name ||
      LoadLittle(bytes, entry->header + 8, 2) != entry->method) {
    return InvalidEntry(entry->name, "has two headers that differ");
  }
  if (!Fits(bytes, content, entry->packed)) {
    return InvalidEntry(entry->name, absl::StrCat("of ", entry->packed,
                                                  " bytes leaves the file"));
  }
  entry->end = content + entry->packed;
  return bytes.substr(content, entry->packed);
}

}  // namespace

absl::StatusOr<ZipIndex> ParseZip(absl::string_view bytes) {
  SEG_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(bytes));
  absl::string_view rest = bytes.substr(directory.offset, directory.size);
  const absl::string_view before = bytes.substr(0, directory.offset);
  ZipIndex index;
  std::vector<Entry> entries;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    SEG_ASSIGN_OR_RETURN(Entry entry, ReadCentral(&rest));
    SEG_ASSIGN_OR_RETURN(const absl::string_view content,
                         FindContent(before, &entry));
    const ZipEntry found = {content, entry.method == kDeflated, entry.size};
    if (!index.emplace(entry.name, found).second) {
      return InvalidEntry(entry.name, "appears twice");
    }
    entries.push_back(entry);
  }
  if (!rest.empty()) return Invalid("directory is damaged");
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.header < b.header; });
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].header < entries[i - 1].end) {
      return InvalidEntry(entries[i].name, "overlaps another");
    }
  }
  return index;
}

absl::StatusOr<std::string> InflateZipEntry(const ZipEntry& entry) {
  std::string out(entry.size, '\0');
  z_stream stream = {};
  // Negative: deflate without the wrapper of zlib.
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    return absl::ResourceExhaustedError("zip: no memory to unpack");
  }
  constexpr uint64_t kMost = std::numeric_limits<uInt>::max();
  uint64_t read = 0, written = 0;
  int code = Z_OK;
  // A byte of room more than there is shows what is longer than it says.
  Bytef spare = 0;
  while (code == Z_OK) {
    const uint64_t in = std::min(kMost, entry.content.size() - read);
    const uint64_t room = std::min(kMost, entry.size - written);
    stream.next_in = reinterpret_cast<Bytef*>(
        const_cast<char*>(entry.content.data() + read));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out =
        room > 0 ? reinterpret_cast<Bytef*>(&out[written]) : &spare;
    stream.avail_out = room > 0 ? static_cast<uInt>(room) : 1;
    code = inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    if (room == 0 && stream.avail_out == 0) code = Z_DATA_ERROR;
    if (room > 0) written += room - stream.avail_out;
  }
  inflateEnd(&stream);
  if (code != Z_STREAM_END || read != entry.content.size() ||
      written != entry.size) {
    return Invalid(absl::StrCat("an entry does not unpack to its ", entry.size,
                                " bytes; is the file damaged?"));
  }
  return out;
}

}  // namespace seg
