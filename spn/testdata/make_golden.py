"""Writes networks.safetensors, for golden_test: make_golden.py FILE

The networks of spatial propagation in eager PyTorch, double, from the paper's
supplement and the authors' released models: the parser and the guidance network
on faces, the guidance on VGG-16 features, the three forms of the refinement.
The propagation is the recurrence pixel by pixel. Weights, images and cotangents
are formulas.

Made with Python 3.11 and torch 2.11.0 on the CPU.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "common/testing"))

import torch  # noqa: E402
from torch import nn  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from golden import (  # noqa: E402
    fill_parameters, filled, image, sample, write_safetensors)


def conv3(cin, cout, bias=True):
  return nn.Conv2d(cin, cout, 3, padding=1, bias=bias)


def up(x, like=None, size=None):
  size = size or like.shape[2:]
  return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class Parser(nn.Module):
  """Supplement: (conv, ReLU, max-pool) down, skips by summation; up-sampling,
  conv, ReLU up; the last one gives the classes, without ReLU."""

  def __init__(self, widths, classes):
    super().__init__()
    self.widths = widths
    previous = 3
    for i, width in enumerate(widths):
      self.add_module(f"encoder{i}", conv3(previous, width))
      previous = width
    for i in reversed(range(len(widths) - 1)):
      self.add_module(f"decoder{i}", conv3(previous, widths[i]))
      previous = widths[i]
    self.output = conv3(previous, classes)

  def forward(self, x):
    pooled = []
    y = x
    for i in range(len(self.widths)):
      y = F.max_pool2d(F.relu(getattr(self, f"encoder{i}")(y)), 2,
                       ceil_mode=True)
      pooled.append(y)
    for i in reversed(range(len(self.widths) - 1)):
      y = F.relu(getattr(self, f"decoder{i}")(up(y, pooled[i]))) + pooled[i]
    return self.output(up(y, x))


class FaceGuidance(nn.Module):
  """Released model: conv, batch norm, ELU at full size, then the same behind a
  2x2 max-pooling at each level; up to half of the size, conv and batch norm."""

  def __init__(self, widths, gates):
    super().__init__()
    self.widths = widths
    previous = 3
    for i, width in enumerate(widths):
      self.block(f"encoder{i}", previous, width)
      previous = width
    for i in reversed(range(2, len(widths) - 1)):
      self.block(f"decoder{i}", previous, widths[i])
      previous = widths[i]
    self.output = conv3(previous, gates, bias=False)
    self.output_norm = nn.BatchNorm2d(gates)

  def block(self, name, cin, cout):
    self.add_module(name, conv3(cin, cout, bias=False))
    self.add_module(name + "_norm", nn.BatchNorm2d(cout))

  def run(self, name, x):
    return F.elu(getattr(self, name + "_norm")(getattr(self, name)(x)))

  def forward(self, x):
    maps = [self.run("encoder0", x)]
    for i in range(1, len(self.widths)):
      pooled = F.max_pool2d(maps[-1], 2, ceil_mode=True)
      maps.append(self.run(f"encoder{i}", pooled))
    y = maps[-1]
    for i in reversed(range(2, len(self.widths) - 1)):
      y = self.run(f"decoder{i}", up(y, maps[i])) + maps[i]
    return self.output_norm(self.output(up(y, maps[1])))


class Vgg16(nn.Module):
  """conv1_1 .. conv5_3 with 3x3 max-poolings of stride 2."""
  CONVS = (2, 2, 3, 3, 3)

  def __init__(self):
    super().__init__()
    previous = 3
    for block, count in enumerate(self.CONVS, 1):
      width = min(64 * 2**(block - 1), 512)
      for i in range(1, count + 1):
        self.add_module(f"conv{block}_{i}", conv3(previous, width))
        previous = width

  def forward(self, x):
    """conv3_3, conv4_3, conv5_3, pool5."""
    maps = []
    for block, count in enumerate(self.CONVS, 1):
      for i in range(1, count + 1):
        x = F.relu(getattr(self, f"conv{block}_{i}")(x))
      maps.append(x)
      x = F.max_pool2d(x, 3, stride=2, padding=1)
    return maps[2], maps[3], maps[4], x


class Pyramid(nn.Module):

  def __init__(self):
    super().__init__()
    self.vgg16 = Vgg16()


class SceneGuidance(nn.Module):
  """Released model for PASCAL VOC: 1x1 conv on pool5, three times up-sampling,
  conv, activation and sum, up-sampling and conv to the gates."""

  def __init__(self, gates):
    super().__init__()
    self.pyramid = Pyramid()
    self.deepest = nn.Conv2d(512, 512, 1)
    self.decoder3 = conv3(512, 512)
    self.decoder2 = conv3(512, 512)
    self.decoder1 = conv3(512, 256)
    self.output = conv3(256, gates)

  def forward(self, rgb):
    shape, x64 = (1, 3, 1, 1), torch.float64
    mean = torch.tensor((0.485, 0.456, 0.406), dtype=x64).view(shape)
    std = torch.tensor((0.229, 0.224, 0.225), dtype=x64).view(shape)
    conv3_3, conv4_3, conv5_3, pool5 = self.pyramid.vgg16((rgb / 255 - mean) /
                                                          std)
    y = F.relu(self.deepest(pool5))
    y = F.relu(self.decoder3(up(y, conv5_3))) + conv5_3
    y = F.relu(self.decoder2(up(y, conv4_3))) + conv4_3
    y = F.elu(self.decoder1(up(y, conv3_3))) + conv3_3
    return self.output(up(y, size=[s // 2 for s in rgb.shape[2:]]))


def propagate(x, gates):
  """Three-way, gates divided by their sum of magnitudes over what is inside
  the image; the maximum of four directions."""
  n, c, height, width = x.shape
  blocks = gates.view(n, 4, 3, c, height, width)
  results = []
  for direction in range(4):
    # Scan along the first axis below, from 0 on.
    turn = lambda t: t.transpose(-1, -2) if direction < 2 else t
    back = lambda t: t.flip(-2) if direction % 2 else t
    xs = back(turn(x))
    g = back(turn(blocks[:, direction]))
    steps, lanes = xs.shape[-2:]
    rows = [[xs[..., 0, i] for i in range(lanes)]]
    for t in range(1, steps):
      row = []
      for i in range(lanes):
        inside = [k for k in range(3) if 0 <= i + k - 1 < lanes]
        total = sum(g[:, k, :, t, i].abs() for k in inside).clamp_min(1e-6)
        h = xs[..., t, i]
        for k in inside:
          p = g[:, k, :, t, i] / total
          h = h + p * (rows[-1][i + k - 1] - xs[..., t, i])
        row.append(h)
      rows.append(row)
    h = torch.stack([torch.stack(row, -1) for row in rows], -2)
    results.append(turn(back(h)))
  return torch.stack(results).amax(0)


class Refinement(nn.Module):
  UNITS = 2

  def __init__(self, form, kind, classes, channels):
    super().__init__()
    self.form, self.kind = form, kind
    if form == "supplement":
      self.entry = conv3(classes, channels)
    else:
      self.entry = nn.Conv2d(classes, channels, 4, stride=2, padding=1)
    if kind == "convolution":
      self.mix = conv3(channels + 12 * channels, channels)
    inner = channels if form == "supplement" else 64
    if form == "faces":
      self.exit_up = nn.ConvTranspose2d(channels, inner, 4, stride=2, padding=1)
    else:
      self.exit = conv3(channels, inner)
    self.classifier = conv3(inner, classes)

  def forward(self, coarse, gates):
    size = coarse.shape[2:]
    x = self.entry(coarse)
    if self.form == "supplement":
      x = up(x, gates)
    if self.kind == "convolution":
      x = F.relu(self.mix(torch.cat([x, gates], 1)))
    else:
      for _ in range(self.UNITS):
        x = propagate(x, gates)
    x = self.exit_up(x) if self.form == "faces" else self.exit(up(x, size=size))
    return self.classifier(F.relu(x))


def main(path):
  tensors = {}

  def network(name, net, x, kept):
    """Outputs in training and (by the statistics of that) evaluation mode, and
    gradients."""
    net.double().train()
    fill_parameters(net)
    y = net(x)
    tensors[name + ".train"] = sample(y)
    tensors[name + ".sum"] = y.sum((2, 3))
    parameters = dict(net.named_parameters())
    cotangent = filled(y.shape, 1.0, 99)
    gradients = torch.autograd.grad((y * cotangent).sum(),
                                    [parameters[k] for k in kept])
    for key, gradient in zip(kept, gradients):
      tensors[f"{name}.gradient.{key}"] = sample(gradient)
    with torch.no_grad():
      tensors[name + ".eval"] = sample(net.eval()(x))

  x = image(2, 22, 29) / 255  # odd sides, and halves of sides
  network("parser", Parser((3, 4, 5, 6), 7), x,
          ("encoder0.weight", "encoder3.weight", "decoder1.weight"))
  network("face_guidance", FaceGuidance((2, 3, 4, 5, 6), 8), x,
          ("encoder1.weight", "decoder2_norm.weight", "output.weight"))
  network("scene_guidance", SceneGuidance(6), image(1, 32, 64),
          ("deepest.bias", "decoder2.bias", "output.weight"))

  classes, channels, height, width = 3, 2, 8, 12
  coarse = torch.softmax(filled((2, classes, height, width), 2.0, 1), 1)
  gates = filled((2, 12 * channels, height // 2, width // 2), 1.0, 2)
  for form in ("supplement", "faces", "voc"):
    for kind in ("propagation", "convolution"):
      net = Refinement(form, kind, classes, channels).double()
      fill_parameters(net)
      inputs = [coarse.clone().requires_grad_(), gates.clone().requires_grad_()]
      y = net(*inputs)
      name = f"{form}.{kind}"
      tensors[name] = sample(y)
      gradients = torch.autograd.grad(
          (y * filled(y.shape, 1.0, 99)).sum(), inputs + [net.entry.weight])
      for key, gradient in zip(("coarse", "guidance", "entry"), gradients):
        tensors[f"{name}.gradient.{key}"] = sample(gradient)
  write_safetensors(path, tensors)


main(sys.argv[1])
