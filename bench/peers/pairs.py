"""Fair comparisons: interleaved pairs, medians of paired ratios, bootstrap intervals."""
import importlib.metadata
import os
import platform
import statistics
import subprocess

import numpy as np

RESAMPLES = 10000


def interleave(first, second, pairs):
    """[(first(i), second(i)), ...]: A-B-A-B, so that drifts of the machine meet both."""
    return [(first(i), second(i)) for i in range(pairs)]


def interval(values, statistic):
    """The statistic of the values and its 95 % percentile bootstrap interval."""
    rng = np.random.default_rng(0)
    values = np.asarray(values, dtype=float)
    resampled = [statistic(values[rng.integers(0, len(values), len(values))])
                 for _ in range(RESAMPLES)]
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(statistic(values)), float(low), float(high)


def ratio(pairs):
    """'R (low to high)' of second / first."""
    middle, low, high = interval([b / a for a, b in pairs], np.median)
    return f"{times(middle)} ({times(low)} to {times(high)})"


def times(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def returns_agree(ours, theirs):
    """Whether the 95 % interval of the difference of mean returns contains 0, and the interval."""
    rng = np.random.default_rng(0)
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    differences = [a[rng.integers(0, len(a), len(a))].mean() - b[rng.integers(0, len(b), len(b))].mean()
                   for _ in range(RESAMPLES)]
    low, high = np.percentile(differences, [2.5, 97.5])
    return low <= 0 <= high, float(low), float(high)


def median(values):
    return statistics.median(values)


def load():
    return os.getloadavg()[0]


def table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def print_machine(rltune):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    version = subprocess.run([rltune, "version"], capture_output=True, text=True, check=True)
    packages = ["stable-baselines3", "torch", "gymnasium", "optuna", "numpy"]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"{model}, {len(os.sched_getaffinity(0))} cores; {version.stdout.strip()};")
    print(f"Python {platform.python_version()}, {versions}.\n", flush=True)
