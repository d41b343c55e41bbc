#!/usr/bin/env python3
"""Writes tests/golden/stopper_asha.bin and stopper_median.bin: what Optuna's pruners decide.

Needs: pip install optuna==5.0.0. Usage: scripts/gen_golden_stoppers.py
A record is 24 bytes, little-endian: trial i32, step i32, value f64, kind i32, prune i32.
Kinds: 0 a report (prune: the decision), 1 the trial ended complete, 2 the trial ended pruned.
Trials report every 100 steps in a random interleaving and end at 2500.
"""
import pathlib
import random
import struct

import optuna

TRIALS = 300
END = 2500
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
PRUNERS = {
    # rungs at 100, 300, 900
    "asha": ("maximize", optuna.pruners.SuccessiveHalvingPruner(
        min_resource=100, reduction_factor=3, min_early_stopping_rate=0)),
    # milestones at 200, 500, 800, ...
    "median": ("minimize", optuna.pruners.MedianPruner(
        n_startup_trials=4, n_warmup_steps=200, interval_steps=300, n_min_trials=4)),
}


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name, (direction, pruner) in PRUNERS.items():
        draw = random.Random(11)
        study = optuna.create_study(direction=direction, pruner=pruner)
        waiting = [study.ask() for _ in range(TRIALS)]
        live = {trial: 0 for trial in waiting[:8]}
        waiting = waiting[8:]
        with open(OUT / f"stopper_{name}.bin", "wb") as out:
            while live:
                trial = draw.choice(list(live))
                step = live[trial] = live[trial] + 100
                value = float(round(draw.gauss(trial.number % 7, 3)))  # whole: ties
                trial.report(value, step)
                prune = bool(trial.should_prune())
                out.write(struct.pack("<iidii", trial.number, step, value, 0, prune))
                if prune or step == END:
                    state = optuna.trial.TrialState
                    study.tell(trial, None if prune else value,
                               state=state.PRUNED if prune else state.COMPLETE)
                    out.write(struct.pack("<iidii", trial.number, step, value,
                                          2 if prune else 1, 0))
                    del live[trial]
                    if waiting:
                        live[waiting.pop(0)] = 0


if __name__ == "__main__":
    main()
