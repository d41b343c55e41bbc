#!/usr/bin/env python3
"""Writes tests/golden/cma_warm.json: where CMA-ES starts from earlier results, by the package cmaes.

Needs: pip install cmaes==0.13.0 numpy. Usage: scripts/gen_golden_warm.py
A case: points in [0, 1]^n and their values (the less the better), and what get_warm_start_mgd
makes of them with its defaults: mean, sigma, C.
"""
import json
import pathlib

import numpy as np
from cmaes import get_warm_start_mgd

ROOT = pathlib.Path(__file__).resolve().parent.parent
CASES = [(1, 10), (2, 19), (3, 40), (5, 137), (8, 60)]  # n, earlier results


def case(n, count, rng):
    points = rng.random((count, n)).round(6)
    scales = np.linspace(1, 3, n)
    values = (((points - 0.3) * scales) ** 2).sum(axis=1) + 0.2 * points.prod(axis=1)
    values = values.round(9)
    mean, sigma, cov = get_warm_start_mgd(list(zip(points, values)))
    return {"points": points.tolist(), "values": values.tolist(), "mean": mean.tolist(),
            "sigma": sigma, "cov": cov.tolist()}


def main():
    rng = np.random.default_rng(5)
    cases = [case(n, count, rng) for n, count in CASES]
    text = "[" + ",\n".join(json.dumps(c) for c in cases) + "]\n"
    (ROOT / "tests/golden/cma_warm.json").write_text(text)


if __name__ == "__main__":
    main()
