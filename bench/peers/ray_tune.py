#!/usr/bin/env python3
"""Ray Tune beside rltune: trials that do nothing, trials of one second, results of one trial.

Ray Tune runs with a function trainable, random search and no scheduler, as it comes (a new process
for each trial) and with reuse_actors; it is timed from Tuner.fit to its return, after ray.init and
imports; rltune from the start of its process to its exit, with its database. Needs `pip install
"ray[tune]"`; prints Markdown."""
import argparse
import logging
import os
import subprocess
import tempfile
import time

os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_DEDUP_LOGS", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
import ray
from ray import tune

from pairs import interleave, load, median, ratio, table

SCRIPT = """return {{ name = "peer", objective = {objective},
  params = {{ x = space.uniform(0, 1) }},
  tune = {{ metric = "loss", mode = "min", trials = {trials}, parallel = {slots}, sampler = "random" }} }}
"""
NOTHING = "function(params) return params.x end"
SECOND = """{ "command", argv = { "/bin/sh", "-c", "sleep 1; echo \\"$0\\"", '{{"loss": {x}}' } }"""
REPORTS = """function(params, report)
  for step = 1, %d do report(step, { loss = params.x }) end
end"""


def ray_s(function, trials, slots, reuse):
    """Seconds for all trials; every one must have its result."""
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(function, {"cpu": 1}),
            param_space={"x": tune.uniform(0, 1)},
            tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=trials,
                                        max_concurrent_trials=slots, reuse_actors=reuse),
            run_config=tune.RunConfig(storage_path=folder, verbose=0))
        start = time.perf_counter()
        results = tuner.fit()
        seconds = time.perf_counter() - start
    assert len(results) == trials and results.num_errors == 0
    return seconds


def rltune_s(rltune, objective, trials, slots):
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "peer.lua")
        with open(script, "w") as file:
            file.write(SCRIPT.format(objective=objective, trials=trials, slots=slots))
        start = time.perf_counter()
        subprocess.run([rltune, "run", script, "--quiet", "--db", os.path.join(folder, "peer.db")],
                       check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def nothing(config):
    tune.report({"loss": config["x"]})


def second(config):
    time.sleep(1)
    tune.report({"loss": config["x"]})


def reporter(count):
    def reports(config):
        for _ in range(count):
            tune.report({"loss": config["x"]})
    return reports


def compare(rows, name, theirs, ours, pairs):
    """theirs and ours give the figure of one run, of which less is better."""
    done = interleave(theirs, ours, pairs)
    rows.append([name, f"{median([a for a, _ in done]):.3g}", f"{median([b for _, b in done]):.3g}",
                 ratio([(b, a) for a, b in done])])


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(root, "build"))
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--slots", type=int, default=16)
    a = parser.parse_args()
    rltune = os.path.join(a.build, "rltune")
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray.init(num_cpus=a.slots, include_dashboard=False, log_to_driver=False,
             logging_level=logging.ERROR)
    before, rows = load(), []
    ray_s(nothing, a.slots, a.slots, True)  # its workers are there from now on
    for what, count, reuse in (("a new process each", a.trials, False),
                               ("reuse_actors", 10 * a.trials, True)):
        compare(rows, f"ms a trial that does nothing, Ray: {count:,}, {what}",
                lambda i: ray_s(nothing, count, a.slots, reuse) / count * 1e3,
                lambda i: rltune_s(rltune, NOTHING, 2000, a.slots) / 2000 * 1e3, a.pairs)
    ideal = a.trials / a.slots
    compare(rows, f"s above {ideal:g} s for {a.trials} trials of one second, Ray: reuse_actors",
            lambda i: ray_s(second, a.trials, a.slots, True) - ideal,
            lambda i: rltune_s(rltune, SECOND, a.trials, a.slots) - ideal, a.pairs)
    compare(rows, "ms a result of one trial",
            lambda i: ray_s(reporter(1000), 1, a.slots, True) / 1000 * 1e3,
            lambda i: rltune_s(rltune, REPORTS % 100000, 1, a.slots) / 100000 * 1e3, a.pairs)
    print(f"Ray Tune {ray.__version__}, {a.slots} slots, {a.trials} trials (rltune: 2,000 that do "
          f"nothing), 1,000 results (rltune: 100,000), load average {before:.1f} to {load():.1f}:\n")
    table(["", "Ray Tune", "rltune", "ratio"], rows)
    ray.shutdown()


if __name__ == "__main__":
    main()
