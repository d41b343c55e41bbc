#!/usr/bin/env python3
"""Writes tests/golden/env_<name>.bin: single steps of Gymnasium's environments from set states.

Needs: pip install gymnasium==1.4.0 numpy. Usage: scripts/gen_golden_env.py
A record is 72 bytes, little-endian: state f64[4], action f64, observation f32[6], reward f32,
terminated f32; unused entries are 0.
"""
import pathlib
import struct

import gymnasium
import numpy as np

STEPS = 2000
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
# name: (size of the state, its half-widths around 0, dtype)
STATES = {
    "CartPole-v1": ([2.6, 3.0, 0.23, 3.0], np.float64),
    "Acrobot-v1": ([np.pi, np.pi, 12.0, 28.0], np.float64),
    "MountainCar-v0": ([1.2, 0.07], np.float64),
    "MountainCarContinuous-v0": ([1.2, 0.07], np.float32),
    "Pendulum-v1": ([9.0, 8.0], np.float64),
}


def main():
    rng = np.random.default_rng(7)
    for name, (width, dtype) in STATES.items():
        env = gymnasium.make(name).unwrapped
        env.reset(seed=0)
        discrete = isinstance(env.action_space, gymnasium.spaces.Discrete)
        with open(OUT / f"env_{name}.bin", "wb") as out:
            state = None
            for step in range(STEPS):
                if step % 20 == 0:  # short runs from fresh states, wide enough to terminate
                    state = (rng.uniform(-1, 1, len(width)) * width).astype(dtype)
                    if name.startswith("MountainCar"):
                        state[0] = dtype(rng.uniform(-1.2, 0.6))
                env.state = state.copy()
                env.steps_beyond_terminated = None
                if discrete:
                    action = int(rng.integers(env.action_space.n))
                    given = action
                else:  # beyond the bounds now and then: clipping is part of the dynamics
                    given = (rng.uniform(-1.5, 1.5, 1) * env.action_space.high).astype(np.float32)
                    action = float(given[0])
                observation, reward, terminated, truncated, _ = env.step(given)
                assert not truncated
                before = np.zeros(4)
                before[: len(width)] = state
                seen = np.zeros(6, np.float32)
                seen[: len(observation)] = observation
                out.write(struct.pack("<5d8f", *before, action, *seen, float(reward),
                                      float(terminated)))
                state = np.array(env.state, dtype=dtype)


if __name__ == "__main__":
    main()
