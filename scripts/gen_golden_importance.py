#!/usr/bin/env python3
"""Writes tests/golden/importance.json: importances as Optuna gives them, statistics as rliable and
SciPy give them.

Needs: pip install optuna==5.0.0 scikit-learn scipy rliable 'pandas<3'. Usage: scripts/gen_golden_importance.py
"studies": parameters, x [trial][parameter] (choices by index, null where a trial lacks it), values;
"ped": variants of PED-ANOVA, unnormalised; "fanova": mean, lowest, highest and ranking over 20
seeds, unnormalised. "pairs": two samples with IQM, interval, probability of improvement,
Mann-Whitney and Welch. "tasks": the same with several tasks.
"""
import json
import math
import pathlib
import warnings

import numpy as np
import optuna
import scipy.stats
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.importance import get_param_importances
from optuna.trial import create_trial
from rliable import library, metrics

assert optuna.__version__ == "5.0.0"
warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
ROOT = pathlib.Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(7)
SEEDS = 20

X, Y = {"low": -5.0, "high": 10.0}, {"low": 0.0, "high": 15.0}
LR = {"low": 1e-5, "high": 1e-1, "log": True}
STEP = {"low": 0.0, "high": 2.0, "step": 0.25}
EPOCHS = {"low": 1, "high": 10, "step": 1}
UNITS = {"low": 4, "high": 512, "step": 1, "log": True}
MANY = {"low": 0, "high": 1000, "step": 1}
ACT, TWO, ONE = {"choices": 4}, {"choices": 2}, {"choices": 1}


def distribution(p):
    if "choices" in p:
        return CategoricalDistribution([f"c{i}" for i in range(p["choices"])])
    if isinstance(p["low"], int):
        return IntDistribution(p["low"], p["high"], log=p.get("log", False))
    return FloatDistribution(p["low"], p["high"], log=p.get("log", False), step=p.get("step"))


def draw(p):
    if "choices" in p:
        return int(RNG.integers(p["choices"]))
    low, high = p["low"], p["high"]
    if isinstance(low, int):
        if p.get("log"):
            return int(min(high, max(low, round(math.exp(RNG.uniform(math.log(low), math.log(high)))))))
        return int(RNG.integers(low, high + 1))
    if "step" in p:
        return low + p["step"] * int(RNG.integers(0, round((high - low) / p["step"]) + 1))
    return float(math.exp(RNG.uniform(math.log(low), math.log(high))) if p.get("log")
                 else RNG.uniform(low, high))


def study(name, params, function, trials, maximise=False, lacks=None):
    """lacks(values) -> names that this trial does not have."""
    s = optuna.create_study(direction="maximize" if maximise else "minimize")
    rows, results = [], []
    dists = {n: distribution(p) for n, p in params.items()}
    for _ in range(trials):
        v = {n: draw(p) for n, p in params.items()}
        y = float(function(v) + 1e-3 * RNG.normal())
        gone = lacks(v) if lacks else []
        s.add_trial(create_trial(
            value=y, distributions={n: d for n, d in dists.items() if n not in gone},
            params={n: f"c{v[n]}" if "choices" in params[n] else v[n]
                    for n in params if n not in gone}))
        rows.append([None if n in gone else v[n] for n in params])
        results.append(y)
    ped = []
    for options in ({}, {"target_quantile": 0.25}, {"target_quantile": 0.1, "region_quantile": 0.5},
                    {"evaluate_on_local": False}):
        found = get_param_importances(s, evaluator=PedAnovaImportanceEvaluator(**options),
                                      normalize=False)
        ped.append({"target": options.get("target_quantile", 0.1),
                    "region": options.get("region_quantile", 1.0),
                    "global": not options.get("evaluate_on_local", True),
                    "raw": [found[n] for n in params]})
    runs = [get_param_importances(s, evaluator=FanovaImportanceEvaluator(seed=i), normalize=False)
            for i in range(SEEDS)]
    table = [[r.get(n) for n in params] for r in runs]
    columns = list(zip(*table))
    fanova = {"mean": [None if c[0] is None else float(np.mean(c)) for c in columns],
              "low": [None if c[0] is None else float(min(c)) for c in columns],
              "high": [None if c[0] is None else float(max(c)) for c in columns]}
    return {"name": name, "maximise": maximise,
            "params": [dict(p, name=n) for n, p in params.items()],
            "x": rows, "values": results, "ped": ped, "fanova": fanova}


def branin(v):
    a = v["y"] - 5.1 * v["x"] ** 2 / (4 * math.pi ** 2) + 5 * v["x"] / math.pi - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(v["x"]) + 10


STUDIES = [
    study("branin", {"x": X, "y": Y}, branin, 120),
    study("mixed", {"lr": LR, "epochs": EPOCHS, "act": ACT, "units": UNITS, "noise": X},
          lambda v: 40 * v["lr"] + 0.2 * v["epochs"] + [0, 3, 1, 0.5][v["act"]]
          + 0.3 * math.log(v["units"]), 150, maximise=True),
    study("choices", {"a": ACT, "b": TWO, "c": ONE, "s": STEP},
          lambda v: [0, 2, 2, 5][v["a"]] + 3 * v["b"] + 0.2 * v["s"], 80),
    study("conditional", {"opt": TWO, "momentum": Y, "many": MANY},
          lambda v: 5 * v["opt"] + (0.3 * v["momentum"] if v["opt"] == 0 else 0) + v["many"] / 200,
          100, lacks=lambda v: ["momentum"] if v["opt"] == 1 else []),
    study("few", {"x": X, "n": EPOCHS}, lambda v: v["x"] ** 2 + v["n"], 8),
]


def pair(x, y, seed):
    x, y = np.asarray(x, float), np.asarray(y, float)
    x2, y2 = (x[:, None], y[:, None]) if x.ndim == 1 else (x, y)
    _, interval = library.get_interval_estimates(
        {"x": x2}, lambda s: np.array([metrics.aggregate_iqm(s)]), reps=20000)
    _, poi = library.get_interval_estimates(
        {"p": [x2, y2]}, lambda a, b: np.array([metrics.probability_of_improvement(a, b)]),
        reps=5000)
    out = {"x": x.tolist(), "y": y.tolist(),
           "iqm": [float(metrics.aggregate_iqm(x2)), float(metrics.aggregate_iqm(y2))],
           "iqm_x_interval": [float(v) for v in interval["x"].ravel()],
           "improvement": float(metrics.probability_of_improvement(x2, y2)),
           "improvement_interval": [float(v) for v in poi["p"].ravel()]}
    if x.ndim == 1:
        mw = scipy.stats.mannwhitneyu(x, y)
        welch = scipy.stats.ttest_ind(x, y, equal_var=False)
        interval = welch.confidence_interval(0.95)
        out.update(u=float(mw.statistic), mw_p=float(mw.pvalue), t=float(welch.statistic),
                   freedom=float(welch.df), welch_p=float(welch.pvalue),
                   difference_interval=[float(interval.low), float(interval.high)])
    return out


np.random.seed(3)
normal = RNG.normal
PAIRS = [
    pair(normal(0, 1, 5), normal(2, 1, 5), 0),
    pair(normal(0, 1, 3), normal(0, 3, 4), 1),
    pair(normal(5, 1, 10), normal(4.5, 2, 12), 2),
    pair(normal(5, 1, 8), normal(4.5, 2, 30), 3),
    pair(np.round(normal(5, 2, 12)), np.round(normal(6, 2, 15)), 4),
    pair(np.round(normal(5, 2, 6)), np.round(normal(5, 2, 6)), 5),
    pair(normal(0, 1, 200), normal(0.2, 1, 150), 6),
]
TASKS = [pair(normal(0, 1, (5, 4)) + np.arange(4), normal(0.5, 1, (6, 4)) + np.arange(4), 7),
         pair(normal(0, 1, (10, 3)), normal(0, 1, (10, 3)), 8)]
OUT = ROOT / "tests/golden/importance.json"
OUT.write_text(json.dumps({"studies": STUDIES, "pairs": PAIRS, "tasks": TASKS}) + "\n")
print(OUT.stat().st_size)
