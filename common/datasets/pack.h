// Data on disk in pack form: any folder with
//   dataset.yaml            name, classes, colours, ignore label
//   images/ID.jpg|jpeg|png  8-bit pictures
//   masks/ID.png            class ids, of the picture's size (optional)
//   train.txt, NAME.txt     one ID a line; blank lines and # comments allowed
// Extensions may be in any case. An ID may contain folders ("seq1/frame0003")
// but never leaves the pack. In a line "ID # text" the text is a comment,
// unless a picture is called like the whole line. Hidden files are no pictures.
//
// dataset.yaml:
//   name: camvid                  default: the folder's name
//   title: "CamVid, 11 classes"   default: empty
//   ignore_label: 255             default 255; from the number of classes to
//   255 has_masks: true               default true; false: masks/ is not looked
//   at flip_pairs: [[4, 5], [6, 7]]  default none; ids that a mirror image
//   swaps classes:                      required when there are masks
//     - {id: 0, name: sky, color: [70, 130, 180]}   color default: VOC's
//     colours
// Unknown keys and wrong types are errors. Every error is one line: file, what
// was expected, what was found, what to do.
#ifndef COMMON_DATASETS_PACK_H_
#define COMMON_DATASETS_PACK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

// Reads and checks FOLDER/dataset.yaml.
absl::StatusOr<DatasetInfo> ReadPackInfo(const std::string& folder);

// Parses and checks the text of a dataset.yaml. `path`: for messages;
// `folder_name`: the default of `name`.
absl::StatusOr<DatasetInfo> ParsePackInfo(const std::string& text,
                                          const std::string& path,
                                          const std::string& folder_name);

struct SplitEntry {
  std::string id;
  int64_t line = 0;  // from 1
  bool cut = false;  // the line goes on with a comment
};

// Reads a split list; pictures, where they decide about a comment, are looked
// for beside it. Errors: unreadable file, UTF-16, an ID that leaves the pack;
// with `bad_lines` the latter are appended there and left out instead.
// Duplicates are not looked for here.
absl::StatusOr<std::vector<SplitEntry>> ReadSplitFile(
    const std::string& path, std::vector<std::string>* bad_lines = nullptr);

// NAMEs of the split lists, sorted: train, val and test where there is a file,
// and other NAME.txt when one of their first ten lines is the ID of an image
// (a pack may hold other texts).
std::vector<std::string> ListSplits(const std::string& folder);

// IDs of all files with an image extension below FOLDER/images, sorted.
absl::StatusOr<std::vector<std::string>> ListImageIds(
    const std::string& folder);
// The same of any folder, relative to it. Hidden files are left out.
absl::StatusOr<std::vector<std::string>> ListImagesBelow(
    const std::string& root);

// FOLDER/images/ID.{jpg,jpeg,png} that exists, in any case. NotFound names the
// candidates; FailedPrecondition when there are several.
absl::StatusOr<std::string> FindImage(const std::string& folder,
                                      const std::string& id);
// The same of STEM.{jpg,jpeg,png}.
absl::StatusOr<std::string> FindImageFile(const std::string& stem);
// FOLDER/masks/ID.png, or with ".PNG", ".Png" .. where that is the file.
std::string MaskPath(const std::string& folder, const std::string& id);

// STEM + EXTENSION, or with the extension in another case where that is a file.
std::string FindInAnyCase(const std::string& stem,
                          const std::string& extension);

// Whether `path` is a regular file.
bool IsFile(const std::string& path);

// Decodes one sample and checks it: sizes agree, labels are known.
absl::StatusOr<Sample> ReadPackSample(const std::string& folder,
                                      const DatasetInfo& info,
                                      const std::string& id);

// Opens a split: every image and mask must exist (contents are checked by Get).
// `split` "all" without an all.txt: every image.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenPack(
    const std::string& folder, const std::string& split);

}  // namespace seg

#endif  // COMMON_DATASETS_PACK_H_
