#!/usr/bin/env python3
"""Writes tests/golden/pareto.json: what Optuna makes of points with several objectives.

Needs: pip install optuna==5.0.0 numpy. Usage: scripts/gen_golden_pareto.py
Values are keys, the larger the better. "sorts": keys [point][objective], perhaps violations, and
the rank of each. "crowding": keys and distances ("inf" for infinite ones). "volumes": keys, a
reference and the hypervolume above it. "subsets": keys, size, the reference that TPE takes, and the
points that the greedy choice takes, in its order.
"""
import json
import math
import pathlib

import numpy as np
import optuna
from optuna._hypervolume.hssp import _solve_hssp
from optuna._hypervolume.wfg import compute_hypervolume
from optuna.samplers._tpe.sampler import _get_reference_point
from optuna.samplers.nsgaii._elite_population_selection_strategy import _calc_crowding_distance
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import create_trial

assert optuna.__version__ == "5.0.0"
ROOT = pathlib.Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(31)


def losses(count, objectives, kind):
    if kind == "grid":  # many are equal
        return RNG.integers(0, 5, (count, objectives)).astype(float)
    x = RNG.random((count, objectives))
    if kind == "sphere":  # nobody dominates anybody
        return np.round(1 - x / np.linalg.norm(x, axis=1, keepdims=True), 4)
    return np.round(x - 0.5, 4)


def sort(count, objectives, kind, constrained):
    x = losses(count, objectives, kind)
    violations = np.maximum(RNG.integers(-3, 4, count), 0).astype(float) if constrained else None
    made = {"keys": (-x).tolist(),
            "ranks": _fast_non_domination_rank(x, penalty=violations).tolist()}
    if constrained:
        made["violations"] = violations.tolist()
    return made


def crowding(count, objectives, infinite=False):
    x = losses(count, objectives, "cube")
    if infinite:
        x[0, 0], x[1, 0], x[2, 1] = math.inf, math.inf, -math.inf
    trials = []
    for number, row in enumerate(x):
        trial = create_trial(values=row.tolist())
        trial.number = number
        trials.append(trial)
    found = _calc_crowding_distance(trials)
    text = {math.inf: "inf", -math.inf: "-inf"}
    return {"keys": [[text.get(-v, -v) for v in row] for row in x.tolist()],
            "distances": [text.get(found[i], found[i]) for i in range(count)]}


def volume(count, objectives, kind):
    x = losses(count, objectives, kind)
    reference = np.full(objectives, 5.0 if kind == "grid" else 1.0)
    return {"keys": (-x).tolist(), "reference": (-reference).tolist(),
            "volume": float(compute_hypervolume(x, reference))}


def subset(count, objectives, size, kind):
    x = losses(10 * count, objectives, kind)  # Optuna's takes points of one front only
    x = x[_fast_non_domination_rank(x) == 0][:count]
    count, size = len(x), min(size, len(x))
    reference = _get_reference_point(x)
    chosen = _solve_hssp(x, np.arange(count), size, reference)
    return {"keys": (-x).tolist(), "size": size, "reference": (-reference).tolist(),
            "chosen": np.asarray(chosen).tolist()}


def main():
    kinds = ("cube", "grid", "sphere")
    sorts = [sort(n, m, kind, constrained) for n in (1, 2, 40, 100) for m in (1, 2, 3, 4)
             for kind in kinds for constrained in (False, True)]
    crowdings = [crowding(n, m) for n in (1, 2, 3, 30) for m in (1, 2, 3, 5)]
    crowdings += [crowding(12, 2, True), crowding(12, 3, True)]
    volumes = [volume(n, m, kind) for n in (1, 2, 3, 20) for m in (1, 2, 3, 4, 5) for kind in kinds
               if m > 1]
    volumes += [volume(n, m, "sphere") for n, m in ((120, 2), (80, 3), (40, 4))]
    subsets = [subset(30, m, size, kind) for m in (2, 3, 4) for size in (1, 5, 29, 30)
               for kind in ("cube", "sphere")]
    with open(ROOT / "tests/golden/pareto.json", "w") as out:
        json.dump({"sorts": sorts, "crowding": crowdings, "volumes": volumes, "subsets": subsets},
                  out, separators=(",", ":"))
        out.write("\n")


main()
