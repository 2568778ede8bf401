// Finds the entries of a zip archive held in memory: stored as PyTorch writes
// them, or deflated as archives are that were packed anew; with or without the
// zip64 extensions.
// Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
#ifndef SEGPAPERS_COMMON_IO_ZIP_INDEX_H_
#define SEGPAPERS_COMMON_IO_ZIP_INDEX_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace seg {

struct ZipEntry {
  absl::string_view content;  // as it lies in the archive
  bool deflated = false;
  uint64_t size = 0;  // when unpacked: content.size() where stored; else what
                      // the archive says, at most 1032 times content.size()
};

// The entries by name; names and contents point into the archive.
using ZipIndex = std::map<absl::string_view, ZipEntry>;

// Refuses: encrypted or split archives, other compression than deflate, offsets
// and sizes outside the file, sizes that deflate cannot reach, duplicate names,
// names that differ between the two headers of an entry, and entries that
// overlap (so the contents together are no larger than the file). Checksums are
// not compared: PyTorch may leave them out. Unpacks nothing.
absl::StatusOr<ZipIndex> ParseZip(absl::string_view bytes);

// The bytes of a deflated entry. Allocates entry.size bytes; an error unless
// the content unpacks to exactly as many.
absl::StatusOr<std::string> InflateZipEntry(const ZipEntry& entry);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_ZIP_INDEX_H_
