"""Makes official.safetensors with the format's own library.

Made with Python 3.11, safetensors 0.8.0, numpy 2.4.6:
    python make_safetensors_golden.py
"""
import os

import numpy as np
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    tensors = {
        name: np.arange(6).reshape(2, 3).astype(dtype)
        for name, dtype in (("u8", "u1"), ("i8", "i1"), ("u16", "<u2"),
                            ("i16", "<i2"), ("u32", "<u4"), ("i32", "<i4"),
                            ("u64", "<u8"), ("i64", "<i8"), ("f16", "<f2"),
                            ("f32", "<f4"), ("f64", "<f8"), ("c64", "<c8"))}
    tensors["bool"] = np.arange(6).reshape(2, 3) % 2 == 1
    tensors["empty"] = np.zeros((0, 3), "<f4")
    tensors["scalar"] = np.array(7, "<f4")
    save_file(tensors, os.path.join(HERE, "official.safetensors"),
              metadata={"made_by": "safetensors"})


if __name__ == "__main__":
    main()
