#!/usr/bin/env python3
"""Checks that Optuna reads what `rltune export --format optuna` writes, and goes on with it.

needs: optuna 5.0.0 (PyPI). usage: check_optuna.py build/rltune

1. Studies that Optuna made (tests/golden/optuna.sql) are imported and exported again: parameters,
   distributions, values, intermediate values, constraints and attributes must be the same, bit for
   bit.
2. An experiment that rltune ran is exported: Optuna's trials against `rltune export --format json`;
   then Optuna's TPESampler adds five trials, and rltune imports the result.
"""
import json
import math
import pathlib
import sqlite3
import struct
import subprocess
import sys
import tempfile
import warnings

import optuna

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = r"""return {
  name = "own",
  objective = {
    "command",
    argv = { "awk", [[BEGIN { x = {x}; n = {n}; for (i = 1; i <= 5; i++) printf("{{\"step\": %d, \"loss\": %.17g, \"size\": %.17g}\n", i, (x - 0.3) ^ 2 + n / 7 / i, n - 20) }]] },
  },
  params = {
    x = space.loguniform(1e-3, 1), n = space.randint(1, 30),
    kind = space.choice{ "a", "b" }, q = space.quniform(0.1, 0.75, 0.1),
  },
  tune = { metric = "loss", mode = "min", trials = 12, parallel = 2, sampler = "random",
           constraints = { "size" } },
}
"""


def bits(x):
    return struct.pack("<d", x) if isinstance(x, float) else x


def exactly(value):
    """A value that is equal only to the same bits and the same type."""
    if isinstance(value, dict):
        return {key: exactly(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [exactly(inner) for inner in value]
    return (type(value).__name__, bits(value))


def load(path, name=None):
    return optuna.load_study(storage=f"sqlite:///{path}", study_name=name)


def constraints_of(trial):
    return list(trial.constraints.values())


def check_golden(rltune, folder):
    original = f"{folder}/original.db"
    with sqlite3.connect(original) as db:
        db.executescript((ROOT / "tests/golden/optuna.sql").read_text())
    compared = 0
    for name in optuna.get_all_study_names(f"sqlite:///{original}"):
        exported = f"{folder}/{name}.db"
        rltune("import", "optuna", original, "--study", name)
        rltune("export", "last", "--format", "optuna", "--out", exported)
        before, after = load(original, name), load(exported)
        assert after.study_name == name and before.directions == after.directions
        assert before.user_attrs.items() <= after.user_attrs.items()
        for a, b in zip(before.get_trials(), after.get_trials(), strict=True):
            state = {"RUNNING": "FAIL"}.get(a.state.name, a.state.name)
            assert b.state.name == state, (name, a.number, b.state)
            for what in ("number", "distributions", "datetime_start", "datetime_complete"):
                if state == a.state.name:
                    assert getattr(a, what) == getattr(b, what), (name, a.number, what)
            for what in ("params", "values", "intermediate_values"):
                one, other = exactly(getattr(a, what)), exactly(getattr(b, what))
                assert one == other, (name, a.number, what, one, other)
            assert exactly(constraints_of(a)) == exactly(constraints_of(b))
            assert a.user_attrs.items() <= b.user_attrs.items()
            compared += 1
    print(f"{compared} trials of Optuna's come back bit for bit")


def check_own(rltune, folder):
    script, exported = pathlib.Path(folder) / "own.lua", f"{folder}/own.db"
    script.write_text(SCRIPT)
    rltune("run", str(script), "--quiet")
    rltune("export", "last", "--format", "optuna", "--out", exported)
    rows = [row for row in json.loads(rltune("export", "last", "--format", "json"))]
    study = load(exported)
    trials = study.get_trials()
    assert len(trials) == len(rows) == 12
    for trial, row in zip(trials, rows):
        params = {key.removeprefix("params."): value for key, value in row["params"].items()}
        assert exactly(trial.params) == exactly({k: params[k] for k in trial.params})
        assert trial.params.keys() == params.keys()
        assert bits(trial.value) == bits(row["value"])
        assert len(trial.intermediate_values) == 5
        assert constraints_of(trial) == [params["n"] - 20.0]
    study.sampler = optuna.samplers.TPESampler(seed=1, n_startup_trials=5)

    def objective(trial):
        x = trial.suggest_float("x", 1e-3, 1, log=True)
        n = trial.suggest_int("n", 1, 30)
        trial.suggest_categorical("kind", ["a", "b"])
        q = trial.suggest_float("q", 0.1, 0.7, step=0.1)
        return (x - 0.3) ** 2 + n / 35 + q

    study.optimize(objective, n_trials=5)
    assert len(study.trials) == 17 and math.isfinite(study.best_value)
    rltune("import", "optuna", exported)
    rows = json.loads(rltune("export", "last", "--format", "json"))
    for trial, row in zip(study.get_trials(), rows, strict=True):
        assert bits(trial.value) == bits(row["value"])
        assert exactly(trial.params) == exactly(
            {key: row["params"][f"params.{key}"] for key in trial.params})
    print("12 trials of rltune's are Optuna's, 5 more of its TPESampler come back")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        def rltune(*words):
            return subprocess.run([binary, *words, "--db", f"{folder}/rltune.db"], check=True,
                                  stdout=subprocess.PIPE, cwd=folder).stdout
        check_golden(rltune, folder)
        check_own(rltune, folder)


if __name__ == "__main__":
    main()
