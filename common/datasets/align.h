// Faces brought to one place, size and tilt by five points, as the face parsing
// of HELEN is evaluated: a similarity transform (no shear, no mirroring) and a
// square crop around the template.
//
// Positions are in pixels of the picture: (0, 0) is the centre of the top left
// pixel, x to the right, y down.
#ifndef COMMON_DATASETS_ALIGN_H_
#define COMMON_DATASETS_ALIGN_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/datasets/dataset.h"

namespace seg {

struct Position {
  double x = 0.0;
  double y = 0.0;
};

// p -> (a x - b y + x0, b x + a y + y0): scale and turn as a complex factor.
struct Similarity {
  double a = 1.0;
  double b = 0.0;
  double x0 = 0.0;
  double y0 = 0.0;

  Position operator()(const Position& p) const {
    return {a * p.x - b * p.y + x0, b * p.x + a * p.y + y0};
  }
  double scale() const;
  Similarity Inverse() const;  // scale() > 0
};

// The similarity that brings `from` closest to `to` in the sum of squares
// (Umeyama, PAMI 1991, in two dimensions; never a reflection). InvalidArgument
// for lists of different length, fewer than two points, all of `from` in one
// place, and a best scale of zero.
absl::StatusOr<Similarity> FitSimilarity(const std::vector<Position>& from,
                                         const std::vector<Position>& to);

// Left eye, right eye, nose tip, left and right corner of the mouth, left and
// right as the viewer sees them. A negative coordinate: not visible.
using FacePoints = std::array<Position, 5>;

// Where the points go in a square of that side: our own choice, about that of
// CelebA-HQ, which leaves room for the hair. The papers give none.
FacePoints FaceTemplate(int64_t side);

// The least-squares similarity from the visible points to FaceTemplate.
// InvalidArgument when fewer than two are visible.
absl::StatusOr<Similarity> FaceSimilarity(const FacePoints& points,
                                          int64_t side);

// sample: its picture, mask and points seen through `to_square`. returns: side
// x side;
// the image bilinear (halved first where it shrinks below one half), the mask
// nearest; outside the picture kFillColour (augment.h) and `ignore_label`.
Sample WarpSample(const Sample& sample, const Similarity& to_square,
                  int64_t side, int64_t ignore_label);

// landmarks.txt: lines "ID x y x y x y x y x y", blanks between; "-1 -1" where
// a point is not visible; blank lines and lines that begin with # are skipped.
// InvalidArgument "PATH:LINE: ..." for anything else and for an ID twice.
absl::StatusOr<std::map<std::string, FacePoints>> ReadLandmarks(
    const std::string& path);

// A file of landmarks that data.align needs.
class Landmarks {
 public:
  // NotFound, with the remedy, where there is no such file.
  static absl::StatusOr<Landmarks> Read(const std::string& path);
  // FaceSimilarity of the points of `id`. Errors name the file: NotFound where
  // it lacks the ID, InvalidArgument for fewer than two visible points.
  absl::StatusOr<Similarity> ToSquare(const std::string& id,
                                      int64_t side) const;
  const FacePoints& points(const std::string& id) const {  // it must be there
    return points_.at(id);
  }

 private:
  std::string path_;
  std::map<std::string, FacePoints> points_;
};

// Every sample of `dataset` aligned to a square of that side by the points in
// `landmarks_path`. Errors name that file: NotFound where it is missing or
// lacks a sample's ID, InvalidArgument where a sample has fewer than two
// visible points. One warning counts the samples whose points miss the template
// by more than 8 % of the side (RMS): left and right are often mixed up there.
absl::StatusOr<std::shared_ptr<const Dataset>> AlignedDataset(
    std::shared_ptr<const Dataset> dataset, const std::string& landmarks_path,
    int64_t side);

}  // namespace seg

#endif  // COMMON_DATASETS_ALIGN_H_
