#!/usr/bin/env python3
"""Writes tests/golden/nsga.json: what Optuna's NSGA-II and NSGA-III select.

Needs: pip install optuna==5.0.0 numpy. Usage: scripts/gen_golden_nsga.py
"elites": trials as [values to be minimised, constraint or null], how many are selected, and which
(NSGA-II). "points": objectives, divisions and the
reference points of NSGA-III. "niches": losses, divisions, the losses normalised, the nearest point
of each and its distance. "mutations": place, eta, u and the place after polynomial mutation.
"""
import json
import pathlib

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.samplers._nsgaiii import _elite_population_selection_strategy as nsga3
from optuna.samplers.nsgaii._elite_population_selection_strategy import (
    NSGAIIElitePopulationSelectionStrategy)
from optuna.samplers.nsgaii._mutations._polynomial import PolynomialMutation
from optuna.trial import create_trial

assert optuna.__version__ == "5.0.0"
ROOT = pathlib.Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(47)


def elite(count, size, objectives, constrained):
    study = optuna.create_study(directions=["minimize"] * objectives)
    trials, rows = [], []
    for number in range(count):
        values = np.round(RNG.random(objectives), 4).tolist()
        limit = float(RNG.integers(-4, 3)) if constrained else None
        trial = create_trial(values=values, constraints={"c": limit} if constrained else None)
        trial.number = number
        trials.append(trial)
        rows.append([values, limit])
    chosen = NSGAIIElitePopulationSelectionStrategy(population_size=size)(study, trials)
    return {"trials": rows, "size": size, "chosen": sorted(t.number for t in chosen)}


def points(objectives, divisions):
    return {"objectives": objectives, "divisions": divisions,
            "points": nsga3._generate_default_reference_point(objectives, divisions).tolist()}


def niche(count, objectives, divisions, infinite=False):
    losses = np.round(RNG.random((count, objectives)) * np.arange(1, objectives + 1), 4)
    if infinite:
        losses[0, 0], losses[1, 1] = np.inf, -np.inf
    if count == 1:
        losses[:] = 0.5
    rows = [[v if np.isfinite(v) else str(v) for v in row] for row in losses.tolist()]
    trials = [create_trial(values=row.tolist()) for row in losses]
    normal = nsga3._normalize_objective_values(nsga3._filter_inf(trials))
    nearest, distances = nsga3._associate_individuals_with_reference_points(
        normal, nsga3._generate_default_reference_point(objectives, divisions))
    return {"losses": rows, "divisions": divisions, "normal": normal.tolist(),
            "nearest": nearest.tolist(), "distances": distances.tolist()}


class Fixed:
    def __init__(self, u):
        self.u = u

    def rand(self):
        return self.u


def mutation(eta):
    place, u = float(RNG.random()), float(RNG.random())
    moved = PolynomialMutation(eta).mutation(place, Fixed(u), None, np.array([0.0, 1.0]))
    return [place, eta, u, float(moved)]


def main():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    elites = [elite(n, size, m, c) for n, size in ((20, 10), (60, 30), (100, 50))
              for m in (2, 3) for c in (False, True)]
    all_points = [points(m, p) for m, p in ((1, 3), (2, 3), (3, 3), (3, 12), (4, 5), (5, 2))]
    niches = [niche(n, m, 3) for n in (1, 5, 40) for m in (2, 3, 4)] + [niche(20, 3, 4, True)]
    mutations = [mutation(eta) for eta in (0.0, 2.0, 20.0) for _ in range(6)]
    with open(ROOT / "tests/golden/nsga.json", "w") as out:
        json.dump({"elites": elites, "points": all_points, "niches": niches,
                   "mutations": mutations}, out, separators=(",", ":"))
        out.write("\n")


main()
