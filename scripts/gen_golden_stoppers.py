#!/usr/bin/env python3
"""Writes tests/golden/stopper_*.bin and stopper_models.json: what Optuna's pruners and Ray Tune's
plateau stopper decide, SciPy's signed-rank test, and the model of learning curves in numpy.

Needs: pip install optuna==5.0.0 scipy==1.17.1 "ray[tune]". Usage: scripts/gen_golden_stoppers.py
A record of a .bin is 24 bytes, little-endian: trial i32, step i32, value f64, kind i32, prune i32.
Kinds: 0 a report (prune: the decision), 1 the trial ended complete, 2 the trial ended pruned.
Trials report every 100 steps in a random interleaving and end at 2500.
"""
import json
import math
import pathlib
import random
import struct

import numpy as np
import optuna
import scipy.stats
from optuna.pruners import (HyperbandPruner, MedianPruner, PatientPruner, PercentilePruner,
                            SuccessiveHalvingPruner, ThresholdPruner, WilcoxonPruner)

END = 2500
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"


class Plateau(optuna.pruners.BasePruner):
    """Ray's stopper in the clothes of a pruner."""

    def __init__(self, **options):
        from ray.tune.stopper import TrialPlateauStopper
        self.stopper = TrialPlateauStopper("value", **options)

    def prune(self, study, trial):
        return self.stopper(str(trial.number), {"value": trial.intermediate_values[trial.last_step]})


def whole(draw, trial, step):
    return float(round(draw.gauss(trial.number % 7, 3)))  # ties


def curved(draw, trial, step):  # improves, then flattens, some trials get worse again
    rise = (trial.number % 7 + 1) * (1 - math.exp(-step / 500))
    return rise - (step / 1000 if trial.number % 3 == 0 else 0) + draw.gauss(0, 0.2)


def settling(draw, trial, step):
    return trial.number % 5 + draw.gauss(0, 1) * math.exp(-step / 300)


def rounded(draw, trial, step):  # many equal differences, and zeros
    return float(round(trial.number % 5 / 2 + draw.gauss(0, 1)))


# name: direction, pruner, values, trials
PRUNERS = {
    # rungs at 100, 300, 900
    "asha": ("maximize", SuccessiveHalvingPruner(
        min_resource=100, reduction_factor=3, min_early_stopping_rate=0), whole, 300),
    # rungs at 200, 400, 800, 1600; nobody goes on from a rung before the 4th
    "asha_late": ("minimize", SuccessiveHalvingPruner(
        min_resource=100, reduction_factor=2, min_early_stopping_rate=1, bootstrap_count=3),
        whole, 150),
    # milestones at 200, 500, 800, ...
    "median": ("minimize", MedianPruner(
        n_startup_trials=4, n_warmup_steps=200, interval_steps=300, n_min_trials=4), whole, 300),
    "percentile": ("maximize", PercentilePruner(
        25.0, n_startup_trials=5, n_warmup_steps=200, interval_steps=200, n_min_trials=3),
        whole, 200),
    "percentile_min": ("minimize", PercentilePruner(
        70.0, n_startup_trials=0, n_warmup_steps=100, interval_steps=100, n_min_trials=1),
        curved, 100),
    "threshold": ("minimize", ThresholdPruner(
        lower=-4.0, upper=8.0, n_warmup_steps=300, interval_steps=200), whole, 150),
    "patience": ("maximize", PatientPruner(None, patience=3, min_delta=0.1), curved, 120),
    # wraps a stopper whose milestones are all reports
    "patient_median": ("minimize", PatientPruner(MedianPruner(
        n_startup_trials=2, n_warmup_steps=100, interval_steps=100, n_min_trials=2), patience=1),
        whole, 150),
    "wilcoxon": ("maximize", WilcoxonPruner(p_threshold=0.1, n_startup_steps=3), curved, 100),
    "wilcoxon_ties": ("minimize", WilcoxonPruner(p_threshold=0.2), rounded, 120),
    # brackets from 100, 300 and 900
    "hyperband": ("maximize", HyperbandPruner(
        min_resource=100, max_resource=END, reduction_factor=3), whole, 300),
    "plateau": ("maximize", Plateau(std=0.3, num_results=5, grace_period=7), settling, 100),
    "plateau_min": ("minimize", Plateau(std=0.3, num_results=3, grace_period=2, mode="min",
                                        metric_threshold=2.5), settling, 100),
}


def decisions(name, direction, pruner, values, trials):
    draw = random.Random(11)
    study = optuna.create_study(study_name="golden", direction=direction, pruner=pruner)
    waiting = [study.ask() for _ in range(trials)]
    live = {trial: 0 for trial in waiting[:8]}
    waiting = waiting[8:]
    counts = [0, 0]
    with open(OUT / f"stopper_{name}.bin", "wb") as out:
        while live:
            trial = draw.choice(list(live))
            step = live[trial] = live[trial] + 100
            value = values(draw, trial, step)
            trial.report(value, step)
            prune = bool(trial.should_prune())
            counts[prune] += 1
            out.write(struct.pack("<iidii", trial.number, step, value, 0, prune))
            if prune or step == END:
                state = optuna.trial.TrialState
                study.tell(trial, None if prune else value,
                           state=state.PRUNED if prune else state.COMPLETE)
                out.write(struct.pack("<iidii", trial.number, step, value, 2 if prune else 1, 0))
                del live[trial]
                if waiting:
                    live[waiting.pop(0)] = 0
    print(f"{name}: {counts[0]} go on, {counts[1]} stop")


def brackets():
    cases = []
    for study_name, low, high, factor, count in (
            ("golden", 100, 2500, 3, 150), ("a study", 1, 81, 3, 150), ("x", 10, 5000, 2, 60)):
        pruner = HyperbandPruner(min_resource=low, max_resource=high, reduction_factor=factor)
        study = optuna.create_study(study_name=study_name, pruner=pruner)
        trials = [study.ask() for _ in range(count)]
        trials[0].report(1.0, 1)
        trials[0].should_prune()  # makes the brackets
        cases.append({"name": study_name, "grace": low, "max_steps": high, "reduction": factor,
                      "sizes": pruner._trial_allocation_budgets,
                      "brackets": [pruner._get_bracket_id(study, t) for t in study.trials]})
    return cases


def signed_ranks():
    draw = np.random.default_rng(5)
    cases = []
    for count in [1, 2, 3, 5, 8, 12, 13, 14, 20, 35, 50, 51, 60]:
        for ties in (False, True):
            d = draw.normal(-0.3, 1, count)
            d = np.round(d * 2) / 2 if ties else d
            p = scipy.stats.wilcoxon(d, alternative="less", zero_method="zsplit").pvalue
            if math.isfinite(p):
                cases.append({"d": d.tolist(), "p": float(p)})
    return cases


def student():
    return [{"t": t, "freedom": v, "above": float(scipy.stats.t.sf(t, v))}
            for v in (1, 2.5, 6, 11, 40) for t in (-30, -3, -0.7, 0, 0.2, 1, 2.6, 12, 200)]


POWER, EXPONENTIAL, HILL = [0.25, 0.5, 1, 2], [1, 2.5, 5, 10, 20], [2, 4, 8]
FAMILIES = [
    [lambda t, p=p: -t ** -p for p in POWER] + [np.log],
    [lambda t, k=k: -np.exp(-k * t) for k in EXPONENTIAL],
    [lambda t, h=h, k=k: t ** h / (k ** h + t ** h) for h in HILL
     for k in (0.125, 0.25, 0.5, 0.75, 1)],
    [lambda t: t],
]


def forecast(x, y, end, goal):
    """The formulas of src/tuner/stoppers/extrapolate.c with matrices and scipy's distributions:
    the evidence is the density of a multivariate t."""
    x, y = np.asarray(x), np.asarray(y)
    mean = y.mean()
    unit = max(y.max() - y.min(), abs(goal - mean)) or 1
    z, n = (y - mean) / unit, len(y)
    logs, above, centres = [], [], []
    for family in FAMILIES:
        for f in family:
            first, last = f(x[0] / end), f(1.0)
            design = np.stack([np.ones(n), (f(x / end) - first) / (last - first)], 1)
            v = np.linalg.inv(design.T @ design + np.eye(2) / 400)
            m = v @ design.T @ z
            a, b = 1 + n / 2, 0.0025 + (z @ z - m @ design.T @ z) / 2
            cover = np.eye(n) + 400 * design @ design.T
            logs.append(scipy.stats.multivariate_t.logpdf(
                z, loc=np.zeros(n), shape=cover * 0.0025, df=2) - math.log(len(family)))
            ones = np.ones(2)
            scale = math.sqrt(b / a * (1 + ones @ v @ ones))
            above.append(scipy.stats.t.sf((goal - mean) / unit, 2 * a, loc=m.sum(), scale=scale))
            centres.append(m.sum())
    weights = np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    return float(weights @ above), float(mean + unit * (weights @ centres))


def curves():
    draw = np.random.default_rng(8)
    cases = []
    for shape in range(24):
        n = int(draw.integers(1, 12))
        x = np.sort(draw.choice(np.arange(1, 16), n, replace=False)) * 500.0
        t = x / 10000
        rise = [1 - np.exp(-4 * t), t ** 3 / (0.4 ** 3 + t ** 3), np.zeros(n), t,
                1 - (t + 0.05) ** -0.3 / 3][shape % 5]
        y = 50 * rise * draw.uniform(0.2, 2) + draw.normal(0, [0.01, 1, 5][shape % 3], n)
        goal = float(draw.uniform(-10, 90))
        probability, expected = forecast(x, y, 10000.0, goal)
        cases.append({"x": x.tolist(), "y": y.tolist(), "end": 10000.0, "goal": goal,
                      "probability": probability, "expected": expected})
    cases.append({"x": [1000.0, 2000.0], "y": [3.0, 3.0], "end": 10000.0, "goal": 3.0,
                  **dict(zip(("probability", "expected"),
                             forecast([1000, 2000], [3, 3], 10000.0, 3.0)))})
    return cases


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name, what in PRUNERS.items():
        decisions(name, *what)
    models = {"brackets": brackets(), "signed_ranks": signed_ranks(), "student": student(),
              "curves": curves()}
    (OUT / "stopper_models.json").write_text(json.dumps(models) + "\n")


if __name__ == "__main__":
    main()
