#!/usr/bin/env python3
"""Writes tests/golden/tpe.json: what Optuna's Parzen estimators and its split of trials give.

Needs: pip install optuna==5.0.0 numpy. Usage: scripts/gen_golden_tpe.py
"estimators": parameters, options, observations [point][parameter] (choices by index), and of the
estimator made of them: normalised weights (the prior's last), mus and sigmas of each numeric
parameter, and log_pdf at points. "splits": trials as [value or null, state, last step], all
maximised, and which of them make the density of good trials. "fronts": the same with several
values, all maximised, and perhaps a constraint.
"""
import json
import pathlib

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe import sampler as tpe
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.trial import TrialState, create_trial

assert optuna.__version__ == "5.0.0"
ROOT = pathlib.Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(20)

UNIFORM = {"$space": "uniform", "low": -5, "high": 10}
LOG = {"$space": "loguniform", "low": 1e-5, "high": 1}
INT = {"$space": "randint", "low": -3, "high": 6}
MANY = {"$space": "randint", "low": 0, "high": 999}
WIDE = {"$space": "randint", "low": 0, "high": 100000}
LOGINT = {"$space": "lograndint", "low": 1, "high": 512}
STEP = {"$space": "quniform", "low": 0.25, "high": 2, "step": 0.125}
CHOICE = {"$space": "choice", "values": ["a", "b", "c", "d"]}


def distribution(space):
    kind = space["$space"]
    if kind == "choice":
        return CategoricalDistribution(space["values"])
    low, high = space["low"], space["high"]
    if kind in ("randint", "lograndint"):
        return IntDistribution(low, high, log=kind == "lograndint")
    return FloatDistribution(low, high, log=kind == "loguniform", step=space.get("step"))


def draw(space, count, distinct):
    """count values: where `distinct`, no two are equal (the order of equal ones is not defined)."""
    d = distribution(space)
    if isinstance(d, CategoricalDistribution):
        return RNG.integers(0, len(d.choices), count).astype(float)
    if isinstance(d, FloatDistribution) and d.step is None:
        low, high = (np.log(d.low), np.log(d.high)) if d.log else (d.low, d.high)
        middle = 0.5 * (low + high)  # half of them in a cluster
        x = np.where(RNG.random(count) < 0.5, RNG.uniform(low, high, count),
                     RNG.normal(middle, 0.05 * (high - low), count))
        x = np.clip(x, low, high)
        return np.exp(x) if d.log else x
    cells = int(round((d.high - d.low) / d.step)) + 1
    n = RNG.choice(cells, count, replace=False) if distinct else RNG.integers(0, cells, count)
    return d.low + n * float(d.step)


def estimator(spaces, count, distinct=True, magic_clip=True, endpoints=False, prior_weight=1.0):
    names = [f"p{i}" for i in range(len(spaces))]
    space = {n: distribution(s) for n, s in zip(names, spaces)}
    points = {n: draw(s, count, distinct) for n, s in zip(names, spaces)}
    made = _ParzenEstimator(points, space, _ParzenEstimatorParameters(
        prior_weight, magic_clip, endpoints, tpe.default_weights, True))
    grid = {n: draw(s, 24, False) for n, s in zip(names, spaces)}
    mixture = made._mixture_distribution
    numeric = [d for d in mixture.distributions if hasattr(d, "mu")]
    return {
        "spaces": spaces, "magic_clip": magic_clip, "endpoints": endpoints,
        "prior_weight": prior_weight,
        "observations": np.array([points[n] for n in names]).T.tolist(),
        "weights": mixture.weights.tolist(),
        "mus": [d.mu.tolist() for d in numeric], "sigmas": [d.sigma.tolist() for d in numeric],
        "points": np.array([grid[n] for n in names]).T.tolist(),
        "log_pdf": made.log_pdf(grid).tolist(),
    }


def split(count):
    study = optuna.create_study(direction="maximize")
    trials, rows = [], []
    for number in range(count):
        state = RNG.choice(["completed", "completed", "stopped", "running"])
        value = float(RNG.integers(0, 12))  # many are equal
        step = int(RNG.integers(1, 4))
        if state == "stopped" and RNG.random() < 0.2:
            value = None
        trial = create_trial(
            state={"completed": TrialState.COMPLETE, "stopped": TrialState.PRUNED,
                   "running": TrialState.RUNNING}[state],
            value=value if state == "completed" else None,
            intermediate_values={} if state == "running" else
            {step: float("nan") if value is None else value})
        trial.number = number
        trials.append(trial)
        rows.append([value, state, step])
    finished = sum(t.state != TrialState.RUNNING for t in trials)
    below, _ = tpe._split_trials(study, trials, tpe.default_gamma(finished))
    return {"trials": rows, "below": [t.number for t in below]}


def front(count, objectives, constrained):
    study = optuna.create_study(directions=["maximize"] * objectives)
    trials, rows = [], []
    for number in range(count):
        values = np.round(RNG.random(objectives), 3 if number % 3 else 1)
        limit = float(RNG.integers(-6, 4)) if constrained else None
        trial = create_trial(values=values.tolist(),
                             constraints={"c": limit} if constrained else None)
        trial.number = number
        trials.append(trial)
        rows.append([values.tolist(), limit])
    below, _ = tpe._split_trials(study, trials, tpe.default_gamma_multiobjective(count))
    return {"trials": rows, "below": [t.number for t in below]}


def main():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    estimators = [estimator([s], n) for s in (UNIFORM, LOG) for n in (0, 1, 2, 3, 9, 26, 60)]
    estimators += [estimator([UNIFORM], 130)]
    estimators += [estimator([s], n) for s in (MANY, LOGINT) for n in (1, 7, 40)]
    estimators += [estimator([WIDE], 20)]
    estimators += [estimator([s], 12, distinct=False) for s in (INT, STEP)]
    estimators += [estimator([CHOICE], n) for n in (0, 1, 30)]
    mixed = [UNIFORM, LOG, MANY, LOGINT, CHOICE, UNIFORM]
    estimators += [estimator(mixed, n) for n in (1, 10, 50)]
    estimators += [estimator(mixed, 20, endpoints=True), estimator(mixed, 20, magic_clip=False),
                   estimator(mixed, 20, prior_weight=3.5)]
    splits = [split(n) for n in (1, 2, 5, 20, 60, 400)]
    fronts = [front(n, m, c) for n in (1, 8, 30, 120) for m in (2, 3, 4) for c in (False, True)]
    with open(ROOT / "tests/golden/tpe.json", "w") as out:
        json.dump({"estimators": estimators, "splits": splits, "fronts": fronts}, out, separators=(",", ":"))
        out.write("\n")


if __name__ == "__main__":
    main()
