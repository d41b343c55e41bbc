#!/usr/bin/env python3
"""Writes tests/golden/halton.bin.

Needs: pip install scipy==1.17.1 numpy. Usage: scripts/gen_golden_halton.py
The first 32 points of scipy.stats.qmc.Halton(100, scramble=False) as little-endian doubles, point
after point.
"""
import pathlib

from scipy.stats import qmc

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    points = qmc.Halton(100, scramble=False).random(32)
    points.astype("<f8").tofile(ROOT / "tests/golden/halton.bin")


if __name__ == "__main__":
    main()
