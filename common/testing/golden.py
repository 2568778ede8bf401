"""What the scripts that make golden files share; golden.h has the same in C++.

No random numbers: images and weights are formulas.
"""

import json
import math
import struct

import torch

SAMPLES = 48  # values kept of a tensor by sample


def image(n, height, width):
  """[n,3,height,width] double in 0..255: a few plane waves."""
  i, c, y, x = torch.meshgrid(
      *(torch.arange(s).double() for s in (n, 3, height, width)), indexing="ij")
  wave = (torch.sin(0.11 * y * (c + 1) + 0.9 * i) +
          torch.cos(0.07 * x * (c + 2) - 0.05 * y))
  return 127.5 + 63.0 * wave


def fill(tensor, scale, seed):
  """tensor[k] = scale u_k, u_k in [-1,1) an integer hash of (k, seed)."""
  mask = 0xffffffff
  h = (torch.arange(tensor.numel()) * 2654435761 + seed * 40503) & mask
  h = h ^ (h >> 15)
  h = (h * 2246822519) & mask
  h = h ^ (h >> 13)
  with torch.no_grad():
    u = h.double() / 2.0**31 - 1
    tensor.copy_((scale * u).view_as(tensor))


def filled(sizes, scale, seed):
  tensor = torch.empty(sizes, dtype=torch.float64)
  fill(tensor, scale, seed)
  return tensor


def fill_parameters(module):
  """Each parameter by its place in the order of names; weights keep the scale
  of what they multiply (variance 2 / fan-in)."""
  for seed, (_, value) in enumerate(sorted(module.named_parameters())):
    fan_in = value.numel() // value.shape[0]
    fill(value, math.sqrt(6 / fan_in) if value.dim() > 1 else 0.3, seed)


def sample(tensor):
  """SAMPLES evenly spaced values in logical (NCHW) order."""
  flat = tensor.detach().contiguous().reshape(-1)
  return flat[torch.arange(SAMPLES) * (flat.numel() - 1) // (SAMPLES - 1)]


def write_safetensors(path, tensors):
  """Written as doubles."""
  header, blobs, offset = {}, [], 0
  for name in sorted(tensors):
    value = tensors[name].detach().double().contiguous()
    data = value.numpy().tobytes()
    header[name] = {
        "dtype": "F64",
        "shape": list(value.shape),
        "data_offsets": [offset, offset + len(data)],
    }
    blobs.append(data)
    offset += len(data)
  text = json.dumps(header, separators=(",", ":")).encode()
  text += b" " * (-len(text) % 8)
  with open(path, "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
