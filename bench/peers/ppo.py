"""PPO on CartPole-v1: the same settings for Stable-Baselines3 and `rltune run`."""
import json
import os
import subprocess
import sys
import time

from pairs import interleave, load, median, ratio, returns_agree, table

# Those of configs/cartpole.lua, of CleanRL's ppo.py (no entropy bonus, no value clipping) for a
# fifth of its steps, and of rl-zoo3.
TUNED = {"name": "32 x 32 steps, batch 128, 5 epochs", "env": "CartPole-v1", "envs": 32,
         "steps": 49152, "mean_return": None,
         "ppo": {"lr": 3e-3, "horizon": 32, "minibatch": 128, "epochs": 5, "gamma": 0.99,
                 "lambda": 0.9, "clip": 0.2, "anneal_lr": True, "anneal_clip": False}}
CLEANRL = {"name": "CleanRL's: 4 x 128 steps, batch 128, 4 epochs", "env": "CartPole-v1", "envs": 4,
           "steps": 102400, "mean_return": None,
           "ppo": {"lr": 2.5e-4, "horizon": 128, "minibatch": 128, "epochs": 4, "gamma": 0.99,
                   "lambda": 0.95, "clip": 0.2, "anneal_lr": True, "anneal_clip": False}}
ZOO = {"name": "rl-zoo3: 8 x 32 steps, batch 256, 20 epochs", "env": "CartPole-v1", "envs": 8,
       "steps": 100000, "mean_return": 475,
       "ppo": {"lr": 1e-3, "horizon": 32, "minibatch": 256, "epochs": 20, "gamma": 0.98,
               "lambda": 0.8, "clip": 0.2, "anneal_lr": True, "anneal_clip": True}}


def run_sb3(settings, threads, seed):
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, os.path.join(os.path.dirname(__file__), "sb3_ppo.py"),
         json.dumps(settings | {"threads": threads, "seed": seed})],
        capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    result = json.loads(done.stdout.splitlines()[-1])
    return result | {"seconds": result["learn_s"], "process_s": time.perf_counter() - start}


def script(settings):
    def value(x):
        return str(x).lower() if isinstance(x, bool) else repr(x)
    ppo = ", ".join(f"{key} = {value(x)}" for key, x in settings["ppo"].items())
    goal = settings["mean_return"]
    stop = f"steps = {settings['steps']}" + (f", mean_return = {goal}" if goal else "")
    return (f"return {{ name = 'peer', env = '{settings['env']}', device = 'cpu', "
            f"envs_per_worker = {settings['envs']}, ppo = {{ {ppo} }}, "
            f"stop = {{ {stop} }}, eval = {{ episodes = 100 }} }}\n")


def run_rltune(rltune, folder, settings, seed):
    path, db = os.path.join(folder, "peer.lua"), os.path.join(folder, "peer.db")
    with open(path, "w") as file:
        file.write(script(settings))
    start = time.perf_counter()
    done = subprocess.run([rltune, "run", path, "--set", f"seed={seed}", "--db", db, "--json",
                           "--quiet"], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(done.stderr)
    steps = export(rltune, db, "trials")[0]["steps"]
    rates = [point["value"] for point in export(rltune, db, "metrics")
             if point["metric"] == "steps_per_s"]
    return {"seconds": seconds, "steps": steps, "loop_rate": median(rates),
            "final_return": json.loads(done.stdout)["final_eval_return"]}


def export(rltune, db, what):
    done = subprocess.run([rltune, "export", "last", "--db", db, "--what", what, "--json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def best_threads(settings):
    """1 or 2, whichever gives Stable-Baselines3 more steps a second."""
    short = settings | {"steps": 2048, "mean_return": None}
    rates = {}
    for threads in (1, 2):
        run = run_sb3(short, threads, 7)
        rates[threads] = run["steps"] / run["seconds"]
    return max(rates, key=rates.get), rates


def compare(rltune, folder, settings, pairs):
    threads, rates = best_threads(settings)
    before = load()
    print(f"{settings['name']}: Stable-Baselines3 with 1 thread {rates[1]:,.0f} steps/s, with 2 "
          f"{rates[2]:,.0f}; it gets {threads}.\n", flush=True)
    run_rltune(rltune, folder, settings, 0)
    done = interleave(lambda i: run_sb3(settings, threads, i + 1),
                      lambda i: run_rltune(rltune, folder, settings, i + 1), pairs)
    theirs, ours = [a for a, _ in done], [b for _, b in done]
    agree, low, high = returns_agree([b["final_return"] for b in ours],
                                     [a["final_return"] for a in theirs])

    def row(name, runs):
        rate = median([r["steps"] / r["seconds"] for r in runs])
        seconds = median([r["seconds"] for r in runs])
        returns = ", ".join(f"{r['final_return']:.0f}" for r in runs)
        steps = median([r["steps"] for r in runs])
        return [name, f"{seconds:.2f}", f"{steps:,.0f}", f"{rate:,.0f}", returns]

    table(["", "seconds", "steps", "steps/s", "return of 100 episodes, each seed"],
          [row("Stable-Baselines3, `learn()` alone", theirs),
           row("`rltune run`, the whole process", ours)])
    print(f"Whole processes: {median([a['process_s'] for a in theirs]):.2f} s (of it "
          f"{median([a['import_s'] for a in theirs]):.1f} s of imports) and "
          f"{median([b['seconds'] for b in ours]):.2f} s. Load average {before:.1f} to "
          f"{load():.1f}.\n")
    if not agree:
        print(f"**No ratio**: the mean returns differ by {low:.1f} to {high:.1f}.\n")
        return
    rate = ratio([(a["steps"] / a["seconds"], b["steps"] / b["seconds"]) for a, b in done])
    loop = ratio([(a["steps"] / a["seconds"], b["loop_rate"]) for a, b in done])
    span = ratio([(b["seconds"], a["seconds"]) for a, b in done])
    print(f"Steps/s: **{rate} times** as many; of the training loop alone, without start, final "
          f"evaluation and checkpoint: {loop} times.", end=" ")
    if settings["mean_return"]:
        solved = [sum(r["steps"] + 1024 < settings["steps"] for r in runs) for runs in (theirs, ours)]
        print(f"Time to the goal: **{span} times** shorter; Stable-Baselines3 reached it with "
              f"{solved[0]}, rltune with {solved[1]} of {pairs} seeds.", end=" ")
    print(f"(The mean returns differ by {low:.1f} to {high:.1f}.)\n", flush=True)


def main(rltune, folder, pairs):
    print("## PPO on CartPole-v1, 2x64 tanh, the same settings\n")
    compare(rltune, folder, TUNED, pairs)
    compare(rltune, folder, CLEANRL, pairs)
    print("Until the mean return of the last 100 training episodes is 475, at most 100,000 steps:\n")
    compare(rltune, folder, ZOO, pairs)
