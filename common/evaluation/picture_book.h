// The pictures of a report: the images with the greatest and the least value
// of some score, kept while an evaluation passes over the data.
#ifndef COMMON_EVALUATION_PICTURE_BOOK_H_
#define COMMON_EVALUATION_PICTURE_BOOK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "common/datasets/dataset.h"
#include "common/evaluation/measure.h"
#include "common/reporting/report.h"

namespace seg {

// How labels of this data are drawn: a class 0 called "background" shows the
// photograph.
OverlayOptions OverlayFor(const DatasetInfo& info);

class PictureBook {
 public:
  // pictures: at each end. outputs: names, in the order of the predictions.
  PictureBook(const DatasetInfo& info, std::vector<std::string> outputs,
              int64_t pictures);

  // Offers an image with its key (NaN: passed over) and caption. Only what
  // belongs to the best or worst so far is kept, at most 1,024 pixels a side.
  void Offer(const Scored& image, double key, const std::string& caption);

  // Adds the pictures, at most half of the images at each end: the greatest
  // keys under the heading `best`, then the least under `worst`, each as image,
  // truth, outputs (the main one last) and difference. Among equal keys the
  // later image is better.
  void Finish(const std::string& best, const std::string& worst,
              ReportData* report) const;

 private:
  struct Entry {
    double key = 0;
    int64_t index = 0;
    std::string id, caption;
    at::Tensor image, truth;         // uint8 [3,H,W], [H,W], shrunk
    std::vector<at::Tensor> labels;  // uint8 [H,W] an output, shrunk
  };
  using EntryPointer = std::shared_ptr<const Entry>;

  DatasetInfo info_;
  std::vector<std::string> outputs_;
  size_t pictures_;
  int64_t offered_ = 0;
  std::vector<EntryPointer> best_, worst_;  // from the end inwards
};

}  // namespace seg

#endif  // COMMON_EVALUATION_PICTURE_BOOK_H_
