#!/usr/bin/env python3
"""Writes tests/golden/optuna.sql, studies as Optuna keeps them (a text dump of its SQLite file),
tests/golden/optuna_old.sql, one as Optuna 2.10 kept it, and tests/golden/optuna.json, what Optuna
itself reads in them.

needs: optuna 5.0.0 (PyPI). usage: gen_golden_optuna.py
"""
import json
import math
import pathlib
import sqlite3
import tempfile
import warnings

import optuna

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"


def constrained(trial):
    x = trial.suggest_float("x", 0, 1)
    kind = trial.suggest_categorical("kind", [None, True, 1, 1.5, "a"])
    n = trial.suggest_int("n", 1, 9, log=True)
    trial.set_user_attr("note", {"text": 'a "quoted" word', "list": [1, 2]})
    trial.set_constraint("memory", x - 0.2)
    return x, math.inf if trial.number == 2 else n + 0.1


def pruned(trial):
    x = trial.suggest_float("model.lr", 1e-5, 1, log=True)
    q = trial.suggest_float("q", 0.1, 0.75, step=0.1)
    k = trial.suggest_int("k", 0, 8, step=2)
    if k > 2:
        trial.suggest_int("k width", 3, 30)
    for step in range(0, 30, 10):
        trial.report(math.nan if step == 10 else x * (step + 1) / 3, step)
    if trial.number == 3:
        raise ValueError("boom")
    if trial.number == 2:
        raise optuna.TrialPruned()
    if trial.number == 4:
        trial.report(-math.inf, 40)
    return x + q


def build(url):
    study = optuna.create_study(
        storage=url, study_name="several", directions=["minimize", "maximize"],
        sampler=optuna.samplers.NSGAIISampler(
            seed=1, constraints_func=lambda trial: (trial.params["x"] - 0.5, -0.25)))
    study.optimize(constrained, n_trials=6)
    study.enqueue_trial({"x": 0.3, "kind": "a"})
    study.set_metric_names(["loss", "score"])
    study.set_user_attr("owner", "me")
    study = optuna.create_study(
        storage=url, study_name="pruned", sampler=optuna.samplers.TPESampler(seed=2))
    study.optimize(pruned, n_trials=8, catch=(ValueError,))
    study.ask()
    study.enqueue_trial({"q": 0.3})
    optuna.create_study(storage=url, study_name="empty", direction="maximize")


def settle_times(db):
    """Times that do not depend on when this runs; microseconds are more than rltune keeps."""
    db.execute("UPDATE trials SET datetime_start = printf('2026-01-%02d 10:00:00.250000', trial_id)"
               " WHERE datetime_start IS NOT NULL")
    db.execute("UPDATE trials SET datetime_complete = printf('2026-01-%02d 10:00:03.750000', "
               "trial_id) WHERE datetime_complete IS NOT NULL")
    db.commit()


def dump(db, path):
    text = "".join(line + "\n" for line in db.iterdump())
    path.write_text(text)
    print(f"{path.name}: {len(text)} bytes")


def number(x):
    return x if math.isfinite(x) else str(x)


def read_back(url):
    studies = {}
    for name in optuna.get_all_study_names(url):
        study = optuna.load_study(storage=url, study_name=name)
        studies[name] = {
            "directions": [d.name for d in study.directions],
            "user_attrs": study.user_attrs,
            "trials": [{
                "number": t.number, "state": t.state.name, "params": t.params,
                "values": t.values and [number(v) for v in t.values],
                "intermediate": {str(k): number(v) for k, v in t.intermediate_values.items()},
                "constraints": t.constraints, "user_attrs": t.user_attrs,
                "seconds": t.duration and t.duration.total_seconds(),
            } for t in study.get_trials()]}
    return studies


OLD_NAMES = [  # of Optuna 2.10
    ("x", "UniformDistribution", {"low": 0.0, "high": 1.0}, 0.25),
    ("lr", "LogUniformDistribution", {"low": 1e-5, "high": 0.1}, 0.001),
    ("q", "DiscreteUniformDistribution", {"low": 0.0, "high": 2.0, "q": 0.5}, 1.5),
    ("n", "IntUniformDistribution", {"low": 1, "high": 9, "step": 2}, 5),
    ("m", "IntLogUniformDistribution", {"low": 1, "high": 64, "step": 1}, 16),
    ("c", "CategoricalDistribution", {"choices": ["a", "b"]}, 1)]


def build_old(db):
    """Without the columns value_type and intermediate_value_type, which came with 3.0."""
    db.executescript("""
        DROP TABLE trial_values; DROP TABLE trial_intermediate_values;
        CREATE TABLE trial_values (trial_value_id INTEGER PRIMARY KEY, objective INTEGER NOT NULL,
          value FLOAT NOT NULL, trial_id INTEGER NOT NULL);
        CREATE TABLE trial_intermediate_values (trial_intermediate_value_id INTEGER PRIMARY KEY,
          step INTEGER NOT NULL, intermediate_value FLOAT, trial_id INTEGER NOT NULL);
        INSERT INTO studies VALUES (1, 'old');
        INSERT INTO study_directions VALUES (1, 'MAXIMIZE', 1, 0);
        INSERT INTO trials VALUES (1, 0, 1, 'COMPLETE', '2021-03-01 10:00:00.000000',
          '2021-03-01 10:00:02.000000');
        INSERT INTO trial_values VALUES (1, 0, 0.5, 1);
        INSERT INTO trial_intermediate_values VALUES (1, 1, NULL, 1), (2, 2, 0.4, 1);""")
    for name, kind, attributes, value in OLD_NAMES:
        db.execute("INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)"
                   " VALUES (1, ?, ?, ?)",
                   (name, float(value), json.dumps({"name": kind, "attributes": attributes})))
        optuna.distributions.json_to_distribution(
            json.dumps({"name": kind, "attributes": attributes}))  # Optuna still knows it
    db.commit()


def main():
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/study.db"
        build(f"sqlite:///{path}")
        with sqlite3.connect(path) as db:
            settle_times(db)
            dump(db, GOLDEN / "optuna.sql")
        text = json.dumps(read_back(f"sqlite:///{path}"), indent=1)
        (GOLDEN / "optuna.json").write_text(text + "\n")
        print(f"optuna.json: {len(text)} bytes")
        path = f"{folder}/old.db"
        optuna.create_study(storage=f"sqlite:///{path}", study_name="x")
        with sqlite3.connect(path) as db:
            db.executescript("DELETE FROM study_directions; DELETE FROM studies; "
                             "UPDATE version_info SET library_version = '2.10.0'; "
                             "UPDATE alembic_version SET version_num = 'v2.6.0.a';")
            build_old(db)
            dump(db, GOLDEN / "optuna_old.sql")


if __name__ == "__main__":
    main()
