"""Optuna's random search with successive halving beside our tuner: what a trial costs that does
nothing, and what a decision costs on one replayed trace of results."""
import os
import re
import subprocess
import time

import numpy as np
import optuna

from pairs import interleave, load, median, ratio, table

TRACE_TRIALS, RUNGS = 1000, 6


def pruner():
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=100, reduction_factor=3)


def objective(trial):
    """The parameters of tuner_bench; one result, judged once."""
    trial.suggest_float("lr", 1e-5, 1e-2, log=True)
    trial.suggest_float("gamma", 0.9, 1.0)
    trial.suggest_int("epochs", 1, 20)
    trial.suggest_categorical("optimiser", ["adam", "sgd"])
    value = float(objective.rng.random())
    trial.report(value, 100)
    if trial.should_prune():
        raise optuna.TrialPruned()
    return value


def trial_ms(storage, trials, seed):
    objective.rng = np.random.default_rng(seed)
    study = optuna.create_study(storage=storage, direction="maximize", pruner=pruner(),
                                sampler=optuna.samplers.RandomSampler(seed=seed))
    start = time.perf_counter()
    study.optimize(objective, n_trials=trials)
    return (time.perf_counter() - start) / trials * 1e3


def sqlite(folder, name):
    path = os.path.join(folder, f"{name}.db")
    if os.path.exists(path):
        os.remove(path)
    return f"sqlite:///{path}"


def our_trial_ms(bench, folder):
    """(in memory, committed): milliseconds a trial as tuner_bench prints them."""
    out = subprocess.run([os.path.join(bench, "tuner_bench"), folder], capture_output=True,
                         text=True, check=True).stdout
    memory = re.search(r"trial in memory, random\s+([0-9.e+-]+)", out)
    committed = re.search(r"trial with its rows committed.*?\s([0-9.e+-]+) ms", out)
    return float(memory[1]), float(committed[1])


def write_trace(path):
    """Results of trials that are worth different amounts, noisy, rung by rung."""
    rng = np.random.default_rng(1)
    worth = rng.normal(size=TRACE_TRIALS)
    rows = [(i, 100 * 3**rung, float(worth[i] * (rung + 1) + rng.normal()))
            for rung in range(RUNGS) for i in range(TRACE_TRIALS)]
    with open(path, "w") as file:
        file.writelines(f"{i},{step},{value!r}\n" for i, step, value in rows)
    return rows


def replay_optuna(rows):
    study = optuna.create_study(direction="maximize", pruner=pruner())
    trials = [study.ask() for _ in range(TRACE_TRIALS)]
    stopped, decisions = set(), 0
    ended = [False] * TRACE_TRIALS
    start = time.perf_counter()
    for i, step, value in rows:
        if not ended[i]:
            trials[i].report(value, step)
            ended[i] = trials[i].should_prune()
            decisions += 1
            if ended[i]:
                stopped.add((i, step))
    return decisions / (time.perf_counter() - start), decisions, stopped


def replay_rltune(bench, trace, folder):
    path = os.path.join(folder, "stopped.csv")
    out = subprocess.run([os.path.join(bench, "replay_bench"), trace, path], capture_output=True,
                         text=True, check=True).stdout.split()
    stopped = {tuple(map(int, line.split(","))) for line in open(path)}
    return float(out[5]), int(out[1]), stopped


def decisions(bench, folder, pairs):
    trace = os.path.join(folder, "trace.csv")
    rows = write_trace(trace)
    done = interleave(lambda i: replay_optuna(rows),
                      lambda i: replay_rltune(bench, trace, folder), pairs)
    theirs, ours = done[0]
    same = theirs[2] == ours[2]
    print(f"A decision, {TRACE_TRIALS:,} trials with up to {RUNGS} rungs, one trace for both, "
          f"in memory:\n")
    table(["", "decisions", "of them stops", "decisions/s"],
          [["Optuna", f"{theirs[1]:,}", f"{len(theirs[2]):,}",
            f"{median([a[0] for a, _ in done]):,.0f}"],
           ["rltune", f"{ours[1]:,}", f"{len(ours[2]):,}",
            f"{median([b[0] for _, b in done]):,.0f}"]])
    if same:
        print(f"The same trials are stopped at the same steps. Decisions/s: **"
              f"{ratio([(a[0], b[0]) for a, b in done])} times** as many.\n", flush=True)
    else:
        print(f"**No ratio**: {len(theirs[2] ^ ours[2])} stops differ.\n", flush=True)


def main(bench, folder, pairs):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("## Tuning: trials that do nothing, and decisions\n")
    before = load()
    trial_ms(None, 100, 0)
    done = []
    for i in range(pairs):
        theirs = (trial_ms(None, 1000, i), trial_ms(sqlite(folder, "optuna"), 200, i))
        done.append((theirs, our_trial_ms(bench, folder)))
    many = trial_ms(None, 10000, 1)
    print("A trial of four parameters with one result, which the stopper judges; Optuna: "
          "RandomSampler, SuccessiveHalvingPruner, `study.optimize`; rltune: `tuner_bench`, 10,000 "
          "trials, rows committed 100 trials at a time:\n")
    table(["", "Optuna, ms a trial", "rltune, ms a trial", "ratio"],
          [["in memory (Optuna: 1,000 trials)", f"{median([a[0] for a, _ in done]):.3f}",
            f"{median([b[0] for _, b in done]):.4f}",
            ratio([(b[0], a[0]) for a, b in done])],
           ["in memory, 10,000 trials, once", f"{many:.3f}", f"{done[-1][1][0]:.4f}",
            f"{many / done[-1][1][0]:,.0f}"],
           ["SQLite (Optuna: 200 trials)", f"{median([a[1] for a, _ in done]):.2f}",
            f"{median([b[1] for _, b in done]):.4f}",
            ratio([(b[1], a[1]) for a, b in done])]])
    decisions(bench, folder, pairs)
    print(f"Load average {before:.1f} to {load():.1f}.\n", flush=True)
