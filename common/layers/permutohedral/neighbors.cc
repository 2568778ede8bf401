// Neighbour structures of PermutohedralLattice: every offset key is looked up
// directly, so that no neighbour depends on an intermediate vertex.
#include <algorithm>
#include <array>

#include "ATen/Parallel.h"
#include "common/layers/permutohedral/key_table.h"
#include "common/layers/permutohedral/lattice.h"
#include "common/layers/permutohedral/taps.h"

namespace seg {
namespace {

using permutohedral::PackedKeys;
using permutohedral::WideKeys;

// With coordinates x_i = (d+1) q_i + r, the offset n moves the sum of the steps
// m = sum(n) into the remainder: r' = (r - m) mod (d+1) with c borrows, and
// q_i' = q_i + n_i - c.
struct Move {
  Move(const std::vector<int64_t>& n, int64_t remainder) {
    const int64_t corners = static_cast<int64_t>(n.size());
    int64_t steps = 0;
    for (int64_t x : n) steps += x;
    next = ((remainder - steps) % corners + corners) % corners;
    borrow = (next - (remainder - steps)) / corners;
  }
  int64_t next;
  int64_t borrow;
};

// Looks up the neighbours at one offset.
class Finder {
 public:
  Finder(const PermutohedralLattice::KeyTable& keys,
         const std::vector<int64_t>& offset)
      : keys_(keys), offset_(offset) {
    const int64_t dim = static_cast<int64_t>(offset.size()) - 1;
    for (int64_t r = 0; r <= dim; ++r) moves_.emplace_back(offset, r);
    if (keys.packed == nullptr) {
      candidate_.resize(dim + 1);
      return;
    }
    const permutohedral::KeyLayout& layout = keys.packed->layout();
    for (int64_t r = 0; r <= dim; ++r) {
      uint64_t delta = static_cast<uint64_t>(moves_[r].next - r);
      for (int64_t i = 0; i < dim; ++i) {
        delta += static_cast<uint64_t>(offset[i] - moves_[r].borrow)
                 << layout.Shift(i);
      }
      deltas_.push_back(delta);
    }
    // A packed key has room for ten steps; beyond, check each coordinate.
    checked_ = *std::max_element(offset.begin(), offset.end()) > 10;
  }

  // Calls emit(vertex, neighbour or -1) for vertices [begin,end).
  template <class Emit>
  void Run(int64_t begin, int64_t end, const Emit& emit) {
    if (keys_.packed == nullptr) {
      for (int64_t v = begin; v < end; ++v) emit(v, FindWide(v));
      return;
    }
    const PackedKeys& keys = *keys_.packed;
    constexpr int64_t kBatch = 16;
    std::array<uint64_t, kBatch> batch;
    for (int64_t first = begin; first < end; first += kBatch) {
      const int64_t count = std::min(kBatch, end - first);
      for (int64_t k = 0; k < count; ++k) {
        const uint64_t key = keys.key(first + k);
        batch[k] = key + deltas_[keys.Remainder(key)];
        keys.Prefetch(batch[k]);
      }
      for (int64_t k = 0; k < count; ++k) {
        const bool skip = checked_ && !Fits(keys.key(first + k));
        emit(first + k, skip ? -1 : keys.Find(batch[k]));
      }
    }
  }

 private:
  bool Fits(uint64_t key) const {
    const PackedKeys& keys = *keys_.packed;
    const int64_t bias = keys.layout().bias;
    const Move& move = moves_[keys.Remainder(key)];
    for (int64_t i = 0; i + 1 < static_cast<int64_t>(offset_.size()); ++i) {
      const int64_t q = keys.Quotient(key, i) + offset_[i] - move.borrow;
      if (q < -bias || q >= bias) return false;
    }
    return true;
  }

  int32_t FindWide(int64_t vertex) {
    const WideKeys& keys = *keys_.wide;
    const int32_t* key = keys.key(vertex);
    const int64_t dim = static_cast<int64_t>(candidate_.size()) - 1;
    const Move& move = moves_[key[dim]];
    for (int64_t i = 0; i < dim; ++i) {
      candidate_[i] = static_cast<int32_t>(key[i] + offset_[i] - move.borrow);
    }
    candidate_[dim] = static_cast<int32_t>(move.next);
    return keys.Find(candidate_.data());
  }

  const PermutohedralLattice::KeyTable& keys_;
  std::vector<int64_t> offset_;
  std::vector<Move> moves_;
  std::vector<uint64_t> deltas_;
  std::vector<int32_t> candidate_;
  bool checked_ = false;
};

}  // namespace

std::vector<int32_t> PermutohedralLattice::FindNeighbors(
    int64_t support) const {
  CheckOnHost("FindNeighbors");
  const auto offsets = PermutohedralOffsets(dim_, support);
  const auto reflection = PermutohedralReflection(dim_, support);
  const int64_t taps = static_cast<int64_t>(offsets.size());
  std::vector<int32_t> table(taps * num_vertices_, -1);
  at::parallel_for(0, taps, 1, [&](int64_t first, int64_t last) {
    for (int64_t o = first; o < last; ++o) {
      if (o > reflection[o]) continue;  // filled with its reflection
      int32_t* row = table.data() + o * num_vertices_;
      int32_t* back = table.data() + reflection[o] * num_vertices_;
      Finder(*keys_, offsets[o])
          .Run(0, num_vertices_, [&](int64_t v, int32_t found) {
            row[v] = found;
            if (found >= 0) back[found] = static_cast<int32_t>(v);
          });
    }
  });
  return table;
}

const PermutohedralLattice::AxisNeighbors&
PermutohedralLattice::axis_neighbors() const {
  CheckOnHost("axis_neighbors");
  std::lock_guard<std::recursive_mutex> lock(mutex_);
  if (axis_neighbors_ != nullptr) return *axis_neighbors_;
  auto result = std::make_unique<AxisNeighbors>();
  const int32_t missing = static_cast<int32_t>(num_vertices_);
  result->pairs.assign(2 * (dim_ + 1) * num_vertices_, missing);
  at::parallel_for(0, dim_ + 1, 1, [&](int64_t first, int64_t last) {
    for (int64_t axis = first; axis < last; ++axis) {
      std::vector<int64_t> step(dim_ + 1, 0);
      step[axis] = 1;
      int32_t* pairs = result->pairs.data() + 2 * axis * num_vertices_;
      // One look-up serves both directions.
      Finder(*keys_, step).Run(0, num_vertices_, [&](int64_t v, int32_t found) {
        if (found < 0) return;
        pairs[2 * v + 1] = found;
        pairs[2 * int64_t{found}] = static_cast<int32_t>(v);
      });
    }
  });
  axis_neighbors_ = std::move(result);
  return *axis_neighbors_;
}

const PermutohedralLattice::PointLists& PermutohedralLattice::point_lists()
    const {
  CheckOnHost("point_lists");
  std::lock_guard<std::recursive_mutex> lock(mutex_);
  if (point_lists_ != nullptr) return *point_lists_;
  auto lists = std::make_unique<PointLists>();
  const int64_t corners = dim_ + 1;
  const int64_t slots = num_points_ * corners;
  lists->begin.assign(num_vertices_ + 1, 0);
  lists->point.resize(slots);
  lists->slot.resize(slots);
  for (int64_t i = 0; i < slots; ++i) ++lists->begin[vertices_[i] + 1];
  for (int64_t v = 0; v < num_vertices_; ++v) {
    lists->begin[v + 1] += lists->begin[v];
  }
  std::vector<int32_t> next(lists->begin.begin(), lists->begin.end() - 1);
  for (int64_t p = 0; p < num_points_; ++p) {
    for (int64_t i = p * corners; i < (p + 1) * corners; ++i) {
      const int32_t at = next[vertices_[i]]++;
      lists->point[at] = static_cast<int32_t>(p);
      lists->slot[at] = static_cast<int32_t>(i);
    }
  }
  point_lists_ = std::move(lists);
  return *point_lists_;
}

const PermutohedralLattice::TapPairs& PermutohedralLattice::tap_pairs(
    int64_t support) const {
  CheckOnHost("tap_pairs");
  std::lock_guard<std::recursive_mutex> lock(mutex_);
  std::unique_ptr<TapPairs>& kept = tap_pairs_[support];
  if (kept != nullptr) return *kept;
  const auto offsets = PermutohedralOffsets(dim_, support);
  auto pairs = std::make_unique<TapPairs>();
  const int64_t taps = static_cast<int64_t>(offsets.size());
  constexpr int64_t kTile = TapPairs::kTile;
  const int64_t tiles = (num_vertices_ + kTile - 1) / kTile;
  pairs->taps = taps;
  pairs->tiles = tiles;
  pairs->begin.assign(tiles * taps + 1, 0);
  // Each chunk of tiles fills its own lists, which are then put end to end.
  constexpr int64_t kChunk = 16;
  struct Lists {
    std::vector<int32_t> source;
    std::vector<uint8_t> target;
  };
  std::vector<Lists> lists((tiles + kChunk - 1) / kChunk);
  at::parallel_for(
      0, static_cast<int64_t>(lists.size()), 1,
      [&](int64_t first, int64_t last) {
        std::vector<Finder> finders;
        finders.reserve(taps);
        for (const auto& offset : offsets) finders.emplace_back(*keys_, offset);
        for (int64_t tile = first * kChunk;
             tile < std::min(last * kChunk, tiles); ++tile) {
          Lists& out = lists[tile / kChunk];
          const int64_t begin = tile * kTile;
          const int64_t end = std::min(begin + kTile, num_vertices_);
          for (int64_t o = 0; o < taps; ++o) {
            const size_t before = out.source.size();
            finders[o].Run(begin, end, [&](int64_t v, int32_t found) {
              if (found < 0) return;
              out.source.push_back(found);
              out.target.push_back(static_cast<uint8_t>(v - begin));
            });
            pairs->begin[tile * taps + o + 1] =
                static_cast<int64_t>(out.source.size() - before);
          }
        }
      });
  for (int64_t i = 0; i < tiles * taps; ++i) {
    pairs->begin[i + 1] += pairs->begin[i];
  }
  pairs->source.reserve(pairs->begin.back());
  pairs->target.reserve(pairs->begin.back());
  for (Lists& out : lists) {
    pairs->source.insert(pairs->source.end(), out.source.begin(),
                         out.source.end());
    pairs->target.insert(pairs->target.end(), out.target.begin(),
                         out.target.end());
    out = Lists();
  }
  kept = std::move(pairs);
  return *kept;
}

}  // namespace seg
