#include "common/solvers/superpixels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/solvers/cielab.h"

namespace seg {
namespace {

using Colour = std::array<float, 3>;

constexpr int64_t kRows = 16;  // a piece of work

float SquaredDistance(const Colour& a, const Colour& b) {
  const float x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
  return x * x + y * y + z * z;
}

// An image in CIELAB, row by row.
struct LabImage {
  int64_t height = 0, width = 0;
  std::vector<Colour> pixels;

  int64_t size() const { return height * width; }
};

LabImage ToLab(const char* caller, const at::Tensor& image) {
  TORCH_CHECK(image.dim() == 3 && image.size(0) == 3 &&
                  image.scalar_type() == at::kByte && image.is_cpu(),
              caller, ": image must be uint8 [3,H,W] on the CPU, got ",
              image.scalar_type(), " ", image.sizes(), " on ", image.device());
  LabImage lab;
  lab.height = image.size(1);
  lab.width = image.size(2);
  TORCH_CHECK(
      lab.size() >= 1 && lab.size() <= std::numeric_limits<int32_t>::max(),
      caller, ": image must have 1 .. 2^31-1 pixels, got ", image.sizes());
  const at::Tensor planes = image.contiguous();
  const uint8_t* red = planes.const_data_ptr<uint8_t>();
  const uint8_t* green = red + lab.size();
  const uint8_t* blue = green + lab.size();
  lab.pixels.resize(lab.size());
  at::parallel_for(0, lab.size(), kRows * lab.width,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) {
                       lab.pixels[i] = SrgbToLab(red[i], green[i], blue[i]);
                     }
                   });
  return lab;
}

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
  const auto at = [&](int64_t v, int64_t u) -> const Colour& {
    return image
        .pixels[std::clamp<int64_t>(v, 0, image.height - 1) * image.width +
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
      centre.colour = image.pixels[y * image.width + x];
      centres.push_back(centre);
    }
  }
  return centres;
}

// Gives each pixel the nearest centre in its reach. A row belongs to one
// thread, and centres come in their order, so threads change nothing.
//   reach: in y and in x; space: (compactness / interval)^2
void Assign(const LabImage& image, const std::vector<Centre>& centres,
            float reach, float space, std::vector<float>* distances,
            std::vector<int32_t>* labels) {
  at::parallel_for(0, image.height, kRows, [&](int64_t begin, int64_t end) {
    std::fill(distances->begin() + begin * image.width,
              distances->begin() + end * image.width,
              std::numeric_limits<float>::infinity());
    for (size_t k = 0; k < centres.size(); ++k) {
      const Centre centre = centres[k];
      const auto first = [reach](float at, int64_t least) {
        return std::max(least, static_cast<int64_t>(std::ceil(at - reach)));
      };
      const auto last = [reach](float at, int64_t most) {
        return std::min(most, static_cast<int64_t>(std::floor(at + reach)));
      };
      const int64_t y1 = last(centre.y, end - 1);
      const int64_t x0 = first(centre.x, 0);
      const int64_t x1 = last(centre.x, image.width - 1);
      for (int64_t y = first(centre.y, begin); y <= y1; ++y) {
        const float dy = static_cast<float>(y) - centre.y;
        for (int64_t x = x0; x <= x1; ++x) {
          const int64_t i = y * image.width + x;
          const float dx = static_cast<float>(x) - centre.x;
          // The square of Eq. 3, which has the same order.
          const float distance =
              SquaredDistance(image.pixels[i], centre.colour) +
              space * (dy * dy + dx * dx);
          if (distance >= (*distances)[i]) continue;
          (*distances)[i] = distance;
          (*labels)[i] = static_cast<int32_t>(k);
        }
      }
    }
  });
}

// Moves each centre to the mean of its pixels; one without pixels stays.
void Update(const LabImage& image, const std::vector<int32_t>& labels,
            std::vector<Centre>* centres) {
  struct Sum {
    double count = 0.0, y = 0.0, x = 0.0, colour[3] = {0.0, 0.0, 0.0};
  };
  std::vector<Sum> sums(centres->size());
  for (int64_t y = 0, i = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x, ++i) {
      Sum& sum = sums[labels[i]];
      sum.count += 1.0;
      sum.y += static_cast<double>(y);
      sum.x += static_cast<double>(x);
      for (int c = 0; c < 3; ++c) sum.colour[c] += image.pixels[i][c];
    }
  }
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

// Calls visit(j) for each pixel j above, left of, right of and below pixel i.
template <typename Visit>
void ForNeighbours(const LabImage& image, int64_t i, const Visit& visit) {
  const int64_t x = i % image.width;
  if (i >= image.width) visit(i - image.width);
  if (x > 0) visit(i - 1);
  if (x + 1 < image.width) visit(i + 1);
  if (i + image.width < image.size()) visit(i + image.width);
}

// The 4-connected pieces of equal label, of which small ones join others.
class Pieces {
 public:
  Pieces(const LabImage& image, const std::vector<int32_t>& labels)
      : image_(image), piece_of_(image.size(), -1), next_(image.size(), -1) {
    std::vector<int32_t> stack;
    for (int64_t start = 0; start < image.size(); ++start) {
      if (piece_of_[start] >= 0) continue;
      const int32_t id = static_cast<int32_t>(pieces_.size());
      pieces_.emplace_back();
      Piece& piece = pieces_.back();
      piece.parent = id;
      piece.first = piece.last = static_cast<int32_t>(start);
      piece_of_[start] = id;
      stack.push_back(static_cast<int32_t>(start));
      while (!stack.empty()) {
        const int32_t i = stack.back();
        stack.pop_back();
        if (i != start) piece.last = next_[piece.last] = i;
        ++piece.size;
        for (int c = 0; c < 3; ++c) piece.colour[c] += image.pixels[i][c];
        ForNeighbours(image, i, [&](int64_t j) {
          if (piece_of_[j] >= 0 || labels[j] != labels[i]) return;
          piece_of_[j] = id;
          stack.push_back(static_cast<int32_t>(j));
        });
      }
    }
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
  std::vector<float> distances(lab.size());
  for (int64_t k = 0; k < options.iterations; ++k) {
    Assign(lab, centres, reach, space, &distances, &labels);
    if (k + 1 < options.iterations) Update(lab, labels, &centres);
  }

  at::Tensor result = at::empty({lab.height, lab.width}, at::kInt);
  Pieces pieces(lab, labels);
  // A quarter, as in the authors' program.
  pieces.JoinSmall(lab.size() / std::min(options.number, lab.size()) / 4);
  pieces.Number(result.mutable_data_ptr<int32_t>());
  return result;
}

SuperpixelGraph MakeSuperpixelGraph(const at::Tensor& image,
                                    const at::Tensor& labels) {
  const LabImage lab = ToLab("MakeSuperpixelGraph", image);
  TORCH_CHECK(labels.scalar_type() == at::kInt && labels.is_cpu() &&
                  labels.dim() == 2 && labels.size(0) == lab.height &&
                  labels.size(1) == lab.width,
              "MakeSuperpixelGraph: labels must be int32 [", lab.height, ", ",
              lab.width, "] on the CPU, got ", labels.scalar_type(), " ",
              labels.sizes(), " on ", labels.device());
  const at::Tensor kept = labels.contiguous();
  const int32_t* label = kept.const_data_ptr<int32_t>();
  const auto [least, most] = std::minmax_element(label, label + lab.size());
  TORCH_CHECK(*least >= 0 && *most < lab.size(),
              "MakeSuperpixelGraph: labels must be 0 .. n-1 without gaps, got ",
              *least, " .. ", *most, " in ", lab.size(), " pixels");
  const int64_t number = static_cast<int64_t>(*most) + 1;

  SuperpixelGraph graph;
  graph.area.resize(number, 0);
  graph.mean_colour.resize(number, {0.0, 0.0, 0.0});
  graph.neighbours.resize(number);
  struct Contact {
    int32_t low, high;  // labels
    double contrast;
  };
  std::vector<Contact> contacts;
  for (int64_t i = 0; i < lab.size(); ++i) {
    ++graph.area[label[i]];
    for (int c = 0; c < 3; ++c) {
      graph.mean_colour[label[i]][c] += lab.pixels[i][c];
    }
    ForNeighbours(lab, i, [&](int64_t j) {
      if (j < i || label[i] == label[j]) return;
      const auto [low, high] = std::minmax(label[i], label[j]);
      contacts.push_back({low, high,
                          std::sqrt(static_cast<double>(
                              SquaredDistance(lab.pixels[i], lab.pixels[j])))});
    });
  }
  for (int64_t k = 0; k < number; ++k) {
    TORCH_CHECK(graph.area[k] > 0, "MakeSuperpixelGraph: labels must be 0 .. ",
                number - 1, " without gaps, but no pixel has ", k);
    for (double& c : graph.mean_colour[k]) {
      c /= static_cast<double>(graph.area[k]);
    }
  }

  // Equal pairs of labels side by side, each in the order of its pixels.
  std::stable_sort(contacts.begin(), contacts.end(),
                   [](const Contact& a, const Contact& b) {
                     return a.low != b.low ? a.low < b.low : a.high < b.high;
                   });
  for (size_t begin = 0, end = 0; begin < contacts.size(); begin = end) {
    const int32_t low = contacts[begin].low, high = contacts[begin].high;
    SuperpixelNeighbour edge;
    for (; end < contacts.size() && contacts[end].low == low &&
           contacts[end].high == high;
         ++end) {
      edge.boundary_contrast += contacts[end].contrast;
    }
    edge.boundary_length = static_cast<int64_t>(end - begin);
    edge.boundary_contrast /= static_cast<double>(edge.boundary_length);
    const auto& a = graph.mean_colour[low];
    const auto& b = graph.mean_colour[high];
    edge.colour_difference = std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    // Ascending on both sides: `low` only rises, and `high` with equal `low`;
    // a label's lower neighbours come before its higher ones.
    edge.label = high;
    graph.neighbours[low].push_back(edge);
    edge.label = low;
    graph.neighbours[high].push_back(edge);
  }
  return graph;
}

}  // namespace seg
