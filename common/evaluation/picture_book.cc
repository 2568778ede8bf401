#include "common/evaluation/picture_book.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/datasets/resize_options.h"
#include "common/datasets/transforms.h"
#include "common/datasets/views.h"

namespace seg {
namespace {

// Longer side of the pictures in a report. Larger ones would make it many
// megabytes, and its encoding take longer than the network.
constexpr int64_t kReportSide = 1024;

ImageSize ReportSize(const at::Tensor& image) {
  ResizeOptions options;
  const ImageSize size = {image.size(1), image.size(2)};
  if (std::max(size.height, size.width) <= kReportSide) return size;
  options.resize_longer = kReportSide;
  return ResizedSize(options, size);
}

}  // namespace

OverlayOptions OverlayFor(const DatasetInfo& info) {
  OverlayOptions options;
  options.ignore_label = info.ignore_label;
  if (!info.class_names.empty() && info.class_names[0] == "background") {
    options.unpainted_class = 0;
  }
  return options;
}

PictureBook::PictureBook(const DatasetInfo& info,
                         std::vector<std::string> outputs, int64_t pictures)
    : info_(info),
      outputs_(std::move(outputs)),
      pictures_(static_cast<size_t>(std::max<int64_t>(0, pictures))) {}

void PictureBook::Offer(const Scored& image, double key,
                        const std::string& caption) {
  ++offered_;
  if (std::isnan(key) || pictures_ == 0) return;
  const auto better = [](const EntryPointer& a, const EntryPointer& b) {
    return std::make_pair(a->key, a->index) > std::make_pair(b->key, b->index);
  };
  const auto worse = [&](const EntryPointer& a, const EntryPointer& b) {
    return better(b, a);
  };
  auto entry = std::make_shared<Entry>();
  entry->key = key;
  entry->index = image.index;
  const auto belongs = [&](const std::vector<EntryPointer>& end,
                           const auto& before) {
    return end.size() < pictures_ || before(entry, end.back());
  };
  const bool at_best = belongs(best_, better);
  const bool at_worst = belongs(worst_, worse);
  if (!at_best && !at_worst) return;
  entry->id = image.sample.id;
  entry->caption = caption;
  // Shrunk first: drawn over, a picture of 12 megapixels takes seconds.
  const ImageSize size = ReportSize(image.sample.image);
  entry->image = ResizeImage(image.sample.image, size.height, size.width);
  entry->truth = ResizeMask(image.sample.mask, size.height, size.width);
  for (const at::Tensor& labels : image.prediction.labels) {
    // Not a view that keeps the labels of a whole batch.
    entry->labels.push_back(
        ResizeMask(labels[0], size.height, size.width).clone());
  }
  const auto insert = [&](std::vector<EntryPointer>* end, const auto& before) {
    const EntryPointer own = entry;
    end->insert(std::upper_bound(end->begin(), end->end(), own, before), own);
    if (end->size() > pictures_) end->pop_back();
  };
  if (at_best) insert(&best_, better);
  if (at_worst) insert(&worst_, worse);
}

void PictureBook::Finish(const std::string& best, const std::string& worst,
                         ReportData* report) const {
  const OverlayOptions overlay = OverlayFor(info_);
  const auto add = [&](const std::string& group, const Entry& entry) {
    const auto blend = [&](const at::Tensor& labels) {
      return BlendMask(entry.image, labels, info_.palette, overlay);
    };
    ReportPicture picture;
    picture.group = group;
    picture.title = entry.id;
    picture.caption = entry.caption;
    picture.panels.push_back({"image", entry.image});
    picture.panels.push_back({"truth", blend(entry.truth)});
    for (size_t o = entry.labels.size(); o-- > 0;) {
      picture.panels.push_back({outputs_[o], blend(entry.labels[o])});
    }
    picture.panels.push_back(
        {"difference", DifferenceImage(entry.image, entry.truth,
                                       entry.labels[0], info_.ignore_label)});
    report->pictures.push_back(std::move(picture));
  };
  const auto shown = [&](const std::vector<EntryPointer>& end) {
    return std::min(end.size(), static_cast<size_t>(offered_ / 2));
  };
  for (size_t i = 0; i < shown(best_); ++i) add(best, *best_[i]);
  for (size_t i = 0; i < shown(worst_); ++i) add(worst, *worst_[i]);
}

}  // namespace seg
