#include "common/io/pth_index.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/io/byte_order.h"
#include "common/io/pth_names.h"
#include "common/io/quote.h"
#include "common/io/zip_index.h"

namespace seg {
namespace {

constexpr absl::string_view kZipStart("PK\3\4", 4);

// torch/serialization.py: MAGIC_NUMBER = 0x1950a86a20f9469cfc6c, as a pickle
// stores it, and PROTOCOL_VERSION.
constexpr absl::string_view kLegacyMagic(
    "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t kLegacyProtocol = 1001;

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("pth: ", what));
}

// Takes the tensors out of the pickle and names them. The storages stay empty.
absl::StatusOr<PthFile> NameAll(Pickle* pickle) {
  PthFile file;
  SEG_ASSIGN_OR_RETURN(file.names, NameTensors(*pickle));
  file.tensors = std::move(pickle->tensors);
  file.storages.resize(pickle->storages.size());
  return file;
}

// Unpacks the members of one archive that are asked for, within the bound.
class Unpacker {
 public:
  explicit Unpacker(uint64_t file_size) : left_(MaxInflated(file_size)) {}

  absl::StatusOr<absl::string_view> Read(const ZipEntry& entry) {
    if (!entry.deflated) return entry.content;
    if (entry.size > left_) {
      return Invalid(
          "compressed members unpack to more than 16 times the file; save it "
          "again with torch.save, which does not compress");
    }
    left_ -= entry.size;
    SEG_ASSIGN_OR_RETURN(std::string bytes, InflateZipEntry(entry));
    inflated_.push_back(std::move(bytes));
    return absl::string_view(inflated_.back());
  }

  std::deque<std::string> Take() { return std::move(inflated_); }

 private:
  uint64_t left_;
  std::deque<std::string> inflated_;  // keeps its elements' places
};

absl::StatusOr<PthFile> ParseZipped(absl::string_view bytes) {
  SEG_ASSIGN_OR_RETURN(const ZipIndex entries, ParseZip(bytes));
  Unpacker unpacker(bytes.size());
  // NAME/data.pkl, NAME/data/0, ...: NAME is that of the file when saved.
  absl::string_view prefix;
  const ZipEntry* program_entry = nullptr;
  for (const auto& entry : entries) {
    const size_t slash = entry.first.find('/');
    if (slash == absl::string_view::npos) continue;
    const absl::string_view rest = entry.first.substr(slash + 1);
    if (rest == "constants.pkl") {
      return Invalid(
          "file is a TorchScript program, expected weights; save its "
          "state_dict with torch.save");
    }
    if (rest != "data.pkl") continue;
    if (!prefix.empty()) return Invalid("zip has two data.pkl");
    prefix = entry.first.substr(0, slash + 1);
    program_entry = &entry.second;
  }
  if (prefix.empty()) {
    return Invalid("zip has no data.pkl, expected what torch.save writes");
  }
  const auto order = entries.find(absl::StrCat(prefix, "byteorder"));
  if (order != entries.end()) {
    SEG_ASSIGN_OR_RETURN(const absl::string_view name,
                         unpacker.Read(order->second));
    if (name != "little") {
      return Invalid(absl::StrCat("byte order is ", Quote(name),
                                  ", only \"little\" is supported"));
    }
  }
  SEG_ASSIGN_OR_RETURN(const absl::string_view program,
                       unpacker.Read(*program_entry));
  SEG_ASSIGN_OR_RETURN(Pickle pickle, ParsePickle(program));
  SEG_ASSIGN_OR_RETURN(PthFile file, NameAll(&pickle));
  for (const auto& name : file.names) {
    const int32_t index = file.tensors[name.second].storage;
    const PickleStorage& storage = pickle.storages[index];
    if (file.storages[index].data() != nullptr) continue;  // of another tensor
    const auto entry = entries.find(absl::StrCat(prefix, "data/", storage.key));
    if (entry == entries.end()) {
      return Invalid(absl::StrCat("zip has no storage ", Quote(storage.key),
                                  " for tensor ", Quote(name.first)));
    }
    if (entry->second.size != static_cast<uint64_t>(storage.bytes)) {
      return Invalid(absl::StrCat("storage ", Quote(storage.key), " has ",
                                  entry->second.size, " bytes, expected ",
                                  storage.bytes));
    }
    SEG_ASSIGN_OR_RETURN(file.storages[index], unpacker.Read(entry->second));
  }
  file.inflated = unpacker.Take();
  return file;
}

// The next of several pickles in a row.
absl::StatusOr<Pickle> NextPickle(absl::string_view* rest, const char* what) {
  absl::StatusOr<Pickle> pickle = ParsePickle(*rest);
  if (!pickle.ok()) {
    return absl::Status(
        pickle.status().code(),
        absl::StrCat("pth: ", what, ": ", pickle.status().message()));
  }
  rest->remove_prefix(pickle->size);
  return pickle;
}

// sys_info = {'protocol_version': 1001, 'little_endian': True, ...}
bool SaysLittleEndian(const Pickle& pickle) {
  const PickleValue& root = pickle.values[pickle.root];
  if (root.kind != PickleKind::kDict) return false;
  for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickleValue& key = pickle.values[root.items[i]];
    const PickleValue& value = pickle.values[root.items[i + 1]];
    if (key.kind == PickleKind::kString && key.text == "little_endian") {
      return value.kind == PickleKind::kBool && value.integer == 1;
    }
  }
  return false;
}

// The layout before PyTorch 1.6: five pickles (magic number, protocol version,
// system information, the object, the keys of the storages in the order they
// follow), then for each storage its number of elements and its bytes.
absl::StatusOr<PthFile> ParseLegacy(absl::string_view bytes) {
  absl::string_view rest = bytes;
  SEG_ASSIGN_OR_RETURN(const Pickle magic, NextPickle(&rest, "magic number"));
  const PickleValue& number = magic.values[magic.root];
  if (number.kind != PickleKind::kLongInt || number.text != kLegacyMagic) {
    return Invalid("pickle is not of torch.save (no magic number)");
  }
  SEG_ASSIGN_OR_RETURN(const Pickle version, NextPickle(&rest, "version"));
  const PickleValue& protocol = version.values[version.root];
  if (protocol.kind != PickleKind::kInt ||
      protocol.integer != kLegacyProtocol) {
    return Invalid("unknown version of the legacy layout, expected 1001");
  }
  SEG_ASSIGN_OR_RETURN(const Pickle system, NextPickle(&rest, "system"));
  if (!SaysLittleEndian(system)) {
    return Invalid("file was not written by a little-endian machine");
  }
  SEG_ASSIGN_OR_RETURN(Pickle pickle, NextPickle(&rest, "object"));
  SEG_ASSIGN_OR_RETURN(PthFile file, NameAll(&pickle));
  SEG_ASSIGN_OR_RETURN(const Pickle keys, NextPickle(&rest, "storage keys"));
  const PickleValue& list = keys.values[keys.root];
  if (list.kind != PickleKind::kList ||
      list.items.size() != pickle.storages.size()) {
    return Invalid(absl::StrCat("list of storage keys does not match the ",
                                pickle.storages.size(), " storages"));
  }
  std::map<absl::string_view, size_t> missing;  // keys not met yet
  for (size_t i = 0; i < pickle.storages.size(); ++i) {
    missing.emplace(pickle.storages[i].key, i);
  }
  for (const int32_t item : list.items) {
    const PickleValue& key = keys.values[item];
    const auto found = missing.find(key.text);
    if (key.kind != PickleKind::kString || found == missing.end()) {
      return Invalid("list of storage keys does not match the storages");
    }
    const PickleStorage& storage = pickle.storages[found->second];
    if (rest.size() < 8 ||
        storage.bytes > static_cast<int64_t>(rest.size()) - 8) {
      return Invalid(absl::StrCat("storage ", Quote(storage.key), " of ",
                                  storage.bytes,
                                  " bytes leaves the file; is it truncated?"));
    }
    if (LoadLittle(rest, 0, 8) != static_cast<uint64_t>(storage.size)) {
      return Invalid(absl::StrCat("storage ", Quote(storage.key), " has ",
                                  LoadLittle(rest, 0, 8),
                                  " elements, expected ", storage.size));
    }
    file.storages[found->second] = rest.substr(8, storage.bytes);
    rest.remove_prefix(8 + storage.bytes);
    missing.erase(found);
  }
  if (!rest.empty()) {
    return Invalid(absl::StrCat(
        rest.size(),
        " bytes follow the storages; they are none of torch.save: "
        "cut the file to its first ",
        bytes.size() - rest.size(), " bytes (truncate -s), or save it again"));
  }
  return file;
}

}  // namespace

bool LooksLikePth(absl::string_view bytes) {
  return absl::StartsWith(bytes, kZipStart) ||
         (bytes.size() >= 2 && bytes[0] == '\x80' && bytes[1] >= 2 &&
          bytes[1] <= 5);
}

absl::StatusOr<PthFile> ParsePthFile(absl::string_view bytes) {
  if (absl::StartsWith(bytes, kZipStart)) return ParseZipped(bytes);
  if (LooksLikePth(bytes)) return ParseLegacy(bytes);
  return Invalid(bytes.empty() ? "empty file"
                               : "not a file of torch.save (neither a zip "
                                 "archive nor a pickle)");
}

}  // namespace seg
