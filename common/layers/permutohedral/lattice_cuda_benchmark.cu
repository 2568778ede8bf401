// The lattice on a card: checks the kernels against reference_lattice.h, then
// times them beside a copy. Needs CUDA alone:
//
//   nvcc -O3 -std=c++17 -arch=sm_90 -I. -o lattice_benchmark
//     common/layers/permutohedral/*_cuda.cu
//     common/layers/permutohedral/lattice_cuda_benchmark.cu
//     common/cuda/radix_sort.cu common/cuda/scan.cu        (one line)
//   ./lattice_benchmark [results.json]
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "common/layers/permutohedral/card_benchmark.h"
#include "common/layers/permutohedral/filter_cuda.h"
#include "common/layers/permutohedral/lattice_cuda.h"
#include "common/layers/permutohedral/reference_lattice.h"
#include "common/layers/permutohedral/tap_fragments_cuda.h"
#include "common/layers/permutohedral/taps_cuda.h"

namespace seg {
namespace {

using namespace seg::cuda;            // NOLINT: a program of its own
using namespace seg::card_benchmark;  // NOLINT

float RoundedToTf32(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  bits = (bits + 0x1000u) & ~0x1fffu;
  std::memcpy(&x, &bits, sizeof(bits));
  return x;
}

// Everything of one pair of thetas.
class Bench {
 public:
  Bench(float theta_position, float theta_colour, double build_goal)
      : name_(std::to_string(static_cast<int>(theta_position)) + "/" +
              std::to_string(static_cast<int>(theta_colour))),
        host_(Features(theta_position, theta_colour)),
        reference_(host_.data(), 1, kPoints, kDim),
        features_(host_),
        offsets_(Offsets()) {
    build_.features = features_.get();
    build_.image_stride = 0;
    build_.point_stride = 1;
    build_.dim_stride = kPoints;
    build_.images = 1;
    build_.points = kPoints;
    build_.dim = kDim;
    build_.max_key_bits = 40;
    build_.vertex = vertex_.get();
    build_.weight = weight_.get();
    build_.keys = keys_.get();
    build_.begin = begin_.get();
    build_.entry_point = entry_point_.get();
    build_.entry_weight = entry_weight_.get();
    build_.block_vertex = block_vertex_.get();
    build_.state = state_.get();
    build_.scratch = build_scratch_.get();
    Check(LatticeBuild(build_, stream), "build");
    const LatticeState state = state_.Read()[0];
    Expect(
        state.error == 0,
        name_ + " builds, " + std::to_string(state.key_bits) + " bits a key");
    vertices_ = state.vertices;
    Expect(vertices_ == reference_.num_vertices(),
           name_ + " has " + std::to_string(vertices_) +
               " vertices, expected " +
               std::to_string(reference_.num_vertices()));
    next_ = std::make_unique<Device<int32_t>>(kCorners * vertices_);
    previous_ = std::make_unique<Device<int32_t>>(kCorners * vertices_);
    table_ = std::make_unique<Device<int32_t>>(kTaps * vertices_);
    neighbors_ = {state_.get(), keys_.get(),     kDim, vertices_, vertices_,
                  next_->get(), previous_->get()};
    Check(LatticeNeighbors(neighbors_, stream), "neighbours");
    taps_.state = state_.get();
    taps_.keys = keys_.get();
    taps_.dim = kDim;
    taps_.vertices = vertices_;
    taps_.stride = vertices_;
    taps_.taps = kTaps;
    taps_.offsets = offsets_.get();
    taps_.missing = static_cast<int32_t>(vertices_);
    taps_.table = table_->get();
    Check(LatticeTapNeighbors(taps_, stream), "taps");
    parts_.images = 1;
    parts_.points = kPoints;
    parts_.dim = kDim;
    parts_.vertices = vertices_;
    parts_.vertex = vertex_.get();
    parts_.weight = weight_.get();
    parts_.begin = begin_.get();
    parts_.entry_point = entry_point_.get();
    parts_.entry_weight = entry_weight_.get();
    parts_.block_vertex = block_vertex_.get();
    parts_.next = next_->get();
    parts_.previous = previous_->get();
    parts_.neighbor_stride = vertices_;
    CheckBuild();
    Report(name_ + " build without neighbours", 0,
           [this] { return LatticeBuild(build_, stream); });
    Report(name_ + " neighbours", 0,
           [this] { return LatticeNeighbors(neighbors_, stream); });
    Report(name_ + " build", build_goal, [this] {
      const cudaError_t error = LatticeBuild(build_, stream);
      if (error != cudaSuccess) return error;
      return LatticeNeighbors(neighbors_, stream);
    });
    Report(name_ + " neighbours of 63 taps", 0,
           [this] { return LatticeTapNeighbors(taps_, stream); });
  }

  void CheckBuild() {
    const std::vector<int32_t> vertex = vertex_.Read();
    const std::vector<float> weight = weight_.Read();
    to_reference_.assign(vertices_, -1);
    from_reference_.assign(vertices_, -1);
    bool same = true;
    for (int i = 0; i < kEntries; ++i) {
      const int32_t mine = vertex[i], other = reference_.vertex()[i];
      if (to_reference_[mine] < 0) {
        to_reference_[mine] = other;
        from_reference_[other] = mine;
      }
      same = same && to_reference_[mine] == other &&
             from_reference_[other] == mine &&
             weight[i] == reference_.weight()[i];
    }
    Expect(same,
           name_ + " has the reference's simplices and weights, bit for bit");
    const std::vector<int32_t> next = next_->Read(),
                               previous = previous_->Read(),
                               table = table_->Read();
    const std::vector<int32_t> offsets = offsets_.Read();
    const auto found = [&](const int32_t* n, int v) {
      const int32_t at = reference_.Neighbor(to_reference_[v], n);
      return at < 0 ? -1 : from_reference_[at];
    };
    for (int k = 0; k < kCorners; ++k) {
      std::vector<int32_t> n(kCorners, 0);
      n[k] = 1;
      for (int v = 0; v < vertices_; ++v) {
        const int32_t at = next[k * vertices_ + v];
        same = same && at == found(n.data(), v);
        if (at >= 0) same = same && previous[k * vertices_ + at] == v;
      }
    }
    Expect(same, name_ + " has the reference's neighbours");
    for (int tap = 0; tap < kTaps; ++tap) {
      for (int v = tap; v < vertices_; v += 97) {
        const int32_t at = found(&offsets[tap * kCorners], v);
        same = same && table[tap * vertices_ + v] == (at < 0 ? vertices_ : at);
      }
    }
    Expect(same, name_ + " has the reference's neighbours of taps (sample)");
    Check(LatticeBuild(build_, stream), "build");
    Expect(vertex == vertex_.Read() && weight == weight_.Read(),
           name_ + " builds the same twice");
  }

  void Filter(int labels, double goal) {
    const std::vector<float> values = RandomValues(labels * kPoints, labels);
    const Device<float> in(values), out(values.size());
    const Device<char> scratch(LatticeFilterScratchBytes(parts_, labels));
    LatticeFilterArguments<float> a;
    a.lattice = parts_;
    a.labels = labels;
    a.in = {in.get(), int64_t{labels} * kPoints, kPoints, 1};
    a.out = {out.get(), int64_t{labels} * kPoints, kPoints, 1};
    a.scale = 1 / (1 + std::pow(2.f, -kDim));
    a.scratch = scratch.get();
    for (bool reverse : {false, true}) {
      a.reverse = reverse;
      Check(LatticeFilter(a, stream), "filter");
      const std::vector<float> got = out.Read();
      const std::vector<double> expected = reference_.Slice(
          reference_.Blur(reference_.Splat(values, labels), labels, reverse),
          labels);
      double worst = 0;
      for (size_t i = 0; i < got.size(); ++i) {
        const double e = a.scale * expected[i];
        worst = std::max(worst, std::abs(got[i] - e) / (1e-3 + std::abs(e)));
      }
      Expect(worst < 1e-4, name_ + " filter at L=" + std::to_string(labels) +
                               (reverse ? " reversed" : "") +
                               ", relative error " + std::to_string(worst));
      Check(LatticeFilter(a, stream), "filter");
      Expect(got == out.Read(), name_ + " filters the same twice");
    }
    a.reverse = false;
    const std::string name = name_ + " L=" + std::to_string(labels) + " ";
    Report(name + "filter", goal, [&] { return LatticeFilter(a, stream); });
    const int64_t row = LatticeRowLength(labels);
    Device<float> points(row * kPoints), rows(row * vertices_),
        other(row * vertices_);
    Report(name + "- planes to rows", 0, [&] {
      return LatticeLoadRows(1, kPoints, labels, a.in, a.before, row,
                             points.get(), stream);
    });
    Report(name + "- splat", 0, [&] {
      return LatticeSplat(parts_, points.get(), row, rows.get(), scratch.get(),
                          stream);
    });
    Report(name + "- blur", 0, [&] {
      float *x = rows.get(), *y = other.get();
      return LatticeBlur(parts_, row, false, &x, &y, stream);
    });
    Report(name + "- slice", 0, [&] {
      return LatticeSlice(parts_, rows.get(), row, labels, 1.f, a.after, a.out,
                          stream);
    });
  }

  void Taps(int labels, double goal, double tf32_goal) {
    const int64_t row = LatticeTapRow(labels);
    const int64_t columns = LatticeTapColumns(labels);
    std::vector<float> rows = RandomValues((vertices_ + 1) * row, 3);
    std::vector<float> a = RandomValues(vertices_ * row, 4);
    std::vector<float> filter = RandomValues(kTaps * row * columns, 5);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (static_cast<int64_t>(i) % row >= labels ||
          static_cast<int64_t>(i) >= vertices_ * row) {
        rows[i] = 0;
      }
      if (i < a.size() && static_cast<int64_t>(i) % row >= labels) a[i] = 0;
    }
    for (size_t i = 0; i < filter.size(); ++i) {
      const int64_t m = static_cast<int64_t>(i) / columns % row;
      if (static_cast<int64_t>(i) % columns >= labels || m >= labels) {
        filter[i] = 0;
      }
    }
    std::vector<float> fragments(kTaps * columns * columns, 0.f);
    for (int tap = 0; tap < kTaps; ++tap) {
      for (int m = 0; m < labels; ++m) {
        for (int l = 0; l < labels; ++l) {
          fragments[taps::FragmentPlace(columns, columns, tap, m, l)] =
              RoundedToTf32(filter[(tap * row + m) * columns + l]);
        }
      }
    }
    const Device<float> device_rows(rows), device_a(a), device_filter(filter),
        device_fragments(fragments), out(vertices_ * row);
    LatticeApplyTapsArguments<float> apply;
    apply.vertices = vertices_;
    apply.taps = kTaps;
    apply.table = table_->get();
    apply.stride = vertices_;
    apply.labels_in = apply.labels_out = labels;
    apply.filter = device_filter.get();
    apply.in = device_rows.get();
    apply.out = out.get();
    Check(LatticeApplyTaps(apply, stream), "taps");
    const std::vector<float> got = out.Read();
    const std::vector<int32_t> table = table_->Read();
    double worst = 0;
    int64_t pairs = 0;
    for (int32_t at : table) pairs += at < vertices_ ? 1 : 0;
    for (int64_t v = 0; v < vertices_; v += 61) {
      for (int l = 0; l < labels; ++l) {
        double sum = 0;
        for (int tap = 0; tap < kTaps; ++tap) {
          const float* u = &rows[table[tap * vertices_ + v] * row];
          for (int m = 0; m < labels; ++m) {
            sum += double{filter[(tap * row + m) * columns + l]} * u[m];
          }
        }
        worst = std::max(
            worst, std::abs(got[v * row + l] - sum) / (1 + std::abs(sum)));
      }
    }
    Expect(worst < 1e-5,
           name_ + " taps (sample), relative error " + std::to_string(worst));
    LatticeApplyTapsArguments<float> apply_tf32 = apply;
    apply_tf32.filter = device_fragments.get();
    const auto run_tf32 = [&] {
      return LatticeApplyTapsTf32(apply_tf32, kLatticeManyVertices, stream);
    };
    Check(run_tf32(), "taps");
    const std::vector<float> rounded = out.Read();
    worst = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::abs(double{rounded[i]} - got[i]) /
                                  (1 + std::abs(got[i])));
    }
    Expect(worst < 1e-3, name_ + " taps in TF32, relative difference " +
                             std::to_string(worst));

    LatticeTapGradientArguments<float> gradient;
    gradient.vertices = vertices_;
    gradient.taps = kTaps;
    gradient.table = table_->get();
    gradient.stride = vertices_;
    gradient.labels_a = gradient.labels_b = labels;
    gradient.a = device_a.get();
    gradient.b = device_rows.get();
    const Device<double> sums(labels * labels * kTaps);
    const Device<char> scratch(LatticeTapGradientScratchBytes(gradient));
    gradient.gradient = sums.get();
    gradient.scratch = scratch.get();
    Check(LatticeTapGradient(gradient, stream), "gradient");
    const std::vector<double> got_sums = sums.Read();
    worst = 0;
    for (int tap : {0, 1, 30, 62}) {
      std::vector<double> expected(labels * labels, 0.0);
      for (int64_t v = 0; v < vertices_; ++v) {
        const float* y = &rows[table[tap * vertices_ + v] * row];
        for (int l = 0; l < labels; ++l) {
          for (int m = 0; m < labels; ++m) {
            expected[l * labels + m] += double{a[v * row + l]} * y[m];
          }
        }
      }
      for (int i = 0; i < labels * labels; ++i) {
        worst =
            std::max(worst, std::abs(got_sums[i * kTaps + tap] - expected[i]) /
                                (1 + expected[i]));
      }
    }
    Expect(worst < 1e-5, name_ + " gradient of taps, relative error " +
                             std::to_string(worst));
    const std::string name = name_ + " L=" + std::to_string(labels) + " ";
    std::printf("%s %.1f neighbours a vertex\n", name.c_str(),
                static_cast<double>(pairs) / vertices_);
    Report(name + "taps", goal,
           [&] { return LatticeApplyTaps(apply, stream); });
    Report(name + "taps in TF32", tf32_goal, run_tf32);
    Report(name + "gradient of taps", 0,
           [&] { return LatticeTapGradient(gradient, stream); });
  }

 private:
  std::string name_;
  std::vector<float> host_;
  ReferenceLattice<float> reference_;
  Device<float> features_;
  Device<int32_t> offsets_;
  Device<int32_t> vertex_{kEntries}, begin_{kEntries + 1},
      entry_point_{kEntries}, block_vertex_{kEntries / kLatticeBlock + 1};
  Device<float> weight_{kEntries}, entry_weight_{kEntries};
  Device<uint64_t> keys_{kEntries};
  Device<LatticeState> state_{1};
  Device<char> build_scratch_{LatticeBuildScratchBytes(kEntries)};
  std::unique_ptr<Device<int32_t>> next_, previous_, table_;
  std::vector<int32_t> to_reference_, from_reference_;
  LatticeBuildArguments<float> build_;
  LatticeNeighborArguments neighbors_;
  LatticeTapArguments taps_;
  LatticeParts<float> parts_;
  int64_t vertices_ = 0;
};

}  // namespace
}  // namespace seg

int main(int argc, char** argv) {
  using namespace seg;                  // NOLINT: a program of its own
  using namespace seg::card_benchmark;  // NOLINT
  cudaDeviceProp device;
  Check(cudaGetDeviceProperties(&device, 0), "device");
  Check(cudaStreamCreate(&stream), "stream");
  std::printf("%s, 500x375, d=5\n", device.name);
  CopyProbe();
  std::printf("%-38s %9s %9s %9s\n", "us", "captured", "least", "eager");
  {
    Bench bench(80, 13, 200);
    bench.Filter(21, 114);
    bench.Filter(2, 33);
    bench.Taps(21, 121, 40);
  }
  {
    Bench bench(160, 3, 300);
    bench.Filter(21, 310);
    bench.Filter(2, 97);
    bench.Taps(21, 982, 387);
  }
  if (argc > 1) {
    json.resize(json.size() - 2);
    FILE* file = std::fopen(argv[1], "w");
    if (file == nullptr) return 1;
    std::fprintf(file, "{\"device\": \"%s\", \"results\": [\n%s\n]}\n",
                 device.name, json.c_str());
    std::fclose(file);
  }
  return 0;
}
