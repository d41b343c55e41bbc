#!/usr/bin/env python3
"""Writes tests/golden/env_*: what Gymnasium's environments do, for tests/unit/envs_test.c.

Needs: pip install gymnasium==1.4.0 numpy. Usage: scripts/gen_golden_env.py
All binary files are little-endian.

env_specs.txt: a line per environment: name, observation space, action space, time limit (0 for
none), reward threshold (nan for none). A space is D count, M components count..., or
B size low... high....

env_<name>.bin: single steps of the classic-control environments from set states. A record is 72
bytes: state f64[4], action f64, observation f32[6], reward f32, terminated f32; unused are 0.

env_<name>.table: the transition table of a discrete environment, env.P. A record is 16 bytes:
state i16, action i16, next state i16, terminated i16, probability f32, reward f32. Records with
action -1 hold the distribution of the initial state in `next state`. Taxi-v3 is Taxi-v4 without
rain and with a steady passenger, its defaults; Gymnasium 1.4 registers v4 alone.

env_Blackjack-v1.bin: hands played with the cards that rltune's generator deals: Philox4x32-10
(Salmon et al., SC'11) at seed 7, stream 7, substream = the hand's number. A record is 20 bytes:
hand i32, action i16 (-1 for the reset), sum i16, dealer's card i16, usable ace i16, terminated
i16, padding i16, reward f32.
"""
import pathlib
import struct

import gymnasium
import numpy as np
from gymnasium.envs.toy_text import blackjack

STEPS = 2000
HANDS = 2500
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
# name: (half-widths of the state around 0, dtype)
STATES = {
    "CartPole-v1": ([2.6, 3.0, 0.23, 3.0], np.float64),
    "Acrobot-v1": ([np.pi, np.pi, 12.0, 28.0], np.float64),
    "MountainCar-v0": ([1.2, 0.07], np.float64),
    "MountainCarContinuous-v0": ([1.2, 0.07], np.float32),
    "Pendulum-v1": ([9.0, 8.0], np.float64),
}
TABLES = ["FrozenLake-v1", "FrozenLake8x8-v1", "Taxi-v4", "CliffWalking-v1",
          "CliffWalkingSlippery-v1"]


def space_text(space):
    if isinstance(space, gymnasium.spaces.Discrete):
        return f"D {space.n}"
    if isinstance(space, gymnasium.spaces.Tuple):
        return f"M {len(space)} " + " ".join(str(part.n) for part in space)
    bounds = [*space.low.tolist(), *space.high.tolist()]
    return f"B {space.shape[0]} " + " ".join(repr(x) for x in bounds)


def write_specs():
    with open(OUT / "env_specs.txt", "w") as out:
        for name in [*STATES, *TABLES, "Blackjack-v1"]:
            env = gymnasium.make(name)
            threshold = env.spec.reward_threshold
            print(name, space_text(env.observation_space), space_text(env.action_space),
                  env.spec.max_episode_steps or 0, "nan" if threshold is None else threshold,
                  file=out)


def write_steps(name, width, dtype, rng):
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


def write_table(name):
    env = gymnasium.make(name).unwrapped
    with open(OUT / f"env_{name}.table", "wb") as out:
        for state, chance in enumerate(env.initial_state_distrib):
            if chance > 0:
                out.write(struct.pack("<4h2f", 0, -1, state, 0, chance, 0))
        for state, actions in env.P.items():
            for action, outcomes in actions.items():
                merged = {}
                for chance, following, reward, terminated in outcomes:
                    key = (int(following), float(reward), bool(terminated))
                    merged[key] = merged.get(key, 0.0) + chance
                for (following, reward, terminated), chance in merged.items():
                    out.write(struct.pack("<4h2f", state, action, following, terminated, chance,
                                          reward))


def philox_block(seed, stream, substream, block):
    low = 0xFFFFFFFF
    c = [block & low, block >> 32, stream, substream]
    k = [seed & low, seed >> 32]
    for _ in range(10):
        p, q = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [q >> 32 ^ c[1] ^ k[0], q & low, p >> 32 ^ c[3] ^ k[1], p & low]
        k = [k[0] + 0x9E3779B9 & low, k[1] + 0xBB67AE85 & low]
    return c


def deal(hand):
    """Yields cards by Lemire's bounded draw (2019) of 0 to 12 from the hand's words."""
    index = 0
    while True:
        product = philox_block(7, 7, hand, index // 4)[index % 4] * 13
        index += 1
        if product & 0xFFFFFFFF >= 2**32 % 13:
            yield blackjack.deck[product >> 32]


def write_hands(rng):
    env = gymnasium.make("Blackjack-v1").unwrapped
    cards = None
    blackjack.draw_card = lambda np_random: next(cards)
    with open(OUT / "env_Blackjack-v1.bin", "wb") as out:
        for hand in range(HANDS):
            cards = deal(hand)
            observation, _ = env.reset()
            out.write(struct.pack("<i6hf", hand, -1, *observation, 0, 0, 0))
            terminated = False
            while not terminated:
                action = int(rng.random() < 0.6)
                observation, reward, terminated, _, _ = env.step(action)
                out.write(struct.pack("<i6hf", hand, action, *observation, terminated, 0, reward))


def main():
    rng = np.random.default_rng(7)
    write_specs()
    for name, (width, dtype) in STATES.items():
        write_steps(name, width, dtype, rng)
    for name in TABLES:
        write_table(name)
    write_hands(rng)


if __name__ == "__main__":
    main()
