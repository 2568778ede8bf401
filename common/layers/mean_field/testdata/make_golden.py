"""Writes pydensecrf.safetensors: mean field by pydensecrf2, for mean_field_test.

Made with Python 3.11, numpy 2.4.6 and pydensecrf2 1.1 (built with cython < 3
and setuptools < 70, without build isolation); seed 0.
"""

import json
import struct
import sys

import numpy as np
import pydensecrf.densecrf as dcrf

H, W, L = 30, 40, 3


def write_safetensors(path, tensors):
    names = {np.dtype("float32"): "F32", np.dtype("uint8"): "U8"}
    header, offset = {}, 0
    for name, x in tensors.items():
        header[name] = {
            "dtype": names[x.dtype],
            "shape": list(x.shape),
            "data_offsets": [offset, offset + x.nbytes],
        }
        offset += x.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for x in tensors.values():
            f.write(np.ascontiguousarray(x).tobytes())


def main(path):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:H, :W]
    label = (np.hypot(x - 14, y - 14) < 9) * 1 + (x > 26) * 2
    label = np.minimum(label, 2)
    colour = np.array([[60, 110, 50], [200, 90, 70], [90, 120, 210]])[label]
    colour = colour + 0.8 * x[..., None] + rng.normal(0, 9, (H, W, 3))
    image = np.clip(colour, 0, 255).astype(np.uint8)
    unary = rng.uniform(0.2, 2.2, (L, H, W)).astype(np.float32)
    unary[label, y, x] -= 0.6
    tensors = {"image": image.transpose(2, 0, 1), "unary": unary}
    for name, theta_pos, theta_col in [("a", 80, 13), ("b", 160, 3)]:
        crf = dcrf.DenseCRF2D(W, H, L)
        crf.setUnaryEnergy(np.ascontiguousarray(unary.reshape(L, -1)))
        crf.addPairwiseGaussian(sxy=3, compat=3)
        crf.addPairwiseBilateral(
            sxy=theta_pos, srgb=theta_col, rgbim=image, compat=10
        )
        q = np.array(crf.inference(5), dtype=np.float32)
        tensors["q_" + name] = q.reshape(L, H, W)
    write_safetensors(path, tensors)


main(sys.argv[1])
