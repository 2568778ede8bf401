"""Makes the pictures in images/ and, beside each, NAME.npy as PIL reads it.

PIL's own rule is the expected result: ImageOps.exif_transpose, then
convert("RGB") for pictures; the stored indices or values for masks (mask_*).
Made with Python 3.11, pillow 13.0.0, numpy 2.4.6:
    python make_image_goldens.py
"""
import io
import os

import numpy as np
from PIL import Image, ImageOps

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")


def smooth(height, width, channels):
    """A picture that JPEG keeps well: ramps and a soft disc, no symmetry."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    disc = 90 * np.exp(-((x - 5) ** 2 + (y - 3) ** 2) / 12)
    planes = [8 * x + 2 * y, 240 - 9 * y, 60 + 5 * x + disc, 200 - 3 * x]
    image = np.stack(planes[:channels], -1).clip(0, 255).astype(np.uint8)
    return image[..., 0] if channels == 1 else image


def save(name, image, **options):
    path = os.path.join(HERE, name)
    image.save(path, **options)
    with Image.open(path) as stored:
        if name.startswith("mask_"):
            expected = np.asarray(stored)
        else:
            expected = np.asarray(
                ImageOps.exif_transpose(stored).convert("RGB"))
    np.save(path + ".npy", np.ascontiguousarray(expected.astype(np.uint8)))


def main():
    os.makedirs(HERE, exist_ok=True)
    rgb = Image.fromarray(smooth(11, 18, 3))
    grey = Image.fromarray(smooth(11, 18, 1))
    save("rgb_444.jpg", rgb, quality=95, subsampling=0)
    save("rgb_422.jpg", rgb, quality=95, subsampling=1)
    save("rgb_420.jpg", rgb, quality=95, subsampling=2)
    save("progressive.jpg", rgb, quality=95, progressive=True)
    save("restart.jpg", rgb, quality=95, restart_marker_blocks=1)
    save("grey.jpg", grey, quality=95)
    save("cmyk.jpg", Image.fromarray(smooth(11, 18, 4), "CMYK"), quality=98)
    small = Image.fromarray(smooth(8, 16, 3))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"orientation_{orientation}.jpg", small, quality=95,
             subsampling=0, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("exif.png", rgb, exif=exif)
    save("rgb.png", rgb)
    save("grey.png", grey)
    save("bits.png", grey.point(lambda v: 255 * (v > 90)).convert("1"))
    rgba = np.dstack([smooth(11, 18, 3), smooth(11, 18, 1)])
    save("rgba.png", Image.fromarray(rgba))
    save("grey_alpha.png", Image.fromarray(
        np.dstack([smooth(11, 18, 1), smooth(11, 18, 4)[..., 3]]), "LA"))
    save("palette.png", rgb.quantize(7))
    transparent = rgb.quantize(7)
    save("palette_transparent.png", transparent, transparency=2)
    labels = (np.add.outer(np.arange(11), np.arange(18)) * 7 % 19)
    for bits in (1, 2, 4, 8):
        mask = Image.fromarray((labels % 2 ** bits).astype(np.uint8), "P")
        mask.putpalette([(37 * i) % 256 for i in range(3 * 2 ** bits)])
        save(f"mask_palette_{bits}.png", mask, bits=bits)
    save("mask_grey.png", Image.fromarray((labels * 12).astype(np.uint8)))
    save("mask_grey_16.png", Image.fromarray((labels * 12).astype(np.uint16)))


if __name__ == "__main__":
    main()
