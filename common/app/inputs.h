// What predict reads, and where it writes what belongs to it.
#ifndef COMMON_APP_INPUTS_H_
#define COMMON_APP_INPUTS_H_

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace seg {

struct InputFile {
  std::string path;
  // Without its extension, below the folder that was named: "a", "day1/a".
  std::string name;
};

// The pictures that --input means, sorted by path:
//   a file       that file, whatever it is called;
//   a folder     all .jpg, .jpeg and .png (in any case) in it and in its
//                folders, as in packs. Links to folders are followed, each
//                folder is read once; the folder `out` is passed over;
//   a glob       what it matches, by the same rules; names begin behind the
//                last folder without a wildcard ("in/*/a.jpg": "x/a", "y/a").
// Hidden files and folders (".x", "._x.jpg" of macOS) are passed over. Errors:
// NotFound names the input; Unavailable a folder that cannot be read.
absl::StatusOr<std::vector<InputFile>> ListInputs(const std::string& input,
                                                  const std::string& out);

// The folder that --input means: itself, that of the file, or of a glob the
// last one before a wildcard. "": the working directory.
std::filesystem::path InputFolder(const std::string& input);

// InvalidArgument when two of the files OUT/NAME+ENDING, for all inputs and
// all `endings`, are the same one, or one of them is an input: names both, and
// what to do.
absl::Status CheckOutputs(const std::vector<InputFile>& files,
                          const std::string& out,
                          const std::vector<std::string>& endings);

}  // namespace seg

#endif  // COMMON_APP_INPUTS_H_
