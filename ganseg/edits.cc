#include "ganseg/edits.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "absl/strings/str_cat.h"
#include "ganseg/heatmaps.h"

namespace seg {
namespace ganseg {
namespace {

// [rows * columns, ...] of [rows, ...]: each row's value in all its columns.
at::Tensor AlongRows(const at::Tensor& x, int64_t columns) {
  return x.repeat_interleave(columns, 0);
}

// The same values in every row: [rows * columns, ...] of [columns, ...].
at::Tensor DownColumns(const at::Tensor& x, int64_t rows) {
  std::vector<int64_t> times(static_cast<size_t>(x.dim()), 1);
  times[0] = rows;
  return x.repeat(times);
}

}  // namespace

absl::StatusOr<Codes> SampleCodes(const SampleConfig& config,
                                  Generator& generator) {
  const GeneratorOptions& options = generator->options();
  const int64_t rows = config.rows, columns = config.columns;
  const bool moves = config.move_part > 0, spreads = config.spread != 1,
             swaps = config.swap != Swap::kNone;
  if (moves + spreads + swaps > 1) {
    return absl::InvalidArgumentError(
        "sample: one edit at a time; set one of sample.move_part, "
        "sample.spread, sample.swap");
  }
  if (config.move_part > options.parts()) {
    return absl::InvalidArgumentError(
        absl::StrCat("sample.move_part: ", config.move_part,
                     ", but the generator has ", options.parts(), " parts"));
  }
  const at::NoGradGuard no_grad;
  const at::Device device = generator->parameters()[0].device();
  if (!moves && !spreads && !swaps) {
    return generator->Embed(SampleLatents(rows * columns, options, device));
  }
  const Codes firsts = generator->Embed(SampleLatents(rows, options, device));
  Codes codes = {AlongRows(firsts.points, columns),
                 AlongRows(firsts.appearance, columns),
                 AlongRows(firsts.background, columns),
                 AlongRows(firsts.background_position, columns)};
  // 0 .. 1 along each row.
  const at::Tensor way =
      DownColumns(at::linspace(0, 1, columns, codes.points.options()), rows)
          .view({rows * columns, 1, 1});
  const int64_t n = options.points_per_part();
  if (moves) {
    codes.points.narrow(1, (config.move_part - 1) * n, n)
        .narrow(2, 1, 1)
        .add_(0.5 * way);
  }
  if (spreads) {
    const at::Tensor centres =
        PartCentres(codes.points, options.parts()).repeat_interleave(n, 1);
    const at::Tensor factor = 1 + (config.spread - 1) * way;
    codes.points = centres + factor * (codes.points - centres);
  }
  if (swaps) {
    const Codes others =
        generator->Embed(SampleLatents(columns, options, device));
    const at::Tensor keeps = way.view({rows * columns, 1}).eq(0);
    const auto swap = [&](at::Tensor* own, const at::Tensor& other) {
      *own = at::where(keeps, *own, DownColumns(other, rows));
    };
    if (config.swap == Swap::kAppearance) {
      swap(&codes.appearance, others.appearance);
    } else {
      swap(&codes.background, others.background);
      swap(&codes.background_position, others.background_position);
    }
  }
  return codes;
}

}  // namespace ganseg
}  // namespace seg
