"""Environment steps a second on one core: Gymnasium's vector environments beside env_bench."""
import os
import re
import subprocess
import time
import warnings

import gymnasium

from pairs import interleave, load, median, ratio, table

ENVS = 1024


def gymnasium_rate(mode, count, seconds):
    env = gymnasium.make_vec("CartPole-v1", num_envs=count, vectorization_mode=mode)
    env.reset(seed=1)
    env.action_space.seed(1)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        env.step(env.action_space.sample())
        steps += count
    rate = steps / (time.perf_counter() - start)
    env.close()
    return rate


def our_rates(bench, seconds):
    """(scalar, vector form), million steps/s on one core."""
    out = subprocess.run(["taskset", "-c", "0", os.path.join(bench, "env_bench"), str(ENVS),
                          str(seconds), "CartPole-v1"], capture_output=True, text=True, check=True)
    found = re.search(r"CartPole-v1\s+([0-9.]+)\s+([0-9.]+)", out.stdout)
    return float(found[1]) * 1e6, float(found[2]) * 1e6


def main(bench, pairs):
    warnings.simplefilter("ignore")
    print("## Stepping CartPole-v1 alone, one core, random actions, auto-reset\n")
    before = load()
    seconds = 1.0
    kept = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0})
    done = interleave(lambda i: {"sync": gymnasium_rate("sync", 8, seconds),
                                 "vector": gymnasium_rate("vector_entry_point", ENVS, seconds)},
                      lambda i: our_rates(bench, seconds), pairs)
    os.sched_setaffinity(0, kept)
    best = [(max(a.values()), b) for a, b in done]
    table(["", "steps/s"],
          [["Gymnasium, SyncVectorEnv, 8 environments",
            f"{median([a['sync'] for a, _ in done]):,.0f}"],
           [f"Gymnasium, CartPoleVectorEnv (NumPy), {ENVS:,} environments",
            f"{median([a['vector'] for a, _ in done]):,.0f}"],
           ["rltune, scalar form", f"{median([b[0] for _, b in done]):,.0f}"],
           [f"rltune, vector form, {ENVS:,} environments",
            f"{median([b[1] for _, b in done]):,.0f}"]])
    print(f"Vector form beside the faster of Gymnasium's: **{ratio([(a, b[1]) for a, b in best])} "
          f"times** as many; scalar form: {ratio([(a, b[0]) for a, b in best])} times. Load average "
          f"{before:.1f} to {load():.1f}.\n", flush=True)
