"""Makes the files in pth/: torch.save's output in both layouts, and beside
each, NAME.safetensors with what torch.load gives for it, written here by hand.

Made with Python 3.11, torch 2.11.0:
    python make_pth_goldens.py
"""
import collections
import json
import os
import struct
import zipfile

import torch

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pth")

NAMES = {
    torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8",
    torch.uint16: "U16", torch.int16: "I16", torch.uint32: "U32",
    torch.int32: "I32", torch.uint64: "U64", torch.int64: "I64",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
    torch.float8_e8m0fnu: "F8_E8M0", torch.float16: "F16",
    torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64",
    torch.complex64: "C64",
}


def raw_bytes(tensor):
    tensor = tensor.detach().contiguous().clone()
    return bytes(tensor.untyped_storage())[:tensor.numel()
                                           * tensor.element_size()]


def flatten(value, name=""):
    """The rule of pth.h."""
    if isinstance(value, torch.Tensor):
        return {name or "tensor": value}
    items = {}
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, (list, tuple)):
        pairs = enumerate(value)
    else:
        return {}
    for key, item in pairs:
        items.update(flatten(item, f"{name}.{key}" if name else str(key)))
    return items


def write_expected(path, tensors):
    header, data = {}, b""
    for name, tensor in sorted(tensors.items()):
        content = raw_bytes(tensor)
        header[name] = {"dtype": NAMES[tensor.dtype],
                        "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def save(name, value, expected=None, layouts=("zip", "legacy"), **options):
    for layout in layouts:
        is_zip = layout == "zip"
        path = os.path.join(HERE, f"{name}_{layout}.pth")
        torch.save(value, path, _use_new_zipfile_serialization=is_zip,
                   **options)
        # Not weights_only: that refuses protocol 4. The file is our own.
        loaded = torch.load(path, weights_only=False)
        part = loaded if expected is None else expected(loaded)
        write_expected(path + ".safetensors", flatten(part))


def repack(source, target):
    """The archive packed anew, deflated, as a zip program leaves it."""
    with zipfile.ZipFile(os.path.join(HERE, source)) as old, zipfile.ZipFile(
            os.path.join(HERE, target), "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            info = zipfile.ZipInfo(name)  # a date of its own: the same bytes
            new.writestr(info, old.read(name), zipfile.ZIP_DEFLATED)


def main():
    os.makedirs(HERE, exist_ok=True)
    torch.manual_seed(5)
    values = torch.tensor([[1, 2, 0], [4, 1, 2]])
    types = collections.OrderedDict(
        (name, values.to(dtype)) for dtype, name in NAMES.items())
    save("types", types, layouts=["zip"])
    # torch.load itself cannot read untyped storages in the legacy layout.
    for name in ("U16", "U32", "U64", "F8_E4M3", "F8_E5M2", "F8_E8M0"):
        del types[name]
    save("types", types, layouts=["legacy"])
    base = torch.arange(24, dtype=torch.float32).view(4, 6)
    save("views", {
        "base": base, "transposed": base.t(), "row": base[2],
        "corner": base[1:3, 2:5], "steps": base[::2, ::3],
        "scalar": torch.tensor(2.5), "empty": torch.empty(0, 3),
        "one": torch.ones(1, 1).t(), "same": base,
        "expanded_within": torch.arange(6.)[:2].view(2, 1).expand(2, 3),
    })
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, bias=False), torch.nn.BatchNorm2d(3),
        torch.nn.Sequential(torch.nn.Linear(3, 2)))
    save("module", module.state_dict())
    repack("module_zip.pth", "module_repacked.pth")
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    save("checkpoint",
         {"epoch": 3, "best": 0.5, "name": "n", "none": None, "flag": True,
          "large": 2 ** 70, "state_dict": module.state_dict(),
          "optimizer": optimizer.state_dict()},
         expected=lambda loaded: loaded["state_dict"])
    save("nested", {"a": {"b": [torch.ones(2), (torch.zeros(1), 5)]},
                    3: torch.nn.Parameter(torch.ones(2, 2))},
         pickle_protocol=4)
    save("lone", torch.arange(3))


if __name__ == "__main__":
    main()
