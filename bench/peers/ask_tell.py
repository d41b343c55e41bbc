#!/usr/bin/env python3
"""Ask and tell from Python: rltune's package beside Optuna, a search of three parameters.

Needs: pip install optuna==5.0.0; PYTHONPATH=python, RLTUNE=build/rltune.
Usage: ask_tell.py [TRIALS]. Prints milliseconds a trial (ask, three suggestions, tell) with
RandomSampler and TPESampler, in memory (rltune: a temporary file, durable all the same) and in
SQLite, medians of 5 runs in turn, and the ratio.
"""
import os
import statistics
import sys
import tempfile
import time

import optuna

import rltune


def objective(trial):
    x = trial.suggest_float("x", -10, 10)
    y = trial.suggest_float("y", 1e-5, 1, log=True)
    return (x - 2) ** 2 + y + trial.suggest_int("n", 1, 64)


def ms(module, sampler, trials, in_file):
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/s.db" if in_file else None
        study = module.create_study(storage=storage, pruner=module.pruners.NopPruner(),
                                    sampler=getattr(module.samplers, sampler)(seed=1))
        start = time.perf_counter()
        study.optimize(objective, n_trials=trials)
        took = time.perf_counter() - start
        if module is rltune:
            study.close()
        return 1e3 * took / trials


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rltune.logging.set_verbosity(rltune.logging.ERROR)
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    print(f"optuna {optuna.__version__}, {trials} trials, {os.cpu_count()} cores, "
          f"load {os.getloadavg()[0]:.1f}")
    for sampler in ("RandomSampler", "TPESampler"):
        for in_file in (False, True):
            theirs = min(trials, 200) if in_file else trials
            pairs = [(ms(optuna, sampler, theirs, in_file), ms(rltune, sampler, trials, in_file))
                     for _ in range(5)]
            a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
            ratios = sorted(p[0] / p[1] for p in pairs)
            where = "SQLite" if in_file else "memory"
            print(f"{sampler:<14} {where}: optuna {a:8.3f} ms, rltune {b:6.3f} ms, "
                  f"{statistics.median(ratios):6.1f} times ({ratios[0]:.1f} to {ratios[-1]:.1f})",
                  flush=True)


if __name__ == "__main__":
    main()
