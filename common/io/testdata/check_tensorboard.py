"""Reads a folder of event files with TensorBoard and prints what it sees.

    python check_tensorboard.py FOLDER

A check by hand that TensorBoard itself (tested: 2.21.0) reads what EventWriter
writes; to make a folder, run
    bazel run //common/io:tensorboard_demo -- FOLDER
"""
import io
import sys

from PIL import Image
from tensorboard.backend.event_processing import event_accumulator


def main(folder):
    accumulator = event_accumulator.EventAccumulator(
        folder, size_guidance={event_accumulator.IMAGES: 0,
                               event_accumulator.SCALARS: 0,
                               event_accumulator.TENSORS: 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    for tag in tags["scalars"]:
        print("scalar", tag, [(e.step, e.value)
                              for e in accumulator.Scalars(tag)])
    for tag in tags["images"]:
        for e in accumulator.Images(tag):
            image = Image.open(io.BytesIO(e.encoded_image_string))
            image.load()
            print("image", tag, e.step, (e.width, e.height), image.mode,
                  image.size, image.getpixel((1, 0)))
    for tag in tags["tensors"]:
        plugin = accumulator.SummaryMetadata(tag).plugin_data.plugin_name
        for e in accumulator.Tensors(tag):
            print("tensor", tag, plugin, e.step, list(e.tensor_proto.string_val))


if __name__ == "__main__":
    main(sys.argv[1])
