"""Makes events.golden with TensorBoard's own classes: the file that
tensorboard_test.cc must write, byte for byte.

Made with Python 3.11, tensorboard 2.21.0, protobuf 7.36.2:
    python make_tensorboard_golden.py
"""
import os

from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2
from tensorboard.compat.proto import tensor_shape_pb2, types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "events.golden")


def event(wall_time, step, value):
    return event_pb2.Event(wall_time=wall_time, step=step,
                           summary=summary_pb2.Summary(value=[value]))


def main():
    scalar = summary_pb2.Summary.Value
    text = summary_pb2.Summary.Value(
        tag="notes",
        tensor=tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING, string_val=["# é\nline".encode()],
            tensor_shape=tensor_shape_pb2.TensorShapeProto(
                dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])),
        metadata=summary_pb2.SummaryMetadata(
            plugin_data=summary_pb2.SummaryMetadata.PluginData(
                plugin_name="text")))
    events = [
        event_pb2.Event(wall_time=1000.5, file_version="brain.Event:2"),
        event(1001.5, 0, scalar(tag="loss/train", simple_value=0.0)),
        event(1002.5, 300, scalar(tag="loss/train", simple_value=-0.125)),
        event(1003.5, -1, scalar(tag="nan", simple_value=float("nan"))),
        event(1004.5, 1 << 40, text),
    ]
    with open(PATH, "wb") as file:
        writer = RecordWriter(file)
        for item in events:
            writer.write(item.SerializeToString(deterministic=True))
        writer.flush()


if __name__ == "__main__":
    main()
