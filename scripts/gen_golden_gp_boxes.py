#!/usr/bin/env python3
"""Writes tests/golden/gp_boxes.json: log expected hypervolume improvement.

Needs: pip install mpmath numpy. Usage: scripts/gen_golden_gp_boxes.py
Cases: a front, a reference, mean and variance of independent normal values (of which the larger is
the better), and the logarithm of the expected growth of the hypervolume. A place a is gained when
it is not dominated and all values are above it, so that the expectation is the integral over such
places of prod Phi((mean - a) / std): a sum over all cells of the grid that the front's values make,
each the product of integrals by mpmath's quadrature to 30 digits. Where it is not too small the
mean over 400,000 draws of the growth itself must agree.
"""
import itertools
import json
import pathlib

import mpmath as mp
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
mp.mp.dps = 30


def integral(mean, std, low, high):
    """of Phi((mean - a) / std) da"""
    def chance(z):
        return mp.erfc(-z / mp.sqrt(2)) / 2
    top, bottom = (mean - low) / std, (mean - high) / std
    # away from the mean Phi falls by e every 1 / |z|
    step = 1 / (1 + max(0, -top))
    steps = [top - k * step for k in (0, 1, 3, 6, 12, 25, 50) if top - k * step > bottom]
    edge = bottom if mp.isfinite(bottom) else min(steps[-1], -12) - 20 * step
    return std * mp.quad(chance, [edge] + [s for s in reversed(steps) if s > edge])


def log_gain(front, reference, mean, std):
    edges = [sorted({mp.mpf(r), *(mp.mpf(v) for v in column if v > r)}) + [mp.inf]
             for r, column in zip(reference, front.T)]
    parts = [[integral(mp.mpf(m), mp.mpf(s), low, high) for low, high in zip(e, e[1:])]
             for m, s, e in zip(mean, std, edges)]
    total = mp.mpf(0)
    for cell in itertools.product(*(range(len(p)) for p in parts)):
        low = [float(edges[k][c]) for k, c in enumerate(cell)]
        if not any(all(v > a for v, a in zip(point, low)) for point in front):
            total += mp.fprod(parts[k][c] for k, c in enumerate(cell))
    return float(mp.log(total))


def drawn(rng, front, reference, mean, std, count=400_000):
    """mean growth and its error: the volume that a draw dominates less what it shares with the
    front, which is the volume of the front cut off at the draw: by inclusion and exclusion."""
    y = np.maximum(rng.normal(mean, std, (count, len(mean))), reference)
    own = np.prod(y - reference, axis=1)
    shared = np.zeros(count)
    for size in range(1, len(front) + 1):
        for some in itertools.combinations(front, size):
            corner = np.minimum(y, np.minimum.reduce(some))
            shared += (-1) ** (size + 1) * np.prod(np.maximum(corner - reference, 0), axis=1)
    growth = own - shared
    return growth.mean(), growth.std() / np.sqrt(count)


def case(rng, objectives, points, mean, std):
    front = np.abs(rng.normal(size=(points, objectives)))
    front = np.round(front / np.linalg.norm(front, axis=1, keepdims=True), 2)
    reference = np.full(objectives, -0.125)
    mean = np.array(mean) * np.ones(objectives) + np.round(rng.normal(size=objectives) * 0.1, 3)
    std = np.array(std) * np.ones(objectives)
    value = log_gain(front, reference, mean, std)
    if value > -12 and points <= 8:
        by_draws, error = drawn(rng, front, reference, mean, std)
        assert abs(np.exp(value) - by_draws) < 5 * error + 1e-12, (value, by_draws, error)
    return {"front": front.tolist(), "reference": reference.tolist(), "mean": mean.tolist(),
            "variance": (std**2).tolist(), "log_gain": value}


def main():
    rng = np.random.default_rng(7)
    cases = []
    for objectives, points in ((2, 1), (2, 6), (2, 12), (3, 1), (3, 6), (4, 4), (5, 2)):
        for mean, std in ((0.6, 0.3), (0.9, 0.01), (0.2, 0.1), (-3, 0.1), (-40, 0.05), (4, 0.2)):
            cases.append(case(rng, objectives, points, mean, std))
    cases.append(case(rng, 3, 8, [0.5, -2, 5], [0.1, 0.3, 2]))
    with open(ROOT / "tests/golden/gp_boxes.json", "w") as out:
        json.dump({"cases": cases}, out)
        out.write("\n")


if __name__ == "__main__":
    main()
