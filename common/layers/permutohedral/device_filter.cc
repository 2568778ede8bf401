#include "common/layers/permutohedral/device_filter.h"

#include <optional>
#include <tuple>
#include <vector>

#include "ATen/ATen.h"
#include "common/layers/permutohedral/filter_core.h"
#include "common/layers/permutohedral/lattice_data.h"
#include "common/layers/permutohedral/lattice_ops.h"

namespace seg {
namespace permutohedral {
namespace {

// Images [begin,begin+count) and their lattices.
struct Piece {
  const LatticeData* data;
  int64_t begin, count;
};

std::vector<Piece> Pieces(const LatticeVector& lattices) {
  const int64_t batch = static_cast<int64_t>(lattices.size());
  const LatticeData* data = lattices[0]->data();
  bool whole = data->images() == batch;
  for (int64_t n = 0; n < batch && whole; ++n) {
    whole = lattices[n]->data() == data && lattices[n]->image() == n;
  }
  if (whole) return {{data, 0, batch}};
  std::vector<Piece> pieces;
  for (int64_t n = 0; n < batch; ++n) {
    pieces.push_back({&lattices[n]->own_data(), n, 1});
  }
  return pieces;
}

// Whether all images have the same lattice.
bool IsShared(const LatticeVector& lattices) {
  for (const LatticePtr& lattice : lattices) {
    if (lattice != lattices[0]) return false;
  }
  return lattices.size() > 1;
}

struct Factors {
  std::optional<at::Tensor> before, after;
};

Factors FactorsOf(const DeviceFilter& filter, const LatticeData& data,
                  at::ScalarType type, bool transpose) {
  using Kind = LatticeNormalization;
  const Kind kind = filter.normalization;
  Factors factors;
  if (kind == Kind::kNone) return factors;
  const at::Tensor n = data.Normalizer(kind, filter.support, type);
  if (kind == Kind::kSymmetric || kind == Kind::kBefore) factors.before = n;
  if (kind == Kind::kSymmetric || kind == Kind::kAfter) factors.after = n;
  if (transpose) std::swap(factors.before, factors.after);
  return factors;
}

at::Tensor Together(const std::vector<at::Tensor>& pieces) {
  return pieces.size() == 1 ? pieces[0] : at::cat(pieces);
}

}  // namespace

at::Tensor DeviceGaussian(const DeviceFilter& filter, const at::Tensor& values,
                          bool reverse, bool transpose) {
  const auto run = [&](const LatticeData& data, const at::Tensor& x) {
    const Factors f = FactorsOf(filter, data, x.scalar_type(), transpose);
    return lattice_ops::Filter(x, data.Parts(x.scalar_type()), f.before,
                               f.after, GaussianScale(data.dim()),
                               reverse != transpose);
  };
  if (IsShared(filter.lattices)) {
    // One lattice: the images are so many more labels.
    return run(filter.lattices[0]->own_data(),
               values.reshape({1, -1, values.size(2)}))
        .view(values.sizes());
  }
  std::vector<at::Tensor> out;
  for (const Piece& piece : Pieces(filter.lattices)) {
    out.push_back(run(*piece.data, values.narrow(0, piece.begin, piece.count)));
  }
  return Together(out);
}

at::Tensor DeviceTaps(const DeviceFilter& filter, const at::Tensor& values,
                      const at::Tensor& taps) {
  const at::ScalarType type = values.scalar_type();
  std::vector<at::Tensor> out;
  for (const Piece& piece : Pieces(filter.lattices)) {
    const Factors f = FactorsOf(filter, *piece.data, type, false);
    out.push_back(lattice_ops::Taps(values.narrow(0, piece.begin, piece.count),
                                    taps, piece.data->Parts(type),
                                    piece.data->TapTable(filter.support),
                                    f.before, f.after));
  }
  return Together(out);
}

std::pair<at::Tensor, at::Tensor> DeviceTapsBackward(const DeviceFilter& filter,
                                                     const at::Tensor& gradient,
                                                     const at::Tensor& values,
                                                     const at::Tensor& taps,
                                                     bool want_values,
                                                     bool want_taps) {
  const at::ScalarType type = values.scalar_type();
  std::vector<at::Tensor> d_values;
  at::Tensor d_taps;
  for (const Piece& piece : Pieces(filter.lattices)) {
    const Factors f = FactorsOf(filter, *piece.data, type, false);
    at::Tensor of_values, of_taps;
    std::tie(of_values, of_taps) = lattice_ops::TapsBackward(
        gradient.narrow(0, piece.begin, piece.count),
        values.narrow(0, piece.begin, piece.count), taps,
        piece.data->Parts(type), piece.data->TapTable(filter.support),
        piece.data->Reflection(filter.support), f.before, f.after, want_values,
        want_taps);
    d_values.push_back(of_values);
    d_taps = d_taps.defined() ? d_taps + of_taps : of_taps;
  }
  return {want_values ? Together(d_values) : at::Tensor(),
          want_taps ? d_taps.to(taps.scalar_type()) : at::Tensor()};
}

}  // namespace permutohedral
}  // namespace seg
