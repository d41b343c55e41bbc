#!/usr/bin/env python3
"""Optuna's samplers on the functions of sampler_bench, beside ours.

Needs: pip install optuna==5.0.0 (and cmaes, scipy, torch for its cmaes and gp).
Usage: sampler_bench OURS.csv [SAMPLER...]; optuna_samplers.py OURS.csv [SAMPLER...]
Prints the median regret over 30 seeds after 50, 100 and 200 trials of both, who wins over how many
pairs of seeds, and the two-sided p of the sign test; then the time of a suggestion with 1,000
finished trials of 10 parameters, in memory. Samplers: random, sobol, tpe (default), gp, cmaes.
SEEDS=N: fewer of them. OPTUNA_CSV=FILE keeps Optuna's results there and uses those that it holds
already; what Optuna gave where the figures of docs/results.md were measured is
bench/peers/optuna_samplers.csv.
"""
import csv
import math
import os
import statistics
import sys
import time
import warnings

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

SEEDS, MARKS = int(os.environ.get("SEEDS", 30)), (50, 100, 200)


def branin(x):
    a, b = 15 * x[0] - 5, 15 * x[1]
    return ((b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6) ** 2
            + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10)


def hartmann(a, p):
    a, p, alpha = np.array(a), 1e-4 * np.array(p), np.array([1, 1.2, 3, 3.2])
    return lambda x: -float(alpha @ np.exp(-(a * (np.array(x) - p) ** 2).sum(axis=1)))


HARTMANN3 = hartmann(
    [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]],
    [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]])
HARTMANN6 = hartmann(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
     [17, 8, 0.05, 10, 0.1, 14]],
    [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
     [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])


def ackley(x):
    n = len(x)
    return (-20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / n))
            - math.exp(sum(math.cos(2 * math.pi * v) for v in x) / n) + 20 + math.e)


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def levy(x):
    w = [1 + (v - 1) / 4 for v in x]
    return (math.sin(math.pi * w[0]) ** 2
            + sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])
            + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2))


def rastrigin(x):
    return 10 * len(x) + sum(v * v - 10 * math.cos(2 * math.pi * v) for v in x)


def mixed(p):
    kind = "abcd".index(p["kind"])
    return ([1, 0.5, 0, 0.8][kind] + (0 if p["flag"] else 0.3)
            + (math.log10(p["lr"]) - [-1, -2, -3.5, -4][kind]) ** 2
            + ((p["n"] - [3, 14, 9, 18][kind]) / 5) ** 2 + 0.2 * (p["y"] - 0.5 * kind) ** 2)


def conditional(trial):
    kind = trial.suggest_categorical("kind", ["sgd", "adam", "forest"])
    if kind == "sgd":
        lr = math.log10(trial.suggest_float("sgd_lr", 1e-5, 1, log=True))
        return 0.2 + 0.3 * (lr + 1.5) ** 2 + (trial.suggest_float("momentum", 0, 0.99) - 0.9) ** 2
    if kind == "adam":
        lr = math.log10(trial.suggest_float("lr", 1e-5, 1, log=True))
        return 0.3 * (lr + 3) ** 2 + 4 * (trial.suggest_float("beta", 0.5, 0.999) - 0.95) ** 2
    depth, trees = trial.suggest_int("depth", 1, 12), trial.suggest_int("trees", 10, 500, log=True)
    return 0.1 + ((depth - 7) / 4) ** 2 + 0.1 * math.log(trees / 120) ** 2


TABLE = [float(line) for line in
         open(os.path.join(os.path.dirname(__file__), "../table/ppo_table.txt"))]
DIGITS = {"clip": 3, "epochs": 5, "gamma": 5, "horizon": 5, "lr": 8}


def ppo_table(p):
    row = ["tanh", "relu"].index(p["activation"])
    for name, count in DIGITS.items():
        row = row * count + p[name]
    return max(TABLE) - TABLE[row]


def reals(function, dims, low, high, optimum):
    names = [f"x{i}" for i in range(dims)]
    space = {n: FloatDistribution(low, high) for n in names}
    return space, lambda p: function([p[n] for n in names]) - optimum


FUNCTIONS = {
    "branin": reals(branin, 2, 0, 1, 0.39788735772973816),
    "hartmann3": reals(HARTMANN3, 3, 0, 1, -3.86278214782076),
    "hartmann6": reals(HARTMANN6, 6, 0, 1, -3.32236801141551),
    "ackley5": reals(ackley, 5, -32.768, 32.768, 0),
    "ackley10": reals(ackley, 10, -32.768, 32.768, 0),
    "rosenbrock5": reals(rosenbrock, 5, -5, 10, 0),
    "levy10": reals(levy, 10, -10, 10, 0),
    "rastrigin10": reals(rastrigin, 10, -5.12, 5.12, 0),
    "mixed": ({"kind": CategoricalDistribution(["a", "b", "c", "d"]),
               "flag": CategoricalDistribution([False, True]), "n": IntDistribution(1, 20),
               "lr": FloatDistribution(1e-6, 1, log=True), "y": FloatDistribution(-5, 5)}, mixed),
    "conditional": (None, conditional),  # asks for its parameters itself
    "ppo_table": ({"activation": CategoricalDistribution(["tanh", "relu"]),
                   **{name: IntDistribution(0, count - 1) for name, count in DIGITS.items()}},
                  ppo_table),
}
SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "sobol": lambda seed: optuna.samplers.QMCSampler(seed=seed, scramble=True),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
}


def run(sampler, function, seed):
    space, regret = FUNCTIONS[function]
    study = optuna.create_study(sampler=SAMPLERS[sampler](seed))
    least, at = math.inf, {}
    for i in range(MARKS[-1]):
        trial = study.ask(space)
        value = regret(trial.params if space is not None else trial)
        study.tell(trial, value)
        least = min(least, value)
        if i + 1 in MARKS:
            at[i + 1] = least
    return at


def sign_p(wins, losses):
    n, k = wins + losses, min(wins, losses)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


def suggestion_ms(sampler, trials=1000, timed=20):
    space, regret = FUNCTIONS["levy10"]
    study = optuna.create_study(sampler=SAMPLERS[sampler](1))
    filler = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    for _ in range(trials):
        params = filler.ask(space).params
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space,
                                                  value=regret(params)))
    times = []
    for _ in range(timed):
        start = time.perf_counter()
        trial = study.ask(space)
        times.append(1e3 * (time.perf_counter() - start))
        study.tell(trial, regret(trial.params))
    return statistics.median(times)


def main():
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ours, theirs = {}, {}
    for table, path in ((ours, sys.argv[1]), (theirs, os.environ.get("OPTUNA_CSV", ""))):
        if path and os.path.exists(path):
            for function, sampler, seed, mark, value in csv.reader(open(path)):
                table[function, sampler, int(seed), int(mark)] = float(value)
    keep = open(os.environ["OPTUNA_CSV"], "a") if "OPTUNA_CSV" in os.environ else None
    names = sys.argv[2:] or ["random", "sobol", "tpe"]
    print(f"optuna {optuna.__version__}; median regret over {SEEDS} seeds")
    for sampler in names:
        totals = [0, 0]
        for function in FUNCTIONS:
            for seed in range(SEEDS):
                if (function, sampler, seed, MARKS[0]) not in theirs:
                    for mark, value in run(sampler, function, seed).items():
                        theirs[function, sampler, seed, mark] = value
                        if keep:
                            keep.write(f"{function},{sampler},{seed},{mark},{value!r}\n")
                            keep.flush()
            for mark in MARKS:
                a = [ours.get((function, sampler, s, mark), math.nan) for s in range(SEEDS)]
                b = [theirs[function, sampler, s, mark] for s in range(SEEDS)]
                wins, losses = sum(x < y for x, y in zip(a, b)), sum(x > y for x, y in zip(a, b))
                totals[0] += wins
                totals[1] += losses
                print(f"{function:<12} {sampler:<7} {mark:>4} trials: ours "
                      f"{statistics.median(a):10.5g}, optuna {statistics.median(b):10.5g}; "
                      f"ours better {wins:2}:{losses:2}, p = {sign_p(wins, losses):.3f}", flush=True)
        print(f"{sampler}: ours better in {totals[0]} of {sum(totals)} pairs; one suggestion with "
              f"1,000 trials of 10 reals: optuna {suggestion_ms(sampler):.3f} ms", flush=True)


if __name__ == "__main__":
    main()
