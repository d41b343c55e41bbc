#!/usr/bin/env python3
"""Writes tests/golden/checkpoint.safetensors with the `safetensors` package (PyPI, with numpy).

The C test reads it and knows the values: element i of a tensor holds i * 3 - 5 as its type can
(unsigned types: i * 3 + 250 with wrap-around at their size). check_safetensors.py imports this.
"""
import pathlib
import sys

import numpy as np

SHAPES = {
    "f32": (np.float32, (2, 3)),
    "f64": (np.float64, (5,)),
    "i32": (np.int32, (1, 2, 2, 1)),
    "i64": (np.int64, (3, 1)),
    "u64": (np.uint64, (2,)),
    "u8": (np.uint8, (7,)),
    "scalar": (np.float32, ()),
    "empty": (np.float32, (0, 4)),
    "größe/β": (np.uint8, (3,)),
}
METADATA = {"format": "rltune", "note": 'quotes " and \\ and ünïcode', "empty": ""}


def tensors():
    made = {}
    for name, (dtype, shape) in SHAPES.items():
        count = int(np.prod(shape, dtype=np.int64))
        if np.issubdtype(dtype, np.unsignedinteger):
            values = np.array([(i * 3 + 250) % 256**np.dtype(dtype).itemsize for i in range(count)])
        else:
            values = np.arange(count) * 3 - 5
        made[name] = values.astype(dtype).reshape(shape)
    return made


if __name__ == "__main__":
    from safetensors.numpy import save_file

    folder = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
    path = sys.argv[1] if len(sys.argv) > 1 else folder / "checkpoint.safetensors"
    save_file(tensors(), path, METADATA)
