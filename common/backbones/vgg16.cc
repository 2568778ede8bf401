#include "common/backbones/vgg16.h"

#include <cmath>
#include <map>
#include <string>

#include "ATen/ATen.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"

namespace seg {
namespace {

struct ConvLayer {
  const char* name;
  int torchvision_index;  // features.N
  int64_t in_channels, out_channels;
  int64_t block;
};
constexpr ConvLayer kConvLayers[] = {
    {"conv1_1", 0, 3, 64, 0},     {"conv1_2", 2, 64, 64, 0},
    {"conv2_1", 5, 64, 128, 1},   {"conv2_2", 7, 128, 128, 1},
    {"conv3_1", 10, 128, 256, 2}, {"conv3_2", 12, 256, 256, 2},
    {"conv3_3", 14, 256, 256, 2}, {"conv4_1", 17, 256, 512, 3},
    {"conv4_2", 19, 512, 512, 3}, {"conv4_3", 21, 512, 512, 3},
    {"conv5_1", 24, 512, 512, 4}, {"conv5_2", 26, 512, 512, 4},
    {"conv5_3", 28, 512, 512, 4}};
constexpr int64_t kFc6Size = 7;

}  // namespace

Vgg16Impl::Vgg16Impl(const Vgg16Options& options) : vgg_options_(options) {
  TORCH_CHECK(options.pool_size() == 2 || options.pool_size() == 3,
              "Vgg16: pool_size must be 2 or 3, got ", options.pool_size());
  const at::NoGradGuard no_grad;
  for (const ConvLayer& layer : kConvLayers) {
    torch::nn::Conv2d conv(
        torch::nn::Conv2dOptions(layer.in_channels, layer.out_channels, 3)
            .padding(convs_.empty() ? options.first_padding() : 1));
    conv->weight.normal_(
        0, std::sqrt(2.0 / static_cast<double>(layer.out_channels * 9)));
    conv->bias.zero_();
    convs_.push_back(register_module(layer.name, conv));
  }
}

at::Tensor Vgg16Impl::Block(int64_t i, at::Tensor x) {
  for (size_t k = 0; k < convs_.size(); ++k) {
    if (kConvLayers[k].block == i) x = convs_[k](x).relu_();
  }
  return x;
}

at::Tensor Vgg16Impl::Pool(const at::Tensor& x) const {
  return vgg_options_.pool_size() == 2
             ? at::max_pool2d(x, {2, 2}, {2, 2}, /*padding=*/{0, 0},
                              /*dilation=*/{1, 1}, /*ceil_mode=*/true)
             : at::max_pool2d(x, {3, 3}, {2, 2}, /*padding=*/{1, 1});
}

std::vector<at::Tensor> Vgg16Impl::forward(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == 3,
              "Vgg16: x must be [N,3,H,W], got ", x.sizes());
  std::vector<at::Tensor> maps;
  at::Tensor h = x.contiguous(at::MemoryFormat::ChannelsLast);
  for (int64_t i = 0; i < kBlocks; ++i) {
    h = Block(i, h);
    if (i > 0) maps.push_back(h);
    h = Pool(h);
  }
  maps.push_back(h);
  return maps;
}

std::vector<at::Tensor> Vgg16Impl::conv_parameters() const {
  std::vector<at::Tensor> out;
  for (const torch::nn::Conv2d& conv : convs_) {
    for (const at::Tensor& p : conv->parameters()) out.push_back(p);
  }
  return out;
}

absl::StatusOr<TensorMap> Vgg16BackboneTensors(const TensorMap& tensors) {
  std::map<std::string, std::string> names;  // torchvision's -> ours
  for (const ConvLayer& layer : kConvLayers) {
    names[absl::StrCat("features.", layer.torchvision_index)] = layer.name;
  }
  names["classifier.0"] = "fc6";
  names["classifier.3"] = "fc7";

  TensorMap out;
  for (const auto& [name, tensor] : tensors) {
    if (absl::StartsWith(name, "classifier.6.")) continue;
    const size_t dot = name.rfind('.');
    const auto it = names.find(name.substr(0, dot));
    if (it == names.end()) {
      out[name] = tensor;  // ours already, or left to the loader to refuse
      continue;
    }
    const bool is_fc = absl::StartsWith(name, "classifier.");
    if (is_fc && tensor.dim() == 2) {
      const int64_t size = name[11] == '0' ? kFc6Size : 1;
      if (tensor.size(1) % (size * size) != 0) {
        return absl::InvalidArgumentError(absl::StrCat(
            name, ": expected [4096,", size == 1 ? "4096" : "25088", "], got [",
            absl::StrJoin(absl::MakeConstSpan(tensor.sizes().data(), 2), ","),
            "]"));
      }
      out[it->second + name.substr(dot)] = tensor.reshape(
          {tensor.size(0), tensor.size(1) / (size * size), size, size});
    } else {
      out[it->second + name.substr(dot)] = tensor;
    }
  }
  return out;
}

}  // namespace seg
