#!/usr/bin/env python3
"""Checks that the `safetensors` package (PyPI, with numpy) reads what rltune writes.

usage: check_safetensors.py build/tests/checkpoint_test   (the test program writes the file)
       check_safetensors.py FILE.safetensors              (lists the tensors of any checkpoint)
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors import safe_open

from gen_golden_safetensors import METADATA, tensors


def load(path):
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def check_program(program):
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "written.safetensors")
        subprocess.run([program, "write", path], check=True)
        found, metadata = load(path)
    expected = tensors()
    assert metadata == METADATA, metadata
    assert found.keys() == expected.keys(), found.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].shape == array.shape, name
        assert np.array_equal(found[name], array), name
    print(f"{len(expected)} tensors and the metadata agree")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1].endswith(".safetensors"):
        found, metadata = load(sys.argv[1])
        for key, value in (metadata or {}).items():
            print(f"# {key} = {value}")
        for name, array in found.items():
            print(f"{name:32} {array.dtype!s:8} {array.shape}")
    else:
        check_program(sys.argv[1])
