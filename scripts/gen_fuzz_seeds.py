#!/usr/bin/env python3
"""Writes the seeds of msg_fuzz and checkpoint_fuzz under tests/fuzz/corpus/.

Needs: pip install msgpack. The format of checkpoints is that of safetensors.
"""
import json
import pathlib
import struct

import msgpack

CORPUS = pathlib.Path(__file__).parent.parent / "tests/fuzz/corpus"


def message(file, **fields):
    (CORPUS / "msg" / f"{file}.msgpack").write_bytes(msgpack.packb({"v": 1, **fields}))


def checkpoint(file, header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = CORPUS / "checkpoint" / f"{file}.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


message("metrics", type=6, epoch=3, seq=9, step=10240, names="mean_return,lr",
        values=[12.5, 1e-3], value=12.5, milestone=0)
message("task", type=2, epoch=1, seq=0, config="{}", script="return {}", name="fuzz",
        bytes=b"\x00\xff" * 4, int=-5)
message("nested", type=11, epoch=1, seq=2**63, values=[[1.0, [2]], {"a": [None, True]}], name="")
message("long_key", type=14, epoch=0, seq=1, name="x" * 33, **{"k" * 33: 1})

checkpoint("metadata", {"__metadata__": {"format": "rltune-1", "steps": "10"},
                        "a": tensor("F32", [2, 2], 0, 16), "b": tensor("I64", [], 16, 24)},
           bytes(24))
checkpoint("empty", {"x": tensor("U8", [0], 0, 0)}, b"")
checkpoint("overlap", {"x": tensor("BF16", [3], 0, 6), "y": tensor("F64", [1], 4, 12)}, bytes(12))
