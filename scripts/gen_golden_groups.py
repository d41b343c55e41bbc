#!/usr/bin/env python3
"""Writes tests/golden/tpe_groups.json: how Optuna groups parameters that only some trials have.

Needs: pip install optuna==5.0.0. Usage: scripts/gen_golden_groups.py
A case: masks, one a trial (bit i: the trial has parameter c<i>), and the groups, as masks.
"""
import json
import pathlib
import random

import optuna
from optuna.distributions import FloatDistribution
from optuna.search_space.group_decomposed import _GroupDecomposedSearchSpace
from optuna.trial import create_trial

assert optuna.__version__ == "5.0.0"
ROOT = pathlib.Path(__file__).resolve().parent.parent
BITS = 6


def groups_of(masks):
    study = optuna.create_study()
    for mask in masks:
        names = [f"c{i}" for i in range(BITS) if mask >> i & 1]
        study.add_trial(create_trial(value=1.0, params={n: 0.5 for n in names},
                                     distributions={n: FloatDistribution(0, 1) for n in names}))
    found = _GroupDecomposedSearchSpace(True).calculate(study)
    return sorted(sum(1 << int(name[1:]) for name in space) for space in found.search_spaces if space)


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = random.Random(4)
    shapes = [[0b000111, 0b000001], [0b111000, 0b000111, 0b111111], [0b110011, 0b001100],
              [0b111111], [0b000001, 0b000010, 0b000100, 0b000111]]
    cases = [[rng.choice(shape) for _ in range(12)] + shape for shape in shapes]
    cases += [[rng.randrange(64) for _ in range(n)] for n in (1, 2, 3, 4, 6)]
    text = json.dumps([{"masks": masks, "groups": groups_of(masks)} for masks in cases])
    (ROOT / "tests/golden/tpe_groups.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
