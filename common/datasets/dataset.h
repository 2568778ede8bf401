// The data interface that trainers, evaluators and tools share: a sample, a
// batch of them, what is known about a data set, and random access to its
// samples.
#ifndef COMMON_DATASETS_DATASET_H_
#define COMMON_DATASETS_DATASET_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "c10/core/Device.h"
#include "common/io/image.h"

namespace seg {

struct Sample {
  std::string id;    // unique within the data set, e.g. "seq1/frame0003"
  std::string path;  // the image's file; "scenes:SEED:INDEX" when synthetic
  at::Tensor image;  // uint8 [3,H,W], RGB, contiguous
  at::Tensor mask;   // uint8 [H,W], class ids or the ignore label; undefined
                     // when the data set has no masks
  // float32 [L,H,W], >= 0: class probabilities that another model gave for the
  // image (see probabilities.h); undefined when the data set has none.
  at::Tensor probabilities;
  // float32 [P,3]: named places in the picture (landmarks), rows of x, y and
  // visibility; (0, 0) is the centre of the top left pixel. Visibility 0: not
  // visible, x and y may be anything. Undefined when the data set has none.
  at::Tensor points;
};

// What a network sees: samples of one size, side by side.
struct Batch {
  std::vector<std::string> ids;  // N sample ids
  at::Tensor images;             // float32 [N,3,H,W], RGB, 0..255, contiguous
  at::Tensor masks;              // int64 [N,H,W]; undefined when there are none
  at::Tensor probabilities;  // float32 [N,L,H,W]; undefined when there are none
  // float32 [N,P,3]; undefined unless all samples have points, equally many.
  at::Tensor points;
  int64_t step = 0;    // training: this batch's number, from 0
  double epoch = 0.0;  // training: passes through the data when it is done
};

// A sample as a batch of one, on the device.
Batch MakeBatch(const Sample& sample, c10::Device device);

// Moves all tensors of a batch.
void MoveBatch(c10::Device device, Batch* batch);

struct DatasetInfo {
  std::string name;
  std::string title;                     // one line for people; may be empty
  std::vector<std::string> class_names;  // by class id, 0 .. num_classes()-1
  Palette palette;                       // a colour per class
  int64_t ignore_label = 255;            // never below num_classes()
  // Class ids that a horizontal flip must swap (left eye, right eye).
  std::vector<std::pair<int64_t, int64_t>> flip_pairs;
  // The same for the rows of Sample::points.
  std::vector<std::pair<int64_t, int64_t>> point_flip_pairs;
  bool has_masks = true;
  bool has_points = false;  // Sample::points is defined, in every sample

  int64_t num_classes() const {
    return static_cast<int64_t>(class_names.size());
  }
};

// A finite, ordered collection of samples. Thread safe: every method is const
// and may run on any number of threads at once. Get is a function of the index:
// the same index gives equal bytes each time. The tensors of a returned sample
// may be shared with a cache and must not be written to.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual const DatasetInfo& info() const = 0;
  virtual int64_t size() const = 0;
  // index in [0, size()). Cheap: opens no file.
  virtual std::string id(int64_t index) const = 0;
  // Errors name the file, what was expected, what was found and a remedy.
  // OutOfRange for an index outside [0, size()).
  virtual absl::StatusOr<Sample> Get(int64_t index) const = 0;
};

}  // namespace seg

#endif  // COMMON_DATASETS_DATASET_H_
