#include "common/stages/stage.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/hash.h"
#include "common/base/interrupt.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/io/file.h"
#include "common/io/folder_lock.h"
#include "common/io/utf8.h"

namespace seg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kMarker[] = "done.json";

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? ErrnoStatus(error.value(), path, "cannot be made")
               : absl::OkStatus();
}

absl::Status Remove(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return error ? ErrnoStatus(error.value(), path, "cannot be removed")
               : absl::OkStatus();
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  return error ? ErrnoStatus(error.value(), from,
                             absl::StrCat("cannot be renamed to ", to))
               : absl::OkStatus();
}

// What a kill in WriteFileAtomically leaves.
bool IsLeftover(const fs::path& path) {
  const std::string name = path.filename().string();
  return name[0] == '.' && absl::StrContains(name, ".tmp-");
}

// Paths below `folder` of all that is no folder, sorted.
absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    if (fs::is_directory(it->symlink_status(error))) continue;
    files.push_back(it->path().lexically_relative(folder).string());
  }
  if (error) return ErrnoStatus(error.value(), folder, "cannot be listed");
  std::sort(files.begin(), files.end());
  return files;
}

// A file as done.json names it: JSON has UTF-8 alone.
std::string MarkerName(const std::string& file) {
  return IsUtf8(file) ? file : absl::CHexEscape(file);
}

// What done.json says of a file or link.
absl::StatusOr<json> Describe(const std::string& path) {
  std::error_code error;
  if (fs::is_symlink(path, error)) {
    return json{{"link", MarkerName(fs::read_symlink(path, error).string())}};
  }
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  return json{{"bytes", bytes.size()}, {"hash", HashText(Fnv1a(bytes))}};
}

// As it is read back: JSON has no infinite numbers.
json MarkerHead(const StageKey& key) {
  return json::parse(
      json{{"stage", key.name}, {"config", key.config}, {"inputs", key.inputs}}
          .dump());
}

absl::Status WriteMarker(const std::string& folder, const StageKey& key) {
  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFiles(folder));
  json marker = MarkerHead(key);
  marker["files"] = json::object();
  for (const std::string& file : files) {
    if (IsLeftover(file)) {
      SEG_RETURN_IF_ERROR(Remove(folder + "/" + file));
      continue;
    }
    SEG_ASSIGN_OR_RETURN(marker["files"][MarkerName(file)],
                         Describe(folder + "/" + file));
  }
  return WriteFileAtomically(absl::StrCat(folder, "/", kMarker),
                             marker.dump(1) + "\n");
}

// What differs from done.json.
struct Damage {
  bool all = false;                // there is no telling what is whole
  std::vector<std::string> files;  // that are there: changed, or not its own
  std::vector<std::string> texts;  // of each that differs, for people

  bool none() const { return texts.empty(); }
};

absl::StatusOr<Damage> FindDamage(const std::string& folder,
                                  const StageKey& key) {
  Damage damage;
  const absl::StatusOr<std::string> text =
      ReadFile(absl::StrCat(folder, "/", kMarker));
  json marker;
  if (text.ok()) {
    marker = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  }
  json files = json::object();
  bool readable = marker.is_object() && marker.contains("files") &&
                  marker["files"].is_object();
  if (readable) {
    files = marker["files"];
    marker.erase("files");
    readable = marker == MarkerHead(key);
  }
  if (!readable) {
    damage.all = true;
    damage.texts.push_back(absl::StrCat(
        kMarker, text.ok() ? " is not that of this stage" : " is missing"));
    return damage;
  }
  SEG_ASSIGN_OR_RETURN(const std::vector<std::string> there, ListFiles(folder));
  const auto add = [&](const std::string& file, const char* what) {
    damage.files.push_back(file);
    damage.texts.push_back(absl::StrCat(file, " ", what));
  };
  for (const std::string& file : there) {
    if (file == kMarker) continue;
    const auto known = files.find(MarkerName(file));
    if (known == files.end()) {
      add(file, "does not belong there");
      continue;
    }
    const absl::StatusOr<json> now = Describe(folder + "/" + file);
    if (!now.ok()) {
      add(file, "cannot be read");
    } else if (*now != *known) {
      add(file, "has changed");
    }
  }
  std::set<std::string> names;
  for (const std::string& file : there) names.insert(MarkerName(file));
  for (auto it = files.begin(); it != files.end(); ++it) {
    if (names.count(it.key()) == 0) {
      damage.texts.push_back(absl::StrCat(it.key(), " is missing"));
    }
  }
  return damage;
}

// At most three files by name.
std::string Summary(const Damage& damage) {
  std::vector<std::string> texts = damage.texts;
  if (texts.size() > 3) {
    texts.resize(3);
    texts.push_back(absl::StrCat(damage.texts.size() - 3, " more"));
  }
  return absl::StrJoin(texts, ", ");
}

// Takes out what is damaged, and done.json last: a kill before that leaves the
// damage to be found again.
absl::Status TakeOut(const Damage& damage, const std::string& folder) {
  for (const std::string& file : damage.files) {
    SEG_RETURN_IF_ERROR(Remove(folder + "/" + file));
  }
  return Remove(absl::StrCat(folder, "/", kMarker));
}

absl::Status CheckName(const StageKey& key) {
  const bool good =
      !key.name.empty() &&
      key.name.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyz"
          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos;
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "stage '", key.name, "': expected a name of letters, digits, _ and -"));
}

using Make = std::function<absl::Status(const std::string& folder)>;

// Makes `folder` of PART/result, which may hold a part of it; nothing where
// another program has made it by now.
absl::Status MakeStage(const std::string& folder, const std::string& part,
                       const StageKey& key, const Make& make) {
  SEG_ASSIGN_OR_RETURN(const FolderLock lock,
                       FolderLock::Take(part, "--work_dir"));
  const std::string result = part + "/result";
  // Where a result stands: in its place, or about to be renamed.
  const std::string place = Exists(folder) ? folder : result;
  bool whole = false;
  if (place == folder || Exists(absl::StrCat(result, "/", kMarker))) {
    SEG_ASSIGN_OR_RETURN(const Damage damage, FindDamage(place, key));
    whole = damage.none();
    if (whole && place == folder) return absl::OkStatus();
    if (!whole) {
      LogWarning(absl::StrCat(
          "stage ", key.name, ": ", folder, " is damaged: ", Summary(damage),
          "; ", damage.all ? "all of it" : "that", " is made anew"));
      if (damage.all) {
        SEG_RETURN_IF_ERROR(Remove(place));
      } else {
        if (place == folder) SEG_RETURN_IF_ERROR(Rename(folder, result));
        SEG_RETURN_IF_ERROR(TakeOut(damage, result));
      }
    }
  }
  if (!whole) {
    SEG_RETURN_IF_ERROR(MakeFolder(result));
    LogInfo(absl::StrCat("stage ", key.name, ": making ", folder));
    const absl::Status made = make(result);
    if (!made.ok()) {
      return absl::Status(
          made.code(), absl::StrCat("stage ", key.name, ": ", made.message()));
    }
    SEG_RETURN_IF_ERROR(WriteMarker(result, key));
  }
  SEG_RETURN_IF_ERROR(Rename(result, folder));
  return SyncFolder(fs::path(folder).parent_path().string());
}

}  // namespace

std::string Fingerprint(const StageKey& key) {
  std::vector<std::string> texts = {key.name, key.config.dump()};
  texts.insert(texts.end(), key.inputs.begin(), key.inputs.end());
  return HashTexts(texts);
}

absl::StatusOr<std::string> FileFingerprint(const std::string& path) {
  SEG_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  return HashText(Fnv1a(bytes));
}

absl::StatusOr<std::string> EnsureStage(const std::string& root,
                                        const StageKey& key, const Make& make) {
  SEG_RETURN_IF_ERROR(CheckName(key));
  const std::string folder =
      absl::StrCat(root, "/", key.name, "-", Fingerprint(key));
  if (Exists(folder)) {
    SEG_ASSIGN_OR_RETURN(const Damage damage, FindDamage(folder, key));
    if (damage.none()) return folder;
  }
  const std::string part = folder + ".part";
  SEG_RETURN_IF_ERROR(MakeFolder(part));
  SEG_RETURN_IF_ERROR(MakeStage(folder, part, key, make));
  std::error_code error;  // the folder is empty, or again another program's
  fs::remove(part, error);
  return folder;
}

absl::Status EnsureItem(
    const std::string& folder, const std::string& name,
    const std::function<absl::StatusOr<std::string>()>& make) {
  const fs::path relative = fs::path(name).lexically_normal();
  if (name.empty() || relative.is_absolute() || *relative.begin() == ".." ||
      relative.filename().empty() || name == kMarker) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder, ": item '", name, "', expected a file's name inside"));
  }
  const std::string path = folder + "/" + name;
  if (Exists(path)) return absl::OkStatus();
  if (Interrupted()) return absl::CancelledError("interrupted");
  SEG_ASSIGN_OR_RETURN(const std::string bytes, make());
  SEG_RETURN_IF_ERROR(MakeFolder(fs::path(path).parent_path().string()));
  return WriteFileAtomically(path, bytes);
}

}  // namespace seg
