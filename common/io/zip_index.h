// Finds the entries of a zip archive held in memory. Only what PyTorch writes:
// stored (uncompressed) entries, with or without the zip64 extensions.
// Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3.
#ifndef SEGPAPERS_COMMON_IO_ZIP_INDEX_H_
#define SEGPAPERS_COMMON_IO_ZIP_INDEX_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace seg {

// Content of each entry by name; both point into the archive.
using ZipIndex = std::map<absl::string_view, absl::string_view>;

// Refuses: encrypted, compressed or split archives, offsets and sizes outside
// the file, duplicate names, names that differ between the two headers of an
// entry, and entries that overlap (so the contents together are no larger than
// the file). Checksums are not compared: PyTorch may leave them out.
absl::StatusOr<ZipIndex> ParseZip(absl::string_view bytes);

}  // namespace seg

#endif  // SEGPAPERS_COMMON_IO_ZIP_INDEX_H_
