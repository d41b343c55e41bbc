#!/usr/bin/env python3
"""Writes tests/golden/nn_ops_<case>.bin by torch in double precision: networks of layers, forward
and gradients of sum(head * head_weight) + sum(value * value_weight).

Needs: pip install torch numpy. Usage: scripts/gen_golden_ops.py
Float32, little-endian, in order: params, obs, head_weight, value_weight, head, value, gradient of
params, gradient of obs. Parameters are laid out as src/nn/ops.h says; images are
[height][width][channels]. The cases are those of tests/unit/nn_ops_test.c.
"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
ACTS = {"tanh": torch.tanh, "relu": F.relu, "silu": F.silu, "none": lambda x: x}
HEAD, ROWS = 5, 6


class Params:
    """Hands out slices of one flat vector; the first pass only counts."""

    def __init__(self, flat=None):
        self.flat, self.at = flat, 0

    def take(self, *shape):
        size = int(np.prod(shape))
        part = self.flat[self.at:self.at + size] if self.flat is not None else torch.zeros(size)
        self.at += size
        return part.double().view(*shape)


def dense(p, x, units, act):
    x = x.reshape(len(x), -1)
    w, b = p.take(x.shape[1], units), p.take(units)
    return ACTS[act](x @ w + b)


def conv(p, x, filters, kernel, stride, pad, act):
    w = p.take(kernel, kernel, x.shape[3], filters).permute(3, 2, 0, 1)
    y = F.conv2d(x.permute(0, 3, 1, 2), w, p.take(filters), stride, pad)
    return ACTS[act](y.permute(0, 2, 3, 1))


def max_pool(p, x, kernel, stride, pad):
    return F.max_pool2d(x.permute(0, 3, 1, 2), kernel, stride, pad).permute(0, 2, 3, 1)


def embed(p, x, units):
    return x.reshape(len(x), -1) @ p.take(x.reshape(len(x), -1).shape[1], units)


def activation(p, x, act):
    return ACTS[act](x)


def residual(p, x, *layers):
    y = run(layers, p, x)
    return x + y.reshape(x.shape)


def run(layers, p, x):
    for f, *args in layers:
        x = f(p, x, *args)
    return x


def impala(channels):
    block = (residual, (activation, "relu"), (conv, channels, 3, 1, 1, "relu"),
             (conv, channels, 3, 1, 1, "none"))
    return [(conv, channels, 3, 1, 1, "none"), (max_pool, 3, 2, 1), block, block]


CASES = {
    "dense": ((1, 1, 13), False, [(dense, 21, "tanh"), (dense, 18, "relu"), (dense, 7, "silu"),
                                  (dense, 33, "none")]),
    "narrow": ((1, 1, 48), True, [(dense, 32, "silu"), (dense, 16, "relu")]),
    "conv": ((11, 9, 3), False, [(conv, 8, 3, 2, 1, "relu"), (conv, 5, 4, 1, 0, "silu"),
                                 (conv, 7, 2, 2, 1, "tanh"), (conv, 6, 1, 1, 0, "none")]),
    "pool": ((10, 11, 4), True, [(conv, 8, 3, 1, 1, "none"), (max_pool, 3, 2, 1),
                                 (activation, "relu"), (max_pool, 2, 2, 0), (dense, 9, "tanh")]),
    "embed": ((1, 1, 12), False, [(embed, 16), (dense, 10, "relu")]),
    "nature": ((36, 36, 2), False, [(conv, 8, 8, 4, 0, "relu"), (conv, 16, 4, 2, 0, "relu"),
                                    (conv, 16, 3, 1, 0, "relu"), (dense, 32, "relu")]),
    "impala": ((16, 16, 3), False, impala(4) + impala(8) + [(activation, "relu"),
                                                            (dense, 24, "relu")]),
}


def heads(case, p, obs):
    _, separate, layers = CASES[case]
    trunk = run(layers, p, obs)
    head = dense(p, trunk, HEAD, "none")
    trunk = run(layers, p, obs) if separate else trunk
    return head, dense(p, trunk, 1, "none")


def write(case):
    torch.manual_seed(5)
    shape = CASES[case][0]
    obs = torch.randn(ROWS, *shape)
    if case == "embed":
        obs = torch.cat([F.one_hot(torch.arange(ROWS) % 7, 7),
                         F.one_hot(torch.arange(ROWS) * 2 % 5, 5)], 1).float().view(ROWS, *shape)
    counter = Params()
    heads(case, counter, obs.double())
    flat = torch.randn(counter.at) * 0.25
    weights = [torch.randn(ROWS, HEAD), torch.randn(ROWS, 1)]
    flat.requires_grad_()
    obs.requires_grad_()
    head, value = heads(case, Params(flat), obs.double())
    loss = (head * weights[0].double()).sum() + (value * weights[1].double()).sum()
    loss.backward()
    parts = [flat, obs, *weights, head, value, flat.grad, obs.grad]
    data = np.concatenate([t.detach().numpy().astype("<f4").ravel() for t in parts])
    data.tofile(OUT / f"nn_ops_{case}.bin")


if __name__ == "__main__":
    for name in CASES:
        write(name)
