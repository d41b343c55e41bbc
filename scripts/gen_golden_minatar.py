#!/usr/bin/env python3
"""Records episodes of MinAtar 1.0.15 (PyPI `minatar`) into tests/golden/minatar_<game>.bin.

Both sides draw from the same stream: the package's generators are replaced by one over Philox
that makes its numbers as src/core/rng.c does, so whole episodes can be compared, sticky actions
and ramping included. Actions come from a rough player of each game, so that later stages appear.
A record is int8 action (-1: reset), int8 reward, int8 terminated, int8 0, and uint32 FNV-1a of the
planes' bytes. Episode n draws from the stream (seed 7, stream 7, substream n).

Usage: gen_golden_minatar.py; needs numpy and minatar.
"""
import pathlib
import random
import struct
import sys
import types

for missing in ("matplotlib", "matplotlib.pyplot", "seaborn"):
    sys.modules.setdefault(missing, types.ModuleType(missing))
from minatar import Environment  # noqa: E402

import numpy as np  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
GAMES = ["breakout", "space_invaders", "asterix", "freeway", "seaquest"]
STEPS = 6000
NONE, LEFT, UP, RIGHT, DOWN, FIRE = range(6)


def philox_block(seed, stream, substream, block):
    low = 0xFFFFFFFF
    c = [block & low, block >> 32, stream, substream]
    k = [seed & low, seed >> 32]
    for _ in range(10):
        p, q = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [q >> 32 ^ c[1] ^ k[0], q & low, p >> 32 ^ c[3] ^ k[1], p & low]
        k = [k[0] + 0x9E3779B9 & low, k[1] + 0xBB67AE85 & low]
    return c


class Stream:
    """The words of one stream, and the numbers that a game asks for."""

    def __init__(self, substream):
        self.substream, self.index = substream, 0

    def word(self):
        block = philox_block(7, 7, self.substream, self.index // 4)
        self.index += 1
        return block[(self.index - 1) % 4]

    def below(self, bound):
        while True:
            product = self.word() * bound
            if product & 0xFFFFFFFF >= 2**32 % bound:
                return product >> 32

    def real(self):
        low = self.word()
        return ((self.word() << 32 | low) >> 11) * 2.0**-53

    def rand(self, count=None):
        return self.real() if count is None else np.array([self.real() for _ in range(count)])

    def randint(self, low, high=None, size=None):
        low, high = (0, low) if high is None else (low, high)
        if size is None:
            return low + self.below(high - low)
        return np.array([low + self.below(high - low) for _ in range(size)])


class Sticky:
    """What decides whether an action sticks: one word, compared with a tenth of 2^32."""

    def __init__(self, stream):
        self.stream = stream

    def rand(self):
        return 0.0 if self.stream.word() < 429496730 else 1.0


def toward(x, target):
    return LEFT if x > target else RIGHT if x < target else NONE


def play_breakout(env, dice):
    return toward(env.pos, env.ball_x + (1 if env.ball_dir in (1, 2) else -1) * (env.ball_y < 8))


def play_space_invaders(env, dice):
    danger = env.e_bullet_map[7:9, env.pos].any()
    if danger:
        return LEFT if env.pos > 5 else RIGHT
    return FIRE if env.shot_timer == 0 else dice.choice([NONE, LEFT, RIGHT])


def play_asterix(env, dice):
    gold = [x for x in env.entities if x is not None and x[3]]
    row = env.player_y - 1
    here = env.entities[row]
    if here is not None and not here[3] and abs(here[0] - env.player_x) < 3:
        return UP if row > 0 and env.entities[row - 1] is None else DOWN
    if gold and dice.random() < 0.7:
        y = gold[0][1]
        return UP if y < env.player_y else DOWN if y > env.player_y else toward(
            env.player_x, gold[0][0])
    return NONE


def play_freeway(env, dice):
    return UP


def play_seaquest(env, dice):
    enemies = [x for x in env.e_fish + env.e_subs if x[1] == env.sub_y]
    if enemies and dice.random() < 0.8:
        side = RIGHT if enemies[0][0] > env.sub_x else LEFT
        return FIRE if (side == RIGHT) == env.sub_or and env.shot_timer == 0 else side
    if env.diver_count > 0 and (env.oxygen < 60 or env.diver_count == 6):
        return UP
    if env.divers:
        diver = env.divers[0]
        return DOWN if diver[1] > env.sub_y else UP if diver[1] < max(env.sub_y, 1) else toward(
            env.sub_x, diver[0])
    return DOWN if env.sub_y < 3 else dice.choice([LEFT, RIGHT, FIRE])


def fnv(planes):
    value = 0x811C9DC5
    for byte in np.ascontiguousarray(planes, dtype=np.uint8).tobytes():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def record(game):
    env, dice = Environment(game), random.Random(7)
    play = globals()["play_" + game]
    lengths, total, best = [], 0, 0
    with open(OUT / f"minatar_{game}.bin", "wb") as out:
        episode = left = 0
        while left < STEPS:
            stream = Stream(episode)
            env.env.random, env.random, env.last_action = stream, Sticky(stream), 0
            env.reset()
            out.write(struct.pack("<4bI", -1, 0, 0, 0, fnv(env.state())))
            episode, terminated, length, score = episode + 1, False, 0, 0
            while not terminated and left < STEPS:
                wild = dice.random() < 0.05
                action = dice.randrange(6) if wild else play(env.env, dice)
                reward, terminated = env.act(action)
                out.write(struct.pack("<4bI", action, int(reward), bool(terminated), 0,
                                      fnv(env.state())))
                left, length, score = left + 1, length + 1, score + int(reward)
            lengths.append(length)
            best = max(best, score)
    print(f"{game}: {episode} episodes, longest {max(lengths)}, best score {best}, "
          f"ramp {env.env.difficulty_ramp()}")


if __name__ == "__main__":
    for name in GAMES:
        record(name)
