#!/usr/bin/env python3
"""Importance of parameters by Optuna's evaluators and by `rltune importance`, on the same trials.

Needs: pip install optuna==5.0.0 scikit-learn.
Usage: optuna_importance.py RLTUNE [TRIALS...]     (default: build/rltune 1000 10000)
Prints the shares of both and their times in turn: Optuna's is the evaluator alone (its imports and
the making of the study are not counted), rltune's the whole process with reading its database.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

SCRIPT = """
return {
  name = "importance",
  objective = function(p)
    local away = math.log(p.lr, 10) + 3
    return away * away + 0.1 * (p.depth - 3) ^ 2 + (p.act == "relu" and 0.5 or 0)
  end,
  params = { lr = space.loguniform(1e-5, 1e-1), depth = space.randint(1, 8),
    act = space.choice{ "tanh", "relu", "silu" }, q = space.quniform(0, 1, 0.25) },
  tune = { metric = "loss", mode = "min", trials = TRIALS, parallel = 2, sampler = "random" },
}
"""
DISTRIBUTIONS = {
    "params.lr": FloatDistribution(1e-5, 1e-1, log=True),
    "params.depth": IntDistribution(1, 8),
    "params.act": CategoricalDistribution(["tanh", "relu", "silu"]),
    "params.q": FloatDistribution(0, 1, step=0.25),
}
METHODS = {
    "ped_anova": optuna.importance.PedAnovaImportanceEvaluator,
    "fanova": lambda: optuna.importance.FanovaImportanceEvaluator(seed=0),
}


def run(binary, *words, json_output=True):
    text = subprocess.run([binary, *words], check=True, capture_output=True, text=True).stdout
    return json.loads(text) if json_output else text


def study_of(trials):
    study = optuna.create_study()
    for trial in trials:
        params = {name: float(value) if name in ("params.lr", "params.q") else value
                  for name, value in trial["params"].items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=DISTRIBUTIONS,
                                                  value=trial["value"]))
    return study


def timed(call, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times)


def compare(binary, count, folder):
    script, db = os.path.join(folder, "s.lua"), os.path.join(folder, f"{count}.db")
    with open(script, "w") as file:
        file.write(SCRIPT.replace("TRIALS", str(count)))
    run(binary, "run", script, "--db", db, "--quiet", json_output=False)
    study = study_of(run(binary, "show", "last", "--db", db, "--json")["trials"])
    for method, make in METHODS.items():
        theirs, their_s = timed(lambda: optuna.importance.get_param_importances(
            study, evaluator=make()), 3 if count < 5000 else 1)
        ours, our_s = timed(lambda: run(binary, "importance", "last", "--db", db, "--method",
                                        method, "--json"), 5)
        shares = {entry["param"]: entry["importance"] for entry in ours["importances"]}
        print(f"{count} trials, {method}: Optuna {their_s:.3f} s, rltune {our_s:.3f} s "
              f"({their_s / our_s:.1f} times)")
        for name, share in theirs.items():
            print(f"    {name:14} Optuna {share:.4f}  rltune {shares[name]:.4f}")


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    binary = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/rltune")
    with tempfile.TemporaryDirectory() as folder:
        for count in [int(word) for word in sys.argv[2:]] or [1000, 10000]:
            compare(binary, count, folder)


if __name__ == "__main__":
    main()
