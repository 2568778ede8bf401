#!/usr/bin/env python3
"""Makes the golden files of resnet.h and deeplab_v3.h in eager PyTorch.

The networks are written here from the papers (He et al. 2016; Chen et al.
2017) and GANSeg's description of its segmenter, with torchvision's names. Where
torchvision is installed, names, shapes and outputs are compared with it too.
Images and weights are formulas (common/testing/golden.py).

    python3 make_deeplab_v3_goldens.py --out=.

Made with Python 3.11, torch 2.11.0 (CPU) and torchvision 0.26.0.

  resnet{18,50}_names.txt          names and shapes of the state_dict
  deeplab_v3_resnet50_names.txt    the same, 21 classes
  deeplab_v3_goldens.safetensors   samples of scores, gradients, statistics
"""

import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "common/testing"))

import torch  # noqa: E402
from torch import nn  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from golden import (  # noqa: E402
    fill_parameters, filled, image, sample, write_safetensors)


class Block(nn.Module):
  """Three convolutions with expansion 4, or two."""

  def __init__(self, cin, width, bottleneck, stride, dilation):
    super().__init__()
    cout = width * (4 if bottleneck else 1)
    kernels = (1, 3, 1) if bottleneck else (3, 3)
    strided = 1 if bottleneck else 0
    previous = cin
    for i, kernel in enumerate(kernels):
      out = cout if i + 1 == len(kernels) else width
      self.add_module(f"conv{i + 1}", nn.Conv2d(
          previous, out, kernel, stride if i == strided else 1,
          padding=dilation if kernel == 3 else 0,
          dilation=dilation if kernel == 3 else 1, bias=False))
      self.add_module(f"bn{i + 1}", nn.BatchNorm2d(out))
      previous = out
    self.count = len(kernels)
    self.downsample = None
    if stride != 1 or cin != cout:
      self.downsample = nn.Sequential(
          nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

  def forward(self, x):
    y = x
    for i in range(1, self.count + 1):
      y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
      if i < self.count:
        y = F.relu(y)
    return F.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
  """strides: of layer1 .. layer4; dilations: (first block, rest) of each."""

  def __init__(self, depth, strides=(1, 2, 2, 2), dilations=((1, 1),) * 4,
               classes=0):
    super().__init__()
    self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
    self.bn1 = nn.BatchNorm2d(64)
    blocks = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth]
    cin = 64
    for i, width in enumerate((64, 128, 256, 512)):
      layer = []
      for k in range(blocks[i]):
        layer.append(Block(cin, width, depth == 50, strides[i] if k == 0 else 1,
                           dilations[i][0 if k == 0 else 1]))
        cin = width * (4 if depth == 50 else 1)
      self.add_module(f"layer{i + 1}", nn.Sequential(*layer))
    self.fc = nn.Linear(cin, classes) if classes else None

  def maps(self, x):
    y = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
    out = []
    for i in range(1, 5):
      y = getattr(self, f"layer{i}")(y)
      out.append(y)
    return out

  def forward(self, x):
    return self.fc(self.maps(x)[-1].mean((2, 3)))


def resnet50_stride8():
  """layer3: dilation 1, then 2; layer4: 2, then 4."""
  return ResNet(50, (1, 2, 1, 1), ((1, 1), (1, 1), (1, 2), (2, 4)))


class Tiny(nn.Module):
  """tiny_backbone.h with output stride 4."""

  def __init__(self):
    super().__init__()
    self.layers = ((3, 16, 2, 1), (16, 32, 2, 1), (32, 32, 1, 1),
                   (32, 48, 1, 1), (48, 48, 1, 2))
    for i, (cin, cout, stride, dilation) in enumerate(self.layers):
      self.add_module(f"conv{i}", nn.Conv2d(
          cin, cout, 3, stride, padding=dilation, dilation=dilation,
          bias=False))
      self.add_module(f"bn{i}", nn.BatchNorm2d(cout))

  def maps(self, x):
    for i in range(len(self.layers)):
      x = F.relu(getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x)))
    return [x]


class Aspp(nn.Module):

  def __init__(self, cin, width, rates):
    super().__init__()

    def conv(kernel, rate=1):
      return nn.Conv2d(cin, width, kernel, padding=rate * (kernel // 2),
                       dilation=rate, bias=False)

    branches = [nn.Sequential(conv(1), nn.BatchNorm2d(width), nn.ReLU())]
    for rate in rates:
      branches.append(
          nn.Sequential(conv(3, rate), nn.BatchNorm2d(width), nn.ReLU()))
    branches.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(1),
                                  nn.BatchNorm2d(width), nn.ReLU()))
    self.convs = nn.ModuleList(branches)
    self.project = nn.Sequential(
        nn.Conv2d(width * len(branches), width, 1, bias=False),
        nn.BatchNorm2d(width), nn.ReLU())  # dropout 0

  def forward(self, x):
    out = [branch(x) for branch in self.convs]
    out[-1] = F.interpolate(out[-1], size=x.shape[2:], mode="bilinear",
                            align_corners=False)
    return self.project(torch.cat(out, 1))


class DeepLabV3(nn.Module):

  def __init__(self, backbone, features, classes, width, rates):
    super().__init__()
    self.backbone = backbone
    self.classifier = nn.Sequential(
        Aspp(features, width, rates),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, classes, 1))

  def forward(self, x):
    y = self.classifier(self.backbone.maps(x)[-1])
    return F.interpolate(y, size=x.shape[2:], mode="bilinear",
                         align_corners=False)


def normalize_imagenet(x):
  mean = torch.tensor([0.485, 0.456, 0.406], dtype=x.dtype).view(1, 3, 1, 1)
  std = torch.tensor([0.229, 0.224, 0.225], dtype=x.dtype).view(1, 3, 1, 1)
  return (x / 255 - mean) / std


def step(network, x, name, parameters, buffers, out):
  """One training step in double: batch statistics and gradients."""
  network = network.double().train()
  fill_parameters(network)
  y = network(x)
  out[f"{name}.output"] = sample(y)
  (y * filled(y.shape, 1, 1000)).mean().backward()
  state = dict(network.named_parameters())
  for key in parameters:
    out[f"{name}.grad.{key}"] = sample(state[key].grad)
  state = dict(network.named_buffers())
  for key in buffers:
    out[f"{name}.{key}"] = sample(state[key])


def write_names(path, network):
  state = network.state_dict()
  with open(path, "w") as f:
    for name in sorted(state):
      shape = ",".join(str(s) for s in state[name].shape)
      f.write(f"{name} [{shape}]\n")


def compare_with_torchvision():
  try:
    import torchvision
  except ImportError:
    print("torchvision is not installed: not compared")
    return
  models = torchvision.models
  x = normalize_imagenet(image(2, 65, 72)).float()
  deeplab = DeepLabV3(resnet50_stride8(), 2048, 21, 256, (12, 24, 36))
  for ours, theirs in (
      (ResNet(18, classes=1000), models.resnet18(weights=None)),
      (ResNet(50, classes=1000), models.resnet50(weights=None)),
      (deeplab, models.segmentation.deeplabv3_resnet50(
          weights=None, weights_backbone=None))):
    theirs.load_state_dict(ours.state_dict())  # strict: names and shapes
    with torch.no_grad():
      a, b = ours.eval()(x), theirs.eval()(x)
    b = b["out"] if isinstance(b, dict) else b
    error = ((a - b).abs().max() / b.abs().max()).item()
    count = sum(p.numel() for p in theirs.parameters())
    print(f"torchvision {torchvision.__version__}, {type(theirs).__name__}: "
          f"{count} parameters, largest difference {error:.1e}")
    assert error < 1e-5


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--out", default=".")
  out_dir = pathlib.Path(parser.parse_args().out)
  compare_with_torchvision()
  for depth in (18, 50):
    write_names(out_dir / f"resnet{depth}_names.txt",
                ResNet(depth, classes=1000))
  write_names(out_dir / "deeplab_v3_resnet50_names.txt",
              DeepLabV3(resnet50_stride8(), 2048, 21, 256, (12, 24, 36)))
  out = {}
  x = image(2, 45, 61)
  step(ResNet(18, classes=10), normalize_imagenet(x), "resnet18",
       ("conv1.weight", "layer2.0.downsample.0.weight", "layer3.1.conv2.weight",
        "layer4.1.bn2.weight", "fc.bias"),
       ("bn1.running_mean", "layer4.0.downsample.1.running_var"), out)
  step(DeepLabV3(resnet50_stride8(), 2048, 3, 16, (2, 3)),
       normalize_imagenet(x), "resnet50",
       ("backbone.conv1.weight", "backbone.layer3.0.conv2.weight",
        "backbone.layer4.2.conv2.weight", "classifier.0.convs.2.0.weight",
        "classifier.0.convs.3.1.weight", "classifier.4.bias"),
       ("backbone.layer4.0.downsample.1.running_var",
        "classifier.0.project.1.running_mean"), out)
  step(DeepLabV3(Tiny(), 48, 5, 24, (1, 2, 4)), (x - 127) / 128, "tiny",
       ("backbone.conv0.weight", "backbone.conv4.weight",
        "classifier.0.convs.0.0.weight", "classifier.1.weight",
        "classifier.4.weight"),
       ("backbone.bn3.running_var", "classifier.2.running_mean"), out)
  write_safetensors(out_dir / "deeplab_v3_goldens.safetensors", out)


if __name__ == "__main__":
  main()
