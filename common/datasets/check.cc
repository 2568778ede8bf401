#include "common/datasets/check.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "ATen/ATen.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/datasets/label_census.h"
#include "common/datasets/pack.h"

namespace seg {
namespace {

namespace fs = std::filesystem;

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

uint64_t HashPixels(const at::Tensor& image) {  // FNV-1a over bytes and width
  uint64_t hash = 14695981039346656037ULL;
  const auto mix = [&](uint64_t v) { hash = (hash ^ v) * 1099511628211ULL; };
  mix(static_cast<uint64_t>(image.size(2)));
  const uint8_t* p = image.data_ptr<uint8_t>();
  for (int64_t i = 0; i < image.numel(); ++i) mix(p[i]);
  return hash;
}

class Checker {
 public:
  explicit Checker(const std::string& folder) { report_.folder = folder; }

  PackReport Run() {
    ReadInfo();
    ReadLists();
    CheckSamples();
    Summarise();
    return std::move(report_);
  }

 private:
  void Problem(std::string line) {
    report_.problems.push_back(std::move(line));
  }
  void Warning(std::string line) {
    report_.warnings.push_back(std::move(line));
  }
  void Note(std::string line) { report_.notes.push_back(std::move(line)); }

  void ReadInfo() {
    auto info = ReadPackInfo(report_.folder);
    if (info.ok()) {
      report_.info = *std::move(info);
      info_ok_ = true;
    } else {
      // Go on with what can be checked without it.
      Problem(Message(info.status()));
      std::error_code error;
      report_.info.has_masks =
          fs::is_directory(fs::path(report_.folder) / "masks", error);
    }
    all_ = LabelCensus(report_.info);
    report_.class_pixels.assign(report_.info.num_classes(), 0);
    report_.class_images.assign(report_.info.num_classes(), 0);
  }

  void ReadLists() {
    const std::vector<std::string> names = ListSplits(report_.folder);
    if (names.empty()) {
      Note(
          absl::StrCat(report_.folder,
                       ": no list of IDs; only the split 'all' can be opened"));
    }
    // Where an ID of train, val or test was seen first.
    std::map<std::string, std::string> owner;
    for (const std::string& name : names) {
      const std::string path =
          (fs::path(report_.folder) / (name + ".txt")).string();
      const auto entries = ReadSplitFile(path, &report_.problems);
      if (!entries.ok()) {
        Problem(Message(entries.status()));
        continue;
      }
      const size_t list = lists_.size();
      lists_.push_back({path, name, LabelCensus(report_.info)});
      std::map<std::string, int64_t> line_of;
      const bool exclusive = name == "train" || name == "val" || name == "test";
      for (const SplitEntry& entry : *entries) {
        const std::string& id = entry.id;
        const std::string here = absl::StrCat(path, ":", entry.line);
        const auto [in_list, fresh] = line_of.emplace(id, entry.line);
        if (!fresh) {
          Problem(absl::StrCat(here, ": the ID '", id, "' is already in line ",
                               in_list->second));
          continue;
        }
        ids_.insert(id);
        lists_of_[id].push_back(list);
        listed_at_.emplace(id, here);
        if (!exclusive) continue;
        const auto [other, first] = owner.emplace(id, here);
        if (!first) {
          Problem(absl::StrCat(here, ": the ID '", id, "' is also in ",
                               other->second,
                               "; train, val and test must be disjoint"));
        }
      }
      report_.splits.push_back({name, static_cast<int64_t>(line_of.size())});
      if (!line_of.empty()) continue;
      // No training needs test.txt.
      if (exclusive && name != "test") {
        Problem(absl::StrCat(path,
                             ": the list is empty; write the IDs of its images "
                             "there, an ID a line"));
      } else {
        Note(absl::StrCat(path, ": the list is empty"));
      }
    }
    CheckSplitsOfTraining(names);
    const auto images = ListImageIds(report_.folder);
    if (!images.ok()) {
      Problem(Message(images.status()));
      return;
    }
    int64_t unlisted = 0;
    std::string example;
    for (const std::string& id : *images) {
      if (!ids_.insert(id).second) continue;
      ++unlisted;
      if (example.empty()) example = id;
    }
    if (unlisted > 0 && !names.empty()) {
      Note(absl::StrCat(unlisted, " images are in no list, e.g. ", example));
    }
    if (images->empty() && ids_.empty()) {
      Problem(absl::StrCat((fs::path(report_.folder) / "images").string(),
                           ": holds no .jpg or .png file"));
    }
  }

  // A pack that is trained on is validated on too. (Without masks none is.)
  void CheckSplitsOfTraining(const std::vector<std::string>& names) {
    const auto has = [&](const char* name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (!info_ok_ || !report_.info.has_masks || !has("train") || has("val"))
      return;
    Problem(absl::StrCat((fs::path(report_.folder) / "val.txt").string(),
                         ": no such list, and training validates on it; write "
                         "it, an ID a line"));
  }

  void CheckSamples() {
    std::map<uint64_t, std::string> seen;
    for (const std::string& id : ids_) {
      const auto path = FindImage(report_.folder, id);
      if (!path.ok()) {
        const auto list = listed_at_.find(id);
        Problem(list == listed_at_.end()
                    ? Message(path.status())
                    : absl::StrCat(list->second, ": ", Message(path.status())));
        continue;
      }
      const auto image = ReadImage(*path);
      if (image.ok()) {
        ++report_.images;
        heights_.push_back(image->size(1));
        widths_.push_back(image->size(2));
        const auto [twin, fresh] = seen.emplace(HashPixels(*image), *path);
        if (!fresh) {
          Note(absl::StrCat(*path, ": the same picture as ", twin->second));
        }
      } else {
        Problem(Message(image.status()));
      }
      if (report_.info.has_masks) {
        CheckMask(id, image.ok() ? *image : at::Tensor());
      }
    }
  }

  void CheckMask(const std::string& id, const at::Tensor& image) {
    const std::string path = MaskPath(report_.folder, id);
    if (!IsFile(path)) {
      Problem(absl::StrCat(path,
                           ": not found; every image needs a mask while "
                           "has_masks is true"));
      return;
    }
    const auto mask = ReadMask(path);
    if (!mask.ok()) {
      Problem(Message(mask.status()));
      return;
    }
    if (image.defined() &&
        (mask->size(0) != image.size(1) || mask->size(1) != image.size(2))) {
      Problem(absl::StrCat(path, ": expected the size of its image, ",
                           image.size(2), "x", image.size(1), ", got ",
                           mask->size(1), "x", mask->size(0)));
      return;
    }
    ++report_.masks;
    if (!info_ok_) return;
    const std::array<int64_t, 256> count = CountLabels(*mask);
    all_.Add(count);
    for (const size_t list : lists_of_[id]) lists_[list].census.Add(count);
    std::vector<std::string> unknown;
    for (int64_t label = 0; label < 256; ++label) {
      if (count[label] == 0) continue;
      if (label >= report_.info.num_classes() &&
          label != report_.info.ignore_label) {
        unknown.push_back(absl::StrCat(label, " (", count[label], " pixels)"));
      }
    }
    if (!unknown.empty()) {
      Problem(absl::StrCat(path, ": labels outside the classes 0..",
                           report_.info.num_classes() - 1,
                           " and the ignore label ", report_.info.ignore_label,
                           ": ", absl::StrJoin(unknown, ", ")));
    }
  }

  void Summarise() {
    if (!heights_.empty()) {
      std::sort(heights_.begin(), heights_.end());
      std::sort(widths_.begin(), widths_.end());
      const size_t middle = heights_.size() / 2;
      report_.smallest = {heights_.front(), widths_.front()};
      report_.median = {heights_[middle], widths_[middle]};
      report_.largest = {heights_.back(), widths_.back()};
    }
    if (report_.masks == 0 || !info_ok_) return;
    report_.class_pixels = all_.class_pixels;
    report_.class_images = all_.class_masks;
    report_.ignore_pixels = all_.void_pixels;
    if (all_.void_masks > 0) {
      Note(absl::StrCat(all_.void_masks, " of ", all_.masks,
                        " masks hold nothing but ", all_.ignore_label,
                        ", the ignore label"));
    }
    JudgeMasks();
  }

  // What the masks say as a whole: of every list whether it is all void, of
  // `train` (else of all) whether it can teach the classes.
  void JudgeMasks() {
    const std::string masks = (fs::path(report_.folder) / "masks").string();
    const auto judge = [&](const std::string& where,
                           const LabelCensus& census) {
      LabelFindings findings = JudgeLabels(census, report_.info, masks);
      for (const std::string& line : findings.errors) {
        Problem(absl::StrCat(where, ": ", line));
      }
      for (const std::string& line : findings.warnings) {
        Warning(absl::StrCat(where, ": ", line));
      }
    };
    bool has_train = false;
    for (const List& list : lists_) {
      const bool is_train = list.name == "train" && list.census.masks > 0;
      has_train = has_train || is_train;
      const bool all_void =
          list.census.masks > 0 && list.census.void_masks == list.census.masks;
      if (is_train || all_void) {
        judge(absl::StrCat(list.path, ": the ", list.census.masks, " masks"),
              list.census);
      }
    }
    if (!has_train) {
      judge(absl::StrCat(masks, ": the ", all_.masks, " masks"), all_);
    }
  }

  struct List {
    std::string path;
    std::string name;
    LabelCensus census;
  };

  PackReport report_;
  bool info_ok_ = false;
  std::vector<List> lists_;
  std::map<std::string, std::vector<size_t>> lists_of_;  // by ID
  LabelCensus all_{DatasetInfo()};
  std::set<std::string> ids_;
  std::map<std::string, std::string> listed_at_;
  std::vector<int64_t> heights_;
  std::vector<int64_t> widths_;
};

}  // namespace

PackReport CheckPack(const std::string& folder) {
  return Checker(folder).Run();
}

std::string FormatReport(const PackReport& report) {
  std::string out = absl::StrCat(
      report.folder, ": ",
      report.info.title.empty() ? report.info.name : report.info.title, "\n");
  for (const std::string& line : report.problems) {
    absl::StrAppend(&out, "problem: ", line, "\n");
  }
  for (const std::string& line : report.warnings) {
    absl::StrAppend(&out, "warning: ", line, "\n");
  }
  for (const std::string& line : report.notes) {
    absl::StrAppend(&out, "note: ", line, "\n");
  }
  absl::StrAppend(&out, "images ", report.images, ", masks ", report.masks);
  for (const SplitSummary& split : report.splits) {
    absl::StrAppend(&out, ", ", split.name, " ", split.samples);
  }
  absl::StrAppend(&out, "\n");
  if (report.images > 0) {
    absl::StrAppendFormat(
        &out, "width %d .. %d (median %d), height %d .. %d (median %d)\n",
        report.smallest.width, report.largest.width, report.median.width,
        report.smallest.height, report.largest.height, report.median.height);
  }
  int64_t total = report.ignore_pixels;
  for (const int64_t n : report.class_pixels) total += n;
  if (total > 0) {
    absl::StrAppend(&out, " id  class                 pixels   images\n");
    const auto percent = [](int64_t part, int64_t whole) {
      return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
    };
    for (int64_t c = 0; c < report.info.num_classes(); ++c) {
      absl::StrAppendFormat(&out, "%3d  %-18s %7.2f %% %6.1f %%\n", c,
                            report.info.class_names[c],
                            percent(report.class_pixels[c], total),
                            percent(report.class_images[c], report.masks));
    }
    absl::StrAppendFormat(&out, "%3d  %-18s %7.2f %%\n",
                          report.info.ignore_label, "(ignore)",
                          percent(report.ignore_pixels, total));
  }
  const auto count = [](size_t n, const char* what) {
    return absl::StrCat(n, " ", what, n == 1 ? "" : "s");
  };
  if (!report.problems.empty()) {
    absl::StrAppend(&out, count(report.problems.size(), "problem"));
  } else {
    absl::StrAppend(&out, "OK");
    if (!report.warnings.empty()) {
      absl::StrAppend(&out, ", ", count(report.warnings.size(), "warning"));
    }
  }
  return out + "\n";
}

nlohmann::json ReportToJson(const PackReport& report) {
  nlohmann::json splits = nlohmann::json::object();
  for (const SplitSummary& split : report.splits) {
    splits[split.name] = split.samples;
  }
  const auto size = [](const ImageSize& s) {
    return nlohmann::json{{"height", s.height}, {"width", s.width}};
  };
  nlohmann::json classes = nlohmann::json::array();
  for (int64_t c = 0; c < report.info.num_classes(); ++c) {
    classes.push_back({{"id", c},
                       {"name", report.info.class_names[c]},
                       {"pixels", report.class_pixels[c]},
                       {"images", report.class_images[c]}});
  }
  return {{"folder", report.folder},
          {"name", report.info.name},
          {"ok", report.problems.empty()},
          {"problems", report.problems},
          {"warnings", report.warnings},
          {"notes", report.notes},
          {"splits", splits},
          {"images", report.images},
          {"masks", report.masks},
          {"smallest", size(report.smallest)},
          {"median", size(report.median)},
          {"largest", size(report.largest)},
          {"classes", classes},
          {"ignore_pixels", report.ignore_pixels}};
}

}  // namespace seg
