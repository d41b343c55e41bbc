#!/usr/bin/env python3
"""Writes tests/golden/message.msgpack with the reference codec of Python (pip install msgpack): the
decoder must read it (transport_msg_test), and the fuzz target starts from it."""
import pathlib

import msgpack

message = {
    "v": 1,
    "type": 6,  # metrics
    "epoch": 2**63 + 5,
    "seq": 300,
    "name": "Größe",
    "bytes": bytes(range(40)),
    "values": [1.5, -2, 3, 2**40, float("inf"), -(2**40), 0.1],
    "int": -129,
    "large": 2**64 - 1,
    "flag": True,
    "nothing": None,
    "nested": {"k": [1, {"deep": "x" * 40}]},
}
path = pathlib.Path(__file__).parent.parent / "tests/golden/message.msgpack"
path.write_bytes(msgpack.packb(message, use_bin_type=True))
