#!/usr/bin/env python3
"""tests/golden/scalars.tfevents: a TensorBoard event file as tensorboard 2.x writes it, with every
form of a scalar that rltune reads, and some that it passes by.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install tensorboard
    /tmp/v/bin/python scripts/gen_golden_events.py
"""
import os
import struct

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto import types_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

path = os.path.join(os.path.dirname(__file__), "..", "tests", "golden", "scalars.tfevents")


def scalar(tag, dtype, **fields):
    tensor = TensorProto(dtype=dtype, tensor_shape=TensorShapeProto(), **fields)
    return Summary.Value(tag=tag, tensor=tensor)


with open(path, "wb") as file:
    writer = RecordWriter(file)

    def write(step, *values, wall_time=1.5e9):
        event = Event(wall_time=wall_time + step, step=step, summary=Summary(value=values))
        writer.write(event.SerializeToString())

    writer.write(Event(wall_time=1.5e9, file_version="brain.Event:2").SerializeToString())
    for step in range(5):
        write(step, Summary.Value(tag="loss/train", simple_value=1.0 / (step + 1)),
              Summary.Value(tag="acc", simple_value=0.25 * step))
    write(5, scalar("float", types_pb2.DT_FLOAT, float_val=[0.5]))
    write(6, scalar("content", types_pb2.DT_FLOAT, tensor_content=struct.pack("<f", -2.5)))
    write(7, scalar("double", types_pb2.DT_DOUBLE, double_val=[1e-9]))
    write(8, scalar("double", types_pb2.DT_DOUBLE, tensor_content=struct.pack("<d", 3.0)))
    write(9, scalar("int", types_pb2.DT_INT64, int64_val=[7]))
    write(10, scalar("int", types_pb2.DT_INT32, int_val=[-8]))
    write(11, scalar("vector", types_pb2.DT_FLOAT, float_val=[1.0, 2.0]))
    write(12, scalar("text", types_pb2.DT_STRING, string_val=[b"hello"]))
    write(13, Summary.Value(tag="nan", simple_value=float("nan")))
    write(14, Summary.Value(tag="x" * 200, simple_value=1.0))
    write(1 << 40, Summary.Value(tag="late", simple_value=9.0))
    writer.close()
