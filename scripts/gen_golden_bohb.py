#!/usr/bin/env python3
"""Writes tests/golden/bohb.json: kernel densities of BOHB by statsmodels.

Needs: pip install statsmodels numpy. Usage: scripts/gen_golden_bohb.py
A case is a rung: its results (points: numbers in [0, 1], choices by index; losses) and what
HpBandSter's BOHB makes of them (config_generators/bohb.py, new_result): the good and the bad part,
the widths of each density, and both densities at some places. The widths of choices are at most
(levels - 1) / levels, where the kernel is even (statsmodels has no limit). Every choice occurs in
both parts, as statsmodels counts those that occur.
"""
import json
import pathlib

import numpy as np
import statsmodels.api as sm

ROOT = pathlib.Path(__file__).resolve().parent.parent
# levels of each dimension (0: a number), results, top_n_percent, min_points_in_model (0: d + 1)
CASES = [([0], 12, 15, 0), ([0, 0, 0], 40, 15, 0), ([0, 3], 60, 25, 0), ([2, 0, 4, 0], 120, 15, 7),
         ([0, 0], 9, 50, 6)]


def density(data, kinds, levels):
    kde = sm.nonparametric.KDEMultivariate(data=data, var_type=kinds, bw="normal_reference")
    most = np.array([(c - 1) / c if c else np.inf for c in levels])
    kde.bw = np.minimum(np.clip(kde.bw, 1e-3, None), most)
    return kde


def case(levels, count, top, least, rng):
    d = len(levels)
    kinds = "".join("u" if c else "c" for c in levels)
    points = np.stack([rng.integers(0, c, count).astype(float) if c else rng.random(count).round(5)
                       for c in levels], axis=1)
    losses = rng.permutation(count).astype(float)
    least = max(least, d + 1)
    n_good = max(least, top * count // 100)
    n_bad = max(least, (100 - top) * count // 100)
    order = np.argsort(losses)
    good, bad = points[order[:n_good]], points[order[n_good:n_good + n_bad]]
    assert len(bad) > d
    for j, c in enumerate(levels):
        assert not c or len(set(good[:, j])) == len(set(bad[:, j])) == c
    models = [density(part, kinds, levels) for part in (good, bad)]
    places = points[rng.integers(0, count, 12)]
    places[:, [j for j, c in enumerate(levels) if not c]] += 0.05
    return {"levels": levels, "top": top, "least": least, "points": points.tolist(),
            "losses": losses.tolist(), "good": n_good, "bad": len(bad), "places": places.tolist(),
            "widths": [m.bw.tolist() for m in models],
            "densities": [np.atleast_1d(m.pdf(places)).tolist() for m in models]}


def main():
    rng = np.random.default_rng(17)
    cases = [case(*c, rng) for c in CASES]
    text = "[" + ",\n".join(json.dumps(c) for c in cases) + "]\n"
    (ROOT / "tests/golden/bohb.json").write_text(text)


if __name__ == "__main__":
    main()
