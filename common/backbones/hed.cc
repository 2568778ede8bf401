#include "common/backbones/hed.h"

#include <cstdint>
#include <utility>

#include "ATen/ATen.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/backbones/caffenet.h"
#include "common/backbones/state_dict.h"
#include "common/base/status_macros.h"
#include "common/io/hdf5.h"
#include "common/io/tensor_map.h"

namespace seg {
namespace {

constexpr int64_t kBlocks = Vgg16Impl::kBlocks;
constexpr int64_t kChannels[kBlocks] = {64, 128, 256, 512, 512};
constexpr int64_t kConvolutions[kBlocks] = {2, 2, 3, 3, 3};

// A whole array.
absl::StatusOr<at::Tensor> ReadArray(const std::string& path,
                                     const std::string& name) {
  SEG_ASSIGN_OR_RETURN(const auto array, Hdf5Array::Open(path, name));
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < array->rows(); ++i) {
    SEG_ASSIGN_OR_RETURN(at::Tensor row, array->Row(i));
    rows.push_back(std::move(row));
  }
  if (rows.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", name, ": is empty"));
  }
  return at::stack(rows);
}

// Kernel and bias of the group `from` as those of the module `to`.
absl::Status ReadConvolution(const std::string& path, const std::string& from,
                             const std::string& to, TensorMap* tensors) {
  SEG_ASSIGN_OR_RETURN(const at::Tensor kernel,
                       ReadArray(path, from + "/vars/0"));
  SEG_ASSIGN_OR_RETURN((*tensors)[to + ".bias"],
                       ReadArray(path, from + "/vars/1"));
  if (kernel.dim() != 4) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", from,
                     "/vars/0: expected the four axes of a "
                     "kernel, got ",
                     kernel.dim()));
  }
  (*tensors)[to + ".weight"] = kernel.permute({3, 2, 0, 1}).contiguous();
  return absl::OkStatus();
}

}  // namespace

HedImpl::HedImpl() : torch::nn::Module("Hed") {
  register_module("vgg", vgg_);
  const at::NoGradGuard no_grad;
  for (int64_t i = 0; i < kBlocks; ++i) {
    torch::nn::Conv2d side(torch::nn::Conv2dOptions(kChannels[i], 1, 1));
    side->weight.zero_();
    side->bias.zero_();
    sides_.push_back(register_module(absl::StrCat("dsn", i + 1), side));
  }
  fuse_ = register_module(
      "fuse", torch::nn::Conv2d(torch::nn::Conv2dOptions(kBlocks, 1, 1)));
  fuse_->weight.fill_(1.0 / static_cast<double>(kBlocks));
  fuse_->bias.zero_();
}

at::Tensor HedImpl::Scores(const at::Tensor& images) {
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3 && images.numel() > 0,
              "Hed: images must be [N,3,H,W], not empty, got ", images.sizes());
  const at::IntArrayRef size = images.sizes().slice(2);
  at::Tensor h =
      NormalizeCaffe(images).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<at::Tensor> scores;
  for (int64_t i = 0; i < kBlocks; ++i) {
    if (i > 0) h = vgg_->Pool(h);
    h = vgg_->Block(i, h);
    const at::Tensor side = sides_[i](h).contiguous();
    scores.push_back(
        i == 0 ? side
               : at::upsample_bilinear2d(side, size, /*align_corners=*/false));
  }
  scores.push_back(fuse_(at::cat(scores, 1)));
  return at::cat(scores, 1);
}

at::Tensor HedImpl::forward(const at::Tensor& images) {
  return Scores(images).select(1, kBlocks).sigmoid();
}

absl::Status LoadHedWeights(const std::string& path, Hed* net) {
  TensorMap tensors;
  for (int64_t i = 0; i < kBlocks; ++i) {
    for (int64_t k = 0; k < kConvolutions[i]; ++k) {
      SEG_RETURN_IF_ERROR(ReadConvolution(
          path,
          absl::StrCat("block", i + 1, "/layers/conv2d",
                       k == 0 ? "" : absl::StrCat("_", k)),
          absl::StrCat("vgg.conv", i + 1, "_", k + 1), &tensors));
    }
    const std::string side = absl::StrCat("dsn", i + 1);
    SEG_RETURN_IF_ERROR(ReadConvolution(path, side, side, &tensors));
  }
  SEG_RETURN_IF_ERROR(ReadConvolution(path, "fuse", "fuse", &tensors));
  const absl::Status status = LoadStateDict(**net, tensors);
  return status.ok() ? status
                     : absl::Status(status.code(),
                                    absl::StrCat(path, ": ", status.message()));
}

}  // namespace seg
