#include "common/app/inputs.h"

#include <glob.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

bool IsImageName(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

bool IsHidden(const fs::path& path) {
  return path.filename().string().substr(0, 1) == ".";
}

std::string Canonical(const fs::path& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  return (error ? path.lexically_normal() : canonical).string();
}

class Lister {
 public:
  // `out` is not read, unless it is the input itself.
  Lister(const std::string& input, const std::string& out) {
    if (Canonical(out) != Canonical(input)) visited_.insert(Canonical(out));
  }

  // `name`: of the file or folder, for the names of what it holds.
  absl::Status Add(const fs::path& path, const fs::path& name) {
    std::error_code error;
    if (fs::is_directory(path, error)) return AddFolder(path, name);
    if (IsImageName(path)) AddFile(path, name);
    return absl::OkStatus();
  }

  absl::Status AddFolder(const fs::path& folder, const fs::path& name) {
    if (!visited_.insert(Canonical(folder)).second) return absl::OkStatus();
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end;
         it.increment(error)) {
      const fs::path& path = it->path();
      if (IsHidden(path)) continue;
      SEG_RETURN_IF_ERROR(Add(path, name / path.filename()));
    }
    if (!error) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(
        folder.string(), ": the folder cannot be read: ", error.message()));
  }

  void AddFile(const fs::path& path, fs::path name) {
    files_.push_back({path.string(), name.replace_extension().string()});
  }

  std::vector<InputFile> Take() {
    std::sort(
        files_.begin(), files_.end(),
        [](const InputFile& a, const InputFile& b) { return a.path < b.path; });
    return std::move(files_);
  }

 private:
  std::vector<InputFile> files_;
  std::set<std::string> visited_;  // folders
};

absl::Status AddGlob(const std::string& pattern, Lister* lister) {
  const fs::path root = InputFolder(pattern);
  absl::Status status;
  glob_t found = {};
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc && status.ok(); ++i) {
      const fs::path path = found.gl_pathv[i];
      if (IsHidden(path)) continue;
      fs::path name = path.lexically_relative(root.empty() ? "." : root);
      if (root.empty()) name = path;
      for (const fs::path& part : name) {
        if (part == "..") name = path.filename();
      }
      status = lister->Add(path, name);
    }
  }
  globfree(&found);
  return status;
}

}  // namespace

fs::path InputFolder(const std::string& input) {
  std::error_code error;
  if (fs::is_directory(input, error)) return input;
  if (fs::exists(input, error)) return fs::path(input).parent_path();
  const std::string plain = input.substr(0, input.find_first_of("*?["));
  return plain.substr(0, plain.rfind('/') + 1);
}

absl::StatusOr<std::vector<InputFile>> ListInputs(const std::string& input,
                                                  const std::string& out) {
  Lister lister(input, out);
  std::error_code error;
  if (fs::is_directory(input, error)) {
    SEG_RETURN_IF_ERROR(lister.AddFolder(input, ""));
  } else if (fs::exists(input, error)) {
    lister.AddFile(input, fs::path(input).filename());
  } else {
    SEG_RETURN_IF_ERROR(AddGlob(input, &lister));
  }
  std::vector<InputFile> files = lister.Take();
  if (files.empty()) {
    return absl::NotFoundError(absl::StrCat(
        input.empty() ? "--input" : input,
        ": no image there; --input takes an image, a folder with .jpg or .png "
        "files, or a glob in quotes"));
  }
  return files;
}

absl::Status CheckOutputs(const std::vector<InputFile>& files,
                          const std::string& out,
                          const std::vector<std::string>& endings) {
  std::map<std::string, std::string> owner;  // of each file to write
  std::set<std::string> inputs;
  for (const InputFile& file : files) inputs.insert(Canonical(file.path));
  for (const InputFile& file : files) {
    for (const std::string& ending : endings) {
      const fs::path path = fs::path(out) / (file.name + ending);
      const auto [other, fresh] = owner.emplace(path.string(), file.path);
      if (!fresh) {
        return absl::InvalidArgumentError(
            absl::StrCat(file.path, ": would be written to ", path.string(),
                         " as ", other->second,
                         " is, which has the same name; predict them into "
                         "two folders"));
      }
      if (inputs.count(Canonical(path)) > 0) {
        return absl::InvalidArgumentError(absl::StrCat(
            path.string(),
            ": is an input and would be overwritten by what is predicted for ",
            file.path, "; name another --out"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace seg
