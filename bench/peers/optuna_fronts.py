#!/usr/bin/env python3
"""Optuna's samplers for several objectives on the functions of front_bench, beside ours.

Needs: pip install optuna==5.0.0 scipy torch. Usage: front_bench OURS.csv [SAMPLER...];
optuna_fronts.py OURS.csv [SAMPLER...]. Prints for every function the median hypervolume that is
missing after 50 and 100 trials, ours and Optuna's, and over the seeds that both have, who misses
less how often. Samplers: random, nsga2, tpe, gp. SEEDS=N: so many. OPTUNA_CSV=FILE keeps Optuna's
results there and uses those that it holds already; what Optuna gave where the figures of
docs/results.md were measured is bench/peers/optuna_fronts.csv. A run of its gp takes minutes.
FUNCTIONS=a,b: only these.
"""
import csv
import math
import os
import statistics
import sys
import warnings

import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

SEEDS, MARKS = int(os.environ.get("SEEDS", 3)), (50, 100)


def zdt(front):
    def values(x):
        g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
        return [x[0], g * (1 - front(x[0] / g))], []
    return values


def dtlz2(x):
    g = 1 + sum((v - 0.5) ** 2 for v in x[2:])
    a, b = 0.5 * math.pi * x[0], 0.5 * math.pi * x[1]
    return [g * math.cos(a) * math.cos(b), g * math.cos(a) * math.sin(b), g * math.sin(a)], []


def binh_korn(x):
    a, b = 5 * x[0], 3 * x[1]
    return ([4 * a * a + 4 * b * b, (a - 5) ** 2 + (b - 5) ** 2],
            [(a - 5) ** 2 + b * b - 25, 7.7 - (a - 8) ** 2 - (b + 3) ** 2])


def mixed(p):
    kind = "abcd".index(p["kind"])
    error = ([1, 0.5, 0, 0.8][kind] + (0 if p["flag"] else 0.3)
             + (math.log10(p["lr"]) - [-1, -2, -3.5, -4][kind]) ** 2
             + ((p["n"] - [3, 14, 9, 18][kind]) / 5) ** 2 + 0.2 * (p["y"] - 0.5 * kind) ** 2)
    return [error, p["n"] / 20 + [0, 0.4, 0.2, 0.1][kind]], []


def reals(function, dims):
    names = [f"x{i}" for i in range(dims)]
    return {n: FloatDistribution(0, 1) for n in names}, lambda p: function([p[n] for n in names])


# space and values, then the reference point
FUNCTIONS = {
    "zdt1": (*reals(zdt(math.sqrt), 5), (1.1, 3)),
    "zdt2": (*reals(zdt(lambda v: v * v), 5), (1.1, 3)),
    "dtlz2": (*reals(dtlz2, 6), (1.1, 1.1, 1.1)),
    "binh_korn": (*reals(binh_korn, 2), (140, 50)),
    "mixed": ({"kind": CategoricalDistribution(["a", "b", "c", "d"]),
               "flag": CategoricalDistribution([False, True]), "n": IntDistribution(1, 20),
               "lr": FloatDistribution(1e-6, 1, log=True), "y": FloatDistribution(-5, 5)},
              mixed, (2, 1.2)),
}


def constraints(trial):
    return trial.user_attrs["constraints"]


def sampler_of(name, seed, limits):
    more = {"constraints_func": constraints} if limits else {}
    return {"random": lambda: optuna.samplers.RandomSampler(seed=seed),
            "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, **more),
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, **more),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed, **more)}[name]()


def volume(points, reference):
    if not points:
        return 0.0
    return float(compute_hypervolume(np.array(points, float), np.array(reference, float)))


def run(name, function, seed):
    space, values, reference = FUNCTIONS[function]
    study = optuna.create_study(sampler=sampler_of(name, seed, function == "binh_korn"),
                                directions=["minimize"] * len(reference))
    points, at = [], {}
    for i in range(MARKS[-1]):
        trial = study.ask(space)
        found, limits = values(trial.params)
        trial.set_user_attr("constraints", limits)
        study.tell(trial, found)
        if all(v <= 0 for v in limits) and all(v < r for v, r in zip(found, reference)):
            points.append(found)
        if i + 1 in MARKS:
            at[i + 1] = volume(points, reference)
    return at


def main():
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ours, theirs, most = {}, {}, {}
    for table, path in ((ours, sys.argv[1]), (theirs, os.environ.get("OPTUNA_CSV", ""))):
        if path and os.path.exists(path):
            for function, sampler, seed, mark, value in csv.reader(open(path)):
                if sampler == "most":
                    most[function] = float(value)
                else:
                    table[function, sampler, int(seed), int(mark)] = float(value)
    keep = open(os.environ["OPTUNA_CSV"], "a") if "OPTUNA_CSV" in os.environ else None
    print(f"optuna {optuna.__version__}; median hypervolume missing over {SEEDS} seeds")
    for sampler in sys.argv[2:] or ["random", "nsga2", "tpe"]:
        totals = [0, 0]
        for function in os.environ.get("FUNCTIONS", ",".join(FUNCTIONS)).split(","):
            for seed in range(SEEDS):
                if (function, sampler, seed, MARKS[0]) not in theirs:
                    for mark, value in run(sampler, function, seed).items():
                        theirs[function, sampler, seed, mark] = value
                        if keep:
                            keep.write(f"{function},{sampler},{seed},{mark},{value!r}\n")
                            keep.flush()
            top = most.get(function, 0)
            for mark in MARKS:
                a = [ours.get((function, sampler, s, mark), math.nan) for s in range(SEEDS)]
                b = [theirs[function, sampler, s, mark] for s in range(SEEDS)]
                wins, losses = sum(x > y for x, y in zip(a, b)), sum(x < y for x, y in zip(a, b))
                totals[0] += wins
                totals[1] += losses
                print(f"{function:<10} {sampler:<7} {mark:>4} trials: missing ours "
                      f"{top - statistics.median(a):10.5g}, optuna "
                      f"{top - statistics.median(b):10.5g}; ours better {wins:2}:{losses:2}",
                      flush=True)
        print(f"{sampler}: ours better in {totals[0]} of {sum(totals)} pairs", flush=True)


if __name__ == "__main__":
    main()
