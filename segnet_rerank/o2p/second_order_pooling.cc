#include "segnet_rerank/o2p/second_order_pooling.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace seg {
namespace segnet_rerank {

SEG_DEFINE_ENUM(Pooling, {Pooling::kLogEuclidean, "log_euclidean"},
                {Pooling::kSecondOrder, "second_order"},
                {Pooling::kFirstOrder, "first_order"})
SEG_DEFINE_CONFIG(PoolingConfig, pooling, regulariser, power)

std::vector<KeyRule> PoolingConfig::Rules() {
  return {OneOf<Pooling>("pooling"),
          {"regulariser", 1e-9, 1e3},
          {"power", 0.01, 1}};
}

namespace {

// The last values of z = [descriptor; 1]: u, v, s, 1.
constexpr int64_t kGeometry = kRawPositionValues + 1;

// Which elements of an [n,n] matrix, row by row, are the packed ones.
at::Tensor UpperTriangle(int64_t n) {
  const at::Tensor pairs = at::triu_indices(n, n, 0, at::kLong);
  return pairs[0] * n + pairs[1];
}

// Where the packed triangle has each element of the [n,n] matrix.
at::Tensor PlacesInTriangle(int64_t n) {
  const at::Tensor row = at::arange(n, at::kLong).view({n, 1});
  const at::Tensor column = at::arange(n, at::kLong);
  const at::Tensor i = at::minimum(row, column), j = at::maximum(row, column);
  // Rows 0 .. i-1 hold n, n-1, .. elements.
  return (i * n - at::floor_divide(i * (i - 1), 2) + j - i).view({-1});
}

// The number of superpixels, checked.
int64_t CountSuperpixels(const char* name, const at::Tensor& superpixels) {
  TORCH_CHECK(superpixels.dim() == 2 && superpixels.scalar_type() == at::kInt &&
                  superpixels.is_cpu(),
              name, ": superpixels must be int32 [H,W] on the CPU, got ",
              superpixels.scalar_type(), " ", superpixels.sizes(), " on ",
              superpixels.device());
  if (superpixels.numel() == 0) return 0;
  TORCH_CHECK(superpixels.min().item<int32_t>() >= 0, name,
              ": superpixels must be >= 0");
  return static_cast<int64_t>(superpixels.max().item<int32_t>()) + 1;
}

void CheckMembers(const char* name, const Regions& regions, int64_t number) {
  const at::Tensor& members = regions.members;
  TORCH_CHECK(members.dim() == 2 && members.scalar_type() == at::kByte &&
                  members.is_cpu() && members.size(1) == number,
              name, ": members must be uint8 [R,", number, "] on the CPU, got ",
              members.scalar_type(), " ", members.sizes(), " on ",
              members.device());
}

}  // namespace

SuperpixelMoments PoolSuperpixels(const Descriptors& descriptors,
                                  const at::Tensor& superpixels) {
  constexpr char kName[] = "PoolSuperpixels";
  const at::Tensor& values = descriptors.values;
  TORCH_CHECK(values.dim() == 2 && values.scalar_type() == at::kFloat &&
                  values.is_cpu() && values.size(1) > kRawPositionValues,
              kName, ": values must be float32 [N,D] on the CPU, D > ",
              kRawPositionValues, ", got ", values.scalar_type(), " ",
              values.sizes(), " on ", values.device());
  const int64_t number = values.size(0);
  TORCH_CHECK(descriptors.centres.sizes() == at::IntArrayRef({number, 2}) &&
                  descriptors.centres.scalar_type() == at::kInt &&
                  descriptors.centres.is_cpu(),
              kName, ": centres must be int32 [", number,
              ",2] on the CPU, got ", descriptors.centres.scalar_type(), " ",
              descriptors.centres.sizes(), " on ",
              descriptors.centres.device());
  const int64_t count = CountSuperpixels(kName, superpixels);

  // The descriptors in the order of their superpixels: those of superpixel s
  // are first[s] .. first[s + 1].
  const at::Tensor labels = superpixels.contiguous();
  const at::Tensor places = descriptors.centres.contiguous();
  const int32_t* const label = labels.const_data_ptr<int32_t>();
  const int32_t* const place = places.const_data_ptr<int32_t>();
  const int64_t height = labels.size(0), width = labels.size(1);
  std::vector<int64_t> first(count + 1, 0), superpixel(number);
  for (int64_t i = 0; i < number; ++i) {
    const int64_t x = place[2 * i], y = place[2 * i + 1];
    TORCH_CHECK(x >= 0 && x < width && y >= 0 && y < height, kName,
                ": centre (", x, ", ", y, ") lies outside of the ", width,
                " x ", height, " superpixels");
    superpixel[i] = label[y * width + x];
    ++first[superpixel[i] + 1];
  }
  for (int64_t s = 0; s < count; ++s) first[s + 1] += first[s];
  at::Tensor order = at::empty({number}, at::kLong);
  std::vector<int64_t> next = first;
  for (int64_t i = 0; i < number; ++i) {
    order.mutable_data_ptr<int64_t>()[next[superpixel[i]]++] = i;
  }

  SuperpixelMoments moments;
  moments.values = values.size(1);
  const int64_t size = moments.values + 1;
  at::Tensor z = at::ones({number, size}, at::kDouble);
  z.narrow(1, 0, moments.values).copy_(values.index_select(0, order));
  const at::Tensor triangle = UpperTriangle(size);
  moments.packed = at::zeros({count, triangle.size(0)}, at::kDouble);
  const bool inference = c10::InferenceMode::is_enabled();
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    const c10::InferenceMode mode(inference);  // threads do not inherit it
    for (int64_t s = begin; s < end; ++s) {
      if (first[s] == first[s + 1]) continue;
      const at::Tensor rows = z.slice(0, first[s], first[s + 1]);
      moments.packed.select(0, s).copy_(
          rows.t().mm(rows).view({-1}).index_select(0, triangle));
    }
  });
  return moments;
}

at::Tensor BoundingBoxes(const Regions& regions) {
  constexpr char kName[] = "BoundingBoxes";
  struct Box {
    int64_t x0 = std::numeric_limits<int64_t>::max(), y0 = x0, x1 = -1, y1 = -1;

    void Add(const Box& box) {
      x0 = std::min(x0, box.x0);
      y0 = std::min(y0, box.y0);
      x1 = std::max(x1, box.x1);
      y1 = std::max(y1, box.y1);
    }
  };
  const int64_t count = CountSuperpixels(kName, regions.superpixels);
  CheckMembers(kName, regions, count);
  std::vector<Box> boxes(count);
  const at::Tensor labels = regions.superpixels.contiguous();
  const int32_t* label = labels.const_data_ptr<int32_t>();
  for (int64_t y = 0; y < labels.size(0); ++y) {
    for (int64_t x = 0; x < labels.size(1); ++x) {
      boxes[*label++].Add({x, y, x, y});
    }
  }
  const at::Tensor members = regions.members.contiguous();
  const uint8_t* member = members.const_data_ptr<uint8_t>();
  at::Tensor result = at::empty({members.size(0), 4}, at::kDouble);
  double* out = result.mutable_data_ptr<double>();
  for (int64_t r = 0; r < members.size(0); ++r) {
    Box box;
    for (int64_t s = 0; s < count; ++s) {
      if (*member++) box.Add(boxes[s]);
    }
    if (box.x1 < 0) box = {0, 0, 0, 0};
    for (const int64_t value :
         {box.x0, box.y0, box.x1 - box.x0 + 1, box.y1 - box.y0 + 1}) {
      *out++ = static_cast<double>(value);
    }
  }
  return result;
}

RegionMoments MomentsOfRegions(const SuperpixelMoments& moments,
                               const Regions& regions, Area area) {
  constexpr char kName[] = "MomentsOfRegions";
  const int64_t size = moments.values + 1;  // E
  TORCH_CHECK(moments.packed.dim() == 2 &&
                  moments.values > kRawPositionValues &&
                  moments.packed.size(1) == size * (size + 1) / 2,
              kName, ": packed must be [S,", size * (size + 1) / 2, "], got ",
              moments.packed.sizes());
  const int64_t superpixels = CountSuperpixels(kName, regions.superpixels);
  TORCH_CHECK(superpixels == moments.packed.size(0), kName, ": moments are of ",
              moments.packed.size(0), " superpixels, regions of ", superpixels);
  CheckMembers(kName, regions, superpixels);
  const int64_t number = regions.members.size(0);

  at::Tensor sums = regions.members.to(at::kDouble).mm(moments.packed);
  at::Tensor boxes;
  if (area == Area::kGround) {
    sums = moments.packed.sum(0) - sums;
    boxes = at::zeros({number, 4}, at::kDouble);
    boxes.select(1, 2).fill_(regions.superpixels.size(1));
    boxes.select(1, 3).fill_(regions.superpixels.size(0));
  } else {
    boxes = BoundingBoxes(regions);
  }
  RegionMoments result;
  result.count = sums.select(1, sums.size(1) - 1).clone();  // exact: integers
  // Of an empty ground, rounding leaves something.
  sums = sums * (result.count > 0).unsqueeze(1) /
         result.count.clamp_min(1).unsqueeze(1);
  const at::Tensor mean =
      sums.index_select(1, PlacesInTriangle(size)).view({number, size, size});

  // T is the identity on a, and `map` [R,6,4] on (u, v, s, 1).
  const at::Tensor inverse = boxes.narrow(1, 2, 2).clamp_min(1).reciprocal();
  const at::Tensor x0 = boxes.select(1, 0), y0 = boxes.select(1, 1),
                   w = inverse.select(1, 0), h = inverse.select(1, 1);
  const at::Tensor zero = at::zeros_like(w);
  const at::Tensor map = at::stack({at::stack({w, zero, zero, -x0 * w}, 1),
                                    at::stack({zero, h, zero, -y0 * h}, 1),
                                    at::stack({h, zero, zero, -x0 * h}, 1),
                                    at::stack({zero, w, zero, -y0 * w}, 1),
                                    at::stack({zero, zero, 8 * h, zero}, 1),
                                    at::stack({zero, zero, 8 * w, zero}, 1)},
                                   1);

  const int64_t rest = size - kGeometry;
  const at::Tensor local = mean.narrow(1, 0, rest);             // [R,a,E]
  const at::Tensor geometry = mean.narrow(1, rest, kGeometry);  // [R,4,E]
  const at::Tensor cross =
      at::bmm(map, geometry.narrow(2, 0, rest));  // [R,6,a]
  const at::Tensor position = at::bmm(
      at::bmm(map, geometry.narrow(2, rest, kGeometry)), map.transpose(1, 2));
  result.second =
      at::cat({at::cat({local.narrow(2, 0, rest), cross.transpose(1, 2)}, 2),
               at::cat({cross, position}, 2)},
              1);
  // The last column of the mean of z z^T is the mean of z.
  result.first =
      at::cat({local.select(2, size - 1),
               at::bmm(map, geometry.narrow(2, size - 1, 1)).squeeze(2)},
              1);
  return result;
}

at::Tensor SymmetricLog(const at::Tensor& g, double regulariser) {
  TORCH_CHECK(
      g.dim() == 3 && g.size(1) == g.size(2) &&
          (g.scalar_type() == at::kFloat || g.scalar_type() == at::kDouble) &&
          g.is_cpu(),
      "SymmetricLog: g must be float32 or float64 [R,F,F] on the CPU, "
      "got ",
      g.scalar_type(), " ", g.sizes(), " on ", g.device());
  TORCH_CHECK(regulariser > 0.0 && std::isfinite(regulariser),
              "SymmetricLog: regulariser must be finite and > 0, got ",
              regulariser);
  at::Tensor result = at::empty(g.sizes(), g.options());
  // LibTorch takes the matrices of a batch one after the other.
  const bool inference = c10::InferenceMode::is_enabled();
  at::parallel_for(0, g.size(0), 1, [&](int64_t begin, int64_t end) {
    const c10::InferenceMode mode(inference);  // threads do not inherit it
    const auto [values, vectors] = at::linalg_eigh(g.slice(0, begin, end));
    const at::Tensor logs = (values.clamp_min(0.0) + regulariser).log();
    result.slice(0, begin, end)
        .copy_(at::bmm(vectors * logs.unsqueeze(1), vectors.transpose(1, 2)));
  });
  return result;
}

at::Tensor PoolRegions(const SuperpixelMoments& moments, const Regions& regions,
                       Area area, const PoolingConfig& config) {
  const RegionMoments pooled = MomentsOfRegions(moments, regions, area);
  if (config.pooling == Pooling::kFirstOrder)
    return pooled.first.to(at::kFloat);
  at::Tensor g = pooled.second;
  if (config.pooling == Pooling::kLogEuclidean) {
    g = SymmetricLog(g, config.regulariser);
    g = g * (pooled.count > 0).view({-1, 1, 1});
  }
  return g.flatten(1).index_select(1, UpperTriangle(g.size(2))).to(at::kFloat);
}

std::vector<at::Tensor> NormaliseTypes(const std::vector<at::Tensor>& types,
                                       double power) {
  TORCH_CHECK(power > 0.0 && power <= 1.0,
              "NormaliseTypes: power must be in (0, 1], got ", power);
  std::vector<at::Tensor> result;
  for (const at::Tensor& type : types) {
    TORCH_CHECK(type.dim() == 2 && at::isFloatingType(type.scalar_type()),
                "NormaliseTypes: types must be floating point [R,L], got ",
                type.scalar_type(), " ", type.sizes());
    at::Tensor norm =
        at::linalg_vector_norm(type, 2, at::IntArrayRef({1}), true);
    norm = norm.masked_fill(norm == 0, 1);
    const at::Tensor unit =
        type / (norm * std::sqrt(static_cast<double>(types.size())));
    result.push_back(unit.sign() * unit.abs().pow(power));
  }
  return result;
}

}  // namespace segnet_rerank
}  // namespace seg
