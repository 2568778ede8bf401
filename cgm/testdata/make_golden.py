"""Writes networks.safetensors, for golden_test: make_golden.py FILE

The networks and objectives of the five models in eager PyTorch, double: those
of tools/peers/cgm_step.py (tables S1 to S3 layer by layer: convolution, ReLU,
pooling or zero insertion), on weights, images and labels that are formulas.

Made with Python 3.11 and torch 2.11.0 on the CPU; noise from seed 17.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "common/testing"), str(ROOT / "tools/peers")]

import torch  # noqa: E402
from cgm_step import Model  # noqa: E402
from golden import fill_parameters, image, write_safetensors  # noqa: E402

N, CLASSES, H, W = 2, 3, 16, 32
WIDTH, LATENT = 1 / 32, 2
SEED = 17
GRADIENTS = {
    "cnn": ("cnn.conv1.bias", "cnn.conv5.weight", "cnn.head_quarter.weight"),
    "gdnn": ("cnn.conv7.weight", "prior.conv3.weight", "generator.conv2.weight"),
    "gsnn": ("cnn.noise4.log_variance.weight", "prior.latent.mean.weight",
             "generator.conv4.weight"),
    "cvae": ("cnn.conv2.weight", "prior.latent.log_variance.weight",
             "recognition.conv3.weight"),
    "hybrid": ("cnn.head_half.weight", "recognition.latent.log_variance.weight",
               "generator.conv1.weight"),
}


def labels():
  """[N,H,W] in 0..CLASSES-1, and -1 (void) in a corner and a scatter."""
  y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
  masks = torch.stack([(x // 5 + y // 3 + n * (x + y) // 7) % CLASSES
                       for n in range(N)])
  masks[0, :6, :7] = -1
  masks[1, 3::5, 2::7] = -1
  return masks


def main(path):
  x = image(N, H, W) / 255
  target = torch.stack([labels() == c for c in range(CLASSES)], 1).double()
  tensors = {}
  for kind, names in GRADIENTS.items():
    model = Model(kind, WIDTH, CLASSES, LATENT).double().train()
    fill_parameters(model)
    model.to(memory_format=torch.channels_last)
    run = lambda f, *args: (torch.manual_seed(SEED), f(*args))[1]
    loss = run(model.loss, x.to(memory_format=torch.channels_last), target)
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, [parameters[n] for n in names])
    tensors[kind + ".loss"] = loss
    for name, gradient in zip(names, gradients):
      tensors[f"{kind}.gradient.{name}"] = gradient
    if kind not in ("cnn", "hybrid"):
      continue
    # One image is enough for maps.
    full, half, quarter = run(model.cnn, x)
    for name, scores in (("full", full), ("half", half), ("quarter", quarter)):
      tensors[f"{kind}.{name}"] = scores[1]
    if kind == "hybrid":
      p = model.prior(x, torch.softmax(2 * full, 1))
      q = model.recognition(x, target)
      for name, gaussian in (("prior", p), ("recognition", q)):
        tensors[f"{name}.mean"], tensors[f"{name}.log_variance"] = gaussian
      tensors["generator"] = model.generator(p[0])[1]
  write_safetensors(path, tensors)


main(sys.argv[1])
