#!/usr/bin/env python3
"""Writes tests/golden/cma.bin: steps of CMA-ES and of CMA-ES with margin by the package cmaes.

Needs: pip install cmaes==0.13.0 numpy. Usage: scripts/gen_golden_cma.py
Little-endian doubles. A case: n, lambda, generations, margin, sigma, mean [n], cells [n] (0: a
continuous coordinate; else cells of equal width in [0, 1]), weights [lambda]; then for each
generation: points [lambda][n] with the best first, and after the update mean [n], sigma, C [n][n],
path_c [n], path_sigma [n], widen [n] (the diagonal of A), exhausted (0 or 1).
"""
import pathlib

import numpy as np
from cmaes import CMA, CMAwM

ROOT = pathlib.Path(__file__).resolve().parent.parent
# dimensions, lambda (0: the default), generations, cells of each coordinate
CASES = [
    (1, 0, 25, [0]),
    (2, 0, 20, [0, 0]),
    (2, 25, 10, [0, 0]),
    (5, 0, 15, [0] * 5),
    (10, 0, 12, [0] * 10),
    (3, 0, 30, [2, 5, 0]),
    (4, 0, 40, [3, 64, 17, 2]),
]


def loss(x):
    n = len(x)
    target = np.linspace(0.1, 0.83, n)
    scales = 10 ** np.linspace(0, 2, n)
    y = (x - target) * scales
    return float(y @ y + (y.sum()) ** 2)


def make(n, size, cells, rng):
    mean = np.full(n, 0.5) + 0.1 * rng.standard_normal(n)
    options = dict(mean=mean.copy(), sigma=1 / 6, seed=3, population_size=size or None)
    if not any(cells):
        return mean, CMA(**options)
    width = np.array([1 / c if c else 0 for c in cells])
    bounds = np.stack([width / 2, 1 - width / 2], axis=1)
    steps = np.array([1 / c if c else -1 for c in cells])
    return mean, CMAwM(bounds=bounds, steps=steps, **options)


def case(n, size, generations, cells, rng):
    mean, cma = make(n, size, cells, rng)
    margin = isinstance(cma, CMAwM)
    core = cma._cma if margin else cma
    parts = [[n, core.population_size, generations, cma.margin if margin else 0, 1 / 6], mean,
             cells, core._weights]
    for _ in range(generations):
        solutions = []
        for _ in range(core.population_size):
            evaluated, x = cma.ask() if margin else (cma.ask(),) * 2
            solutions.append((x.copy(), loss(evaluated)))
        solutions.sort(key=lambda s: s[1])
        parts += [x for x, _ in solutions]
        cma.tell(solutions)
        core._eigen_decomposition()
        widen = cma._A if margin else np.ones(n)
        parts += [core._mean.copy(), [core._sigma], core._C.ravel(), core._pc, core._p_sigma,
                  np.array(widen), [float(cma.should_stop())]]
        core._B = core._D = None
    return np.concatenate([np.asarray(part, dtype="<f8").ravel() for part in parts])


def main():
    rng = np.random.default_rng(1)
    data = np.concatenate([case(*c, rng) for c in CASES])
    data.tofile(ROOT / "tests/golden/cma.bin")


if __name__ == "__main__":
    main()
