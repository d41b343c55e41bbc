"""PPO on CartPole-v1: the same settings for CleanRL's ppo.py, out of a checkout of it, and `rltune
run`. CleanRL evaluates nothing at the end, so only speed is compared, at the settings that it has."""
import os
import re
import subprocess
import sys
import time

from pairs import interleave, load, median, ratio, table
from ppo import CLEANRL, TUNED, run_rltune


def run_cleanrl(script, folder, settings, threads, seed):
    ppo = settings["ppo"]
    batch = settings["envs"] * ppo["horizon"]
    command = [sys.executable, script, "--no-cuda", "--env-id", settings["env"],
               "--seed", str(seed), "--total-timesteps", str(settings["steps"]),
               "--num-envs", str(settings["envs"]), "--num-steps", str(ppo["horizon"]),
               "--num-minibatches", str(batch // ppo["minibatch"]),
               "--update-epochs", str(ppo["epochs"]), "--learning-rate", str(ppo["lr"]),
               "--gamma", str(ppo["gamma"]), "--gae-lambda", str(ppo["lambda"]),
               "--clip-coef", str(ppo["clip"]), "--no-clip-vloss", "--ent-coef", "0"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder,
                          env=os.environ | {"OMP_NUM_THREADS": str(threads)})
    rates = re.findall(r"^SPS: (\d+)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not rates:
        sys.exit(done.stderr or f"{script}: printed no SPS")
    return {"rate": float(rates[-1]), "process_s": time.perf_counter() - start}


def compare(rltune, script, folder, settings, pairs):
    short = settings | {"steps": 8192}
    rates = {n: run_cleanrl(script, folder, short, n, 7)["rate"] for n in (1, 2)}
    threads, before = max(rates, key=rates.get), load()
    print(f"{settings['name']}: CleanRL with 1 thread {rates[1]:,.0f} steps/s, with 2 "
          f"{rates[2]:,.0f}; it gets {threads}.\n", flush=True)
    done = interleave(lambda i: run_cleanrl(script, folder, settings, threads, i + 1),
                      lambda i: run_rltune(rltune, folder, settings, i + 1), pairs)
    theirs, ours = [a for a, _ in done], [b for _, b in done]
    table(["", "steps/s", "process, seconds"],
          [["CleanRL's own SPS", f"{median([a['rate'] for a in theirs]):,.0f}",
            f"{median([a['process_s'] for a in theirs]):.2f}"],
           ["`rltune run`, the whole process",
            f"{median([b['steps'] / b['seconds'] for b in ours]):,.0f}",
            f"{median([b['seconds'] for b in ours]):.2f}"]])
    whole = ratio([(a["rate"], b["steps"] / b["seconds"]) for a, b in done])
    loop = ratio([(a["rate"], b["loop_rate"]) for a, b in done])
    print(f"Steps/s: **{whole} times** as many; of the training loop alone: {loop} times. "
          f"Load average {before:.1f} to {load():.1f}.\n", flush=True)


def main(rltune, folder, checkout, pairs):
    script = os.path.abspath(os.path.join(checkout, "cleanrl", "ppo.py"))
    if not os.access(script, os.R_OK):
        sys.exit(f"{script} is missing; clone CleanRL and name the folder with --cleanrl")
    print("## PPO on CartPole-v1, 2x64 tanh, beside CleanRL\n")
    compare(rltune, script, folder, CLEANRL, pairs)
    compare(rltune, script, folder, TUNED, pairs)
