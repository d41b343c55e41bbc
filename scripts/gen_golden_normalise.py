#!/usr/bin/env python3
"""Writes tests/golden/normalise.bin: running moments by gymnasium's RunningMeanStd, and rewards
scaled by them as Stable-Baselines3's VecNormalize does (common/vec_env/vec_normalize.py: the
discounted return of each environment feeds the moments, the reward is divided by the standard
deviation and clipped, the return of an ended episode starts again at 0).

Needs: pip install gymnasium==1.4.0 numpy. Usage: scripts/gen_golden_normalise.py
Float32, little-endian: observations [BATCHES][ROWS][WIDTH], mean and variance after each batch
[BATCHES][2][WIDTH] as float64, rewards [STEPS][ENVS] float32, ends [STEPS][ENVS] uint8, scaled
rewards [STEPS][ENVS] float32.
"""
import pathlib

import numpy as np
from gymnasium.wrappers.utils import RunningMeanStd

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "normalise.bin"
BATCHES, ROWS, WIDTH, STEPS, ENVS = 5, 37, 3, 50, 6
GAMMA, CLIP, EPSILON = 0.97, 2.0, 1e-8


def main():
    rng = np.random.default_rng(11)
    centre, spread = np.array([1000.0, -3.0, 0.0]), np.array([0.5, 20.0, 1.0])
    observations = (centre + spread * rng.standard_normal((BATCHES, ROWS, WIDTH))).astype("<f4")
    running, moments = RunningMeanStd(shape=(WIDTH,)), []
    for batch in observations:
        running.update(batch.astype(np.float64))
        moments.append(np.stack([running.mean, running.var]))
    rewards = (rng.standard_normal((STEPS, ENVS)) * 3 - 1).astype("<f4")
    ends = (rng.random((STEPS, ENVS)) < 0.1).astype("u1")
    returns, variance, scaled = np.zeros(ENVS), RunningMeanStd(shape=()), []
    for reward, end in zip(rewards, ends):
        returns = returns * GAMMA + reward
        variance.update(returns)
        scaled.append(np.clip(reward / np.sqrt(variance.var + EPSILON), -CLIP, CLIP))
        returns[end == 1] = 0
    with open(OUT, "wb") as out:
        for part, kind in ((observations, "<f4"), (moments, "<f8"), (rewards, "<f4"), (ends, "u1"),
                           (scaled, "<f4")):
            out.write(np.asarray(part).astype(kind).tobytes())


if __name__ == "__main__":
    main()
