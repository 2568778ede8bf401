"""Writes networks.safetensors, for golden_test: make_golden.py FILE

The generator, the discriminator and the losses in eager PyTorch, double: those
of tools/peers/ganseg_step.py (fact by fact as the paper and the released code
have them), on weights, noise and images that are formulas.

Made with Python 3.11 and torch 2.11.0 on the CPU; no random numbers.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "common/testing"), str(ROOT / "tools/peers")]

import torch  # noqa: E402
import ganseg_step as peer  # noqa: E402
from golden import (fill_parameters, filled, image, sample,  # noqa: E402
                    write_safetensors)

N = 2
BASE = dict(parts=3, points=3, noise=5, mlp=6, embedding=4, position=5,
            spade_hidden=4, adain_hidden=3, divisor=2.0, fixed_sigma=None)
GENERATORS = {
    # Three levels, as in the demo.
    "cone": dict(BASE, sizes=(4, 8, 16), margins=(7, 6, 4), mask=(5, 5),
                 features=(6, 5, 5), cone=True, endpoint=False, head3x3=True),
    # Two blocks a level, a wider second level, and the other options.
    "gaussian": dict(BASE, sizes=(8, 8, 16, 16), margins=(10, 8),
                     mask=(4, 5, 5), features=(5, 6, 6, 4), cone=False,
                     endpoint=True, head3x3=True),
    "fixed": dict(BASE, sizes=(8, 16), margins=(6, 4), mask=(4,),
                  features=(4, 4), cone=False, endpoint=False, head3x3=False,
                  fixed_sigma=0.3),
}
DISCRIMINATOR = dict(channels=(4, 5), fc=6, size=16)
GRADIENTS = {
    "generator": ("part_embedding", "point_mlp.linear2.weight",
                  "mask_block0.modulation_shortcut.hidden.weight",
                  "foreground_block1.modulation1.affine.weight",
                  "background_block0.adain.affine.bias",
                  "mask_embedding.projection.weight"),
    "discriminator": ("block0.side.weight", "block1.conv2.weight",
                      "block0.conv0.bias", "fc0.weight"),
}


def main(path):
  tensors = {}
  for name, options in GENERATORS.items():
    generator = peer.Generator(options).double().train()
    fill_parameters(generator)
    noise = [filled((N, 5), 1.7, 100 + i) for i in range(3)]
    run = lambda: generator(*noise, filled((N, 2), 1, 103))
    out = run()
    for key, value in out.items():
      if key == "points":
        value = value.flatten(1, 2)
      tensors[f"{name}.train.{key}"] = sample(value)
    concentration = peer.concentration(out["masks"], out["centres"])
    # Masks so faint that parts are too small.
    area = peer.area(0.02 * out["masks"], out["points"])
    tensors[f"{name}.concentration"] = concentration
    tensors[f"{name}.area"] = area
    loss = ((out["images"] * filled(out["images"].shape, 1, 99)).sum() +
            concentration + area)
    parameters = dict(generator.named_parameters())
    gradients = torch.autograd.grad(
        loss, [parameters[g] for g in GRADIENTS["generator"]])
    for g, gradient in zip(GRADIENTS["generator"], gradients):
      tensors[f"{name}.gradient.{g}"] = sample(gradient)
    generator.eval()
    with torch.no_grad():
      out = run()
    for key in ("masks", "images"):
      tensors[f"{name}.eval.{key}"] = sample(out[key])

  discriminator = peer.Discriminator(DISCRIMINATOR).double()
  fill_parameters(discriminator)
  images = (image(N, 16, 16) / 127.5 - 1).requires_grad_(True)
  scores = discriminator(images)
  fake = discriminator(images.detach().flip(2))
  tensors["discriminator.scores"] = scores
  tensors["discriminator.loss"] = peer.discriminator_loss(scores, fake)
  tensors["discriminator.generator_loss"] = torch.nn.functional.softplus(
      -fake).mean()
  penalty = peer.gradient_penalty(scores, images, 1)
  tensors["discriminator.penalty"] = penalty
  tensors["discriminator.penalty_r1"] = peer.gradient_penalty(scores, images, 0)
  loss = tensors["discriminator.loss"] + 10 * penalty
  parameters = dict(discriminator.named_parameters())
  gradients = torch.autograd.grad(
      loss, [parameters[g] for g in GRADIENTS["discriminator"]])
  for g, gradient in zip(GRADIENTS["discriminator"], gradients):
    tensors[f"discriminator.gradient.{g}"] = sample(gradient)
  write_safetensors(path, tensors)


main(sys.argv[1])
