#include "common/solvers/superpixels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/solvers/lab_image.h"
#include "common/solvers/slic_rows.h"

namespace seg {
namespace {

constexpr int64_t kRows = 16;  // a piece of work

// The means of a set of pixels.
struct Centre {
  float y = 0.0f, x = 0.0f;
  Colour colour{};
};

// Cells of equal size, as square as `number` of them can be.
struct CellGrid {
  int64_t rows = 0, columns = 0;
};

CellGrid MakeGrid(int64_t height, int64_t width, int64_t number) {
  const int64_t pixels = height * width;
  number = std::min(number, pixels);
  // S of Sec. 3.1.
  const double interval = std::sqrt(static_cast<double>(pixels) / number);
  // The shorter side first, so that a strip of one row gets all cells along it.
  const int64_t short_side = std::min(height, width);
  const int64_t long_side = std::max(height, width);
  const auto divide = [](double size, double by, int64_t most) {
    return std::clamp<int64_t>(std::llround(size / by), 1, most);
  };
  const int64_t across =
      divide(static_cast<double>(short_side), interval, short_side);
  const int64_t along = divide(static_cast<double>(number),
                               static_cast<double>(across), long_side);
  return height <= width ? CellGrid{across, along} : CellGrid{along, across};
}

// Squared gradient at a pixel (Sec. 3.1: centres avoid edges), by central
// differences; at the border of the image one-sided.
float Gradient(const LabImage& image, int64_t y, int64_t x) {
  const auto at = [&](int64_t v, int64_t u) {
    return image[std::clamp<int64_t>(v, 0, image.height - 1) * image.width +
                 std::clamp<int64_t>(u, 0, image.width - 1)];
  };
  return SquaredDistance(at(y, x + 1), at(y, x - 1)) +
         SquaredDistance(at(y + 1, x), at(y - 1, x));
}

std::vector<Centre> FirstCentres(const LabImage& image, const CellGrid& grid) {
  constexpr int64_t kLeastCell = 3;  // else neighbourhoods overlap
  const bool move = image.height / grid.rows >= kLeastCell &&
                    image.width / grid.columns >= kLeastCell;
  std::vector<Centre> centres;
  centres.reserve(grid.rows * grid.columns);
  for (int64_t r = 0; r < grid.rows; ++r) {
    for (int64_t c = 0; c < grid.columns; ++c) {
      Centre centre;
      centre.y = (static_cast<float>(r) + 0.5f) * image.height / grid.rows;
      centre.x = (static_cast<float>(c) + 0.5f) * image.width / grid.columns;
      int64_t y = static_cast<int64_t>(centre.y);
      int64_t x = static_cast<int64_t>(centre.x);
      centre.y -= 0.5f;  // pixel 0 lies at 0
      centre.x -= 0.5f;
      if (move) {
        const int64_t y0 = y, x0 = x;
        float least = Gradient(image, y0, x0);
        for (int64_t v = y0 - 1; v <= y0 + 1; ++v) {
          for (int64_t u = x0 - 1; u <= x0 + 1; ++u) {
            const float gradient = Gradient(image, v, u);
            if (gradient >= least) continue;
            least = gradient;
            centre.y = static_cast<float>(y = v);
            centre.x = static_cast<float>(x = u);
          }
        }
      }
      centre.colour = image[y * image.width + x];
      centres.push_back(centre);
    }
  }
  return centres;
}

// Gives each pixel the nearest centre in its reach. A row belongs to one
// thread, and centres come in their order, so threads change nothing.
//   reach: in y and in x; space: (compactness / interval)^2
void Assign(const LabImage& image, const std::vector<Centre>& centres,
            float reach, float space, std::vector<int32_t>* labels) {
  const int64_t width = image.width;
  const auto first = [reach](float at, int64_t least) {
    return std::max(least, static_cast<int64_t>(std::ceil(at - reach)));
  };
  const auto last = [reach](float at, int64_t most) {
    return std::min(most, static_cast<int64_t>(std::floor(at + reach)));
  };
  at::parallel_for(0, image.height, kRows, [&](int64_t begin, int64_t end) {
    // Rows of this thread alone, with room behind each for whole vectors.
    const int64_t stride = width + kSlicSlack;
    std::vector<float> distances((end - begin) * stride,
                                 std::numeric_limits<float>::infinity());
    std::vector<int32_t> nearest((end - begin) * stride);
    for (int64_t y = begin; y < end; ++y) {
      std::copy_n(labels->data() + y * width, width,
                  nearest.data() + (y - begin) * stride);
    }
    std::vector<float> dx(stride);
    for (size_t k = 0; k < centres.size(); ++k) {
      const Centre& centre = centres[k];
      const int64_t y0 = first(centre.y, begin);
      const int64_t y1 = last(centre.y, end - 1);
      if (y0 > y1) continue;
      const int64_t x0 = first(centre.x, 0);
      const int64_t count = last(centre.x, width - 1) + 1 - x0;
      for (int64_t j = 0; j < count; ++j) {
        dx[j] = static_cast<float>(x0 + j) - centre.x;
      }
      for (int64_t y = y0; y <= y1; ++y) {
        const float dy = static_cast<float>(y) - centre.y;
        const int64_t i = y * width + x0;
        const float* const colour[3] = {image.planes[0].data() + i,
                                        image.planes[1].data() + i,
                                        image.planes[2].data() + i};
        const int64_t j = (y - begin) * stride + x0;
        TakeNearer(colour, centre.colour.data(), dx.data(), dy * dy, space,
                   static_cast<int32_t>(k), count, distances.data() + j,
                   nearest.data() + j);
      }
    }
    for (int64_t y = begin; y < end; ++y) {
      std::copy_n(nearest.data() + (y - begin) * stride, width,
                  labels->data() + y * width);
    }
  });
}

// Calls visit(y, x0, x1, label) for each run [x0, x1) of equal labels in a row,
// row by row.
template <typename Visit>
void ForRuns(const LabImage& image, const std::vector<int32_t>& labels,
             const Visit& visit) {
  for (int64_t y = 0; y < image.height; ++y) {
    const int32_t* row = labels.data() + y * image.width;
    for (int64_t x0 = 0, x1 = 0; x0 < image.width; x0 = x1) {
      while (x1 < image.width && row[x1] == row[x0]) ++x1;
      visit(y, x0, x1, row[x0]);
    }
  }
}

// Adds the colours of pixels [begin, end) of the image.
void AddColours(const LabImage& image, int64_t begin, int64_t end,
                double* total) {
  // Sums in registers: one in memory waits for its last store at each pixel.
  double l = 0.0, a = 0.0, b = 0.0;
  for (int64_t i = begin; i < end; ++i) {
    l += image.planes[0][i];
    a += image.planes[1][i];
    b += image.planes[2][i];
  }
  total[0] += l;
  total[1] += a;
  total[2] += b;
}

// Moves each centre to the mean of its pixels; one without pixels stays.
void Update(const LabImage& image, const std::vector<int32_t>& labels,
            std::vector<Centre>* centres) {
  struct Sum {
    double count = 0.0, y = 0.0, x = 0.0, colour[3] = {0.0, 0.0, 0.0};
  };
  std::vector<Sum> sums(centres->size());
  ForRuns(image, labels, [&](int64_t y, int64_t x0, int64_t x1, int32_t k) {
    Sum& sum = sums[k];
    const double count = static_cast<double>(x1 - x0);
    sum.count += count;
    sum.y += count * static_cast<double>(y);
    sum.x += 0.5 * count * static_cast<double>(x0 + x1 - 1);
    AddColours(image, y * image.width + x0, y * image.width + x1, sum.colour);
  });
  for (size_t k = 0; k < sums.size(); ++k) {
    const Sum& sum = sums[k];
    if (sum.count == 0.0) continue;
    Centre& centre = (*centres)[k];
    centre.y = static_cast<float>(sum.y / sum.count);
    centre.x = static_cast<float>(sum.x / sum.count);
    for (int c = 0; c < 3; ++c) {
      centre.colour[c] = static_cast<float>(sum.colour[c] / sum.count);
    }
  }
}

// The 4-connected pieces of equal label, of which small ones join others.
class Pieces {
 public:
  Pieces(const LabImage& image, const std::vector<int32_t>& labels)
      : image_(image), piece_of_(image.size()), next_(image.size(), -1) {
    // Runs of a row join those of equal label above them. Of two pieces the
    // one that began first stays the root.
    const int64_t width = image.width;
    ForRuns(image, labels, [&](int64_t y, int64_t x0, int64_t x1, int32_t k) {
      int32_t id = static_cast<int32_t>(pieces_.size());
      const int64_t begin = y * width + x0, end = y * width + x1;
      const int32_t fresh = id;
      for (int64_t i = begin; y > 0 && i < end; ++i) {
        const int64_t above = i - width;
        if (labels[above] != k) continue;
        const int32_t other = Root(piece_of_[above]);
        if (other == id) continue;
        if (id != fresh)
          pieces_[std::max(id, other)].parent = std::min(id, other);
        id = id == fresh ? other : std::min(id, other);
      }
      if (id == fresh) {
        pieces_.emplace_back();
        pieces_[id].parent = id;
        pieces_[id].first = -1;
      }
      std::fill(piece_of_.begin() + begin, piece_of_.begin() + end, id);
    });
    for (int64_t i = 0; i < image.size(); ++i) {
      const int32_t pixel = static_cast<int32_t>(i);
      piece_of_[i] = Root(piece_of_[i]);
      Piece& piece = pieces_[piece_of_[i]];
      (piece.first < 0 ? piece.first : next_[piece.last]) = pixel;
      piece.last = pixel;
    }
    ForRuns(
        image, piece_of_, [&](int64_t y, int64_t x0, int64_t x1, int32_t id) {
          pieces_[id].size += x1 - x0;
          AddColours(image, y * width + x0, y * width + x1, pieces_[id].colour);
        });
  }

  // Joins each piece of fewer than `least` pixels to the touching one of
  // nearest mean colour, in the order of their first pixels. One that is still
  // small with what has joined it goes on when its turn comes.
  void JoinSmall(int64_t least) {
    for (int32_t id = 0; id < static_cast<int32_t>(pieces_.size()); ++id) {
      if (pieces_[id].parent != id || pieces_[id].size >= least) continue;
      const int32_t into = NearestNeighbour(id);
      if (into >= 0) Join(id, into);
    }
  }

  // The label of each pixel, numbered in the order of first pixels.
  void Number(int32_t* labels) {
    std::vector<int32_t> number(pieces_.size(), -1);
    int32_t count = 0;
    for (int64_t i = 0; i < image_.size(); ++i) {
      int32_t& label = number[Root(piece_of_[i])];
      if (label < 0) label = count++;
      labels[i] = label;
    }
  }

 private:
  struct Piece {
    int64_t size = 0;
    double colour[3] = {0.0, 0.0, 0.0};  // sum
    int32_t first = 0, last = 0;         // of the list of its pixels
    int32_t parent = 0;                  // what it has joined; a root: itself
  };

  int32_t Root(int32_t id) {
    while (pieces_[id].parent != id) {
      pieces_[id].parent = pieces_[pieces_[id].parent].parent;
      id = pieces_[id].parent;
    }
    return id;
  }

  // The first one of equals; -1 where the piece is the whole image.
  int32_t NearestNeighbour(int32_t id) {
    const Piece& piece = pieces_[id];
    int32_t nearest = -1;
    double least = 0.0;
    for (int32_t i = piece.first; i >= 0; i = next_[i]) {
      ForNeighbours(image_, i, [&](int64_t j) {
        const int32_t root = Root(piece_of_[j]);
        if (root == id || root == nearest) return;
        const Piece& other = pieces_[root];
        double distance = 0.0;
        for (int c = 0; c < 3; ++c) {
          const double d = piece.colour[c] / static_cast<double>(piece.size) -
                           other.colour[c] / static_cast<double>(other.size);
          distance += d * d;
        }
        if (nearest >= 0 &&
            (distance > least || (distance == least && root > nearest))) {
          return;
        }
        nearest = root;
        least = distance;
      });
    }
    return nearest;
  }

  void Join(int32_t from, int32_t into) {
    Piece& a = pieces_[from];
    Piece& b = pieces_[into];
    a.parent = into;
    next_[b.last] = a.first;
    b.last = a.last;
    b.size += a.size;
    for (int c = 0; c < 3; ++c) b.colour[c] += a.colour[c];
  }

  const LabImage& image_;
  std::vector<int32_t> piece_of_;  // [H W]
  std::vector<int32_t> next_;      // [H W], the next pixel of the same piece
  std::vector<Piece> pieces_;
};

}  // namespace

at::Tensor Slic(const at::Tensor& image, const SlicOptions& options) {
  TORCH_CHECK(options.number >= 1, "Slic: number must be >= 1, got ",
              options.number);
  TORCH_CHECK(options.compactness > 0.0 && std::isfinite(options.compactness),
              "Slic: compactness must be finite and > 0, got ",
              options.compactness);
  TORCH_CHECK(options.iterations >= 1, "Slic: iterations must be >= 1, got ",
              options.iterations);
  const LabImage lab = ToLab("Slic", image);

  const CellGrid grid = MakeGrid(lab.height, lab.width, options.number);
  std::vector<int32_t> labels(lab.size());
  for (int64_t y = 0, i = 0; y < lab.height; ++y) {
    for (int64_t x = 0; x < lab.width; ++x, ++i) {
      labels[i] =
          static_cast<int32_t>(y * grid.rows / lab.height * grid.columns +
                               x * grid.columns / lab.width);
    }
  }
  std::vector<Centre> centres = FirstCentres(lab, grid);
  // Cells are square but for the rounding of their number.
  const float cell_height = static_cast<float>(lab.height) / grid.rows;
  const float cell_width = static_cast<float>(lab.width) / grid.columns;
  const float reach = std::max(cell_height, cell_width);
  const float space =
      static_cast<float>(options.compactness * options.compactness) /
      (cell_height * cell_width);
  for (int64_t k = 0; k < options.iterations; ++k) {
    Assign(lab, centres, reach, space, &labels);
    if (k + 1 < options.iterations) Update(lab, labels, &centres);
  }

  at::Tensor result = at::empty({lab.height, lab.width}, at::kInt);
  Pieces pieces(lab, labels);
  // A quarter, as in the authors' program.
  pieces.JoinSmall(lab.size() / std::min(options.number, lab.size()) / 4);
  pieces.Number(result.mutable_data_ptr<int32_t>());
  return result;
}

}  // namespace seg
