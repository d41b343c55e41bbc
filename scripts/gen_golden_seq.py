#!/usr/bin/env python3
"""Writes by torch: tests/golden/nn_seq_<op>.bin for layer_norm, rms_norm, lstm, gru, attention and
gate: torch's own modules, or its primitives by the formulas of src/nn/ops.h; float64 throughout.

Needs: pip install torch numpy (torch 2.4 or later). Usage: scripts/gen_golden_seq.py
Float32, little-endian, in order: params, x, [x2: gate], reset, [state: lstm, gru, attention], dy,
y, [state after], dx, [dx2], gradient of the params. Sizes: the constants below. An episode's steps
are one call of the module: sequences are split at resets.
"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
STEPS, SEQS, IN, UNITS, HEADS, WIDTH, CONTEXT = 9, 5, 6, 17, 3, 12, 4


def runs(reset, n):
    """(first, end) of each run of steps of one episode in sequence n."""
    starts = [0] + [t for t in range(1, STEPS) if reset[t, n]]
    return list(zip(starts, starts[1:] + [STEPS]))


def recurrent(kind, p, x, reset, state):
    g = 4 if kind == "lstm" else 3
    module = (torch.nn.LSTM if kind == "lstm" else torch.nn.GRU)(IN, UNITS).double()
    wx, wh, rest = p.split([IN * g * UNITS, UNITS * g * UNITS, p.numel() - (IN + UNITS) * g * UNITS])
    # torch adds two biases; the LSTM here has their sum
    bx, bh = (rest, torch.zeros_like(rest)) if kind == "lstm" else rest.chunk(2)
    weights = {"weight_ih_l0": wx.view(IN, -1).T, "weight_hh_l0": wh.view(UNITS, -1).T,
               "bias_ih_l0": bx, "bias_hh_l0": bh}
    y, after = [], []
    for n in range(SEQS):
        parts = []
        for first, end in runs(reset, n):
            start = state[n] * 0 if reset[first, n] else state[n]
            start = [s.reshape(1, 1, -1) for s in start.chunk(2 if kind == "lstm" else 1)]
            start = tuple(start) if kind == "lstm" else start[0]
            out, last = torch.func.functional_call(module, weights, (x[first:end, n:n + 1], start))
            parts.append(out[:, 0])
        y.append(torch.cat(parts))
        after.append(torch.cat([s.flatten() for s in last]) if kind == "lstm" else last.flatten())
    return torch.stack(y, 1), torch.stack(after)


def attention(p, x, reset, state):
    w, width = WIDTH, WIDTH // HEADS
    wqkv, bqkv, wo, bo, bias = p.split([3 * w * w, 3 * w, w * w, w, HEADS * CONTEXT])
    bias = bias.view(HEADS, CONTEXT)
    y, after = [], []
    for n in range(SEQS):
        parts = []
        past = state[n, :-1].view(2, CONTEXT, w)
        for first, end in runs(reset, n):
            count = 0 if reset[first, n] else int(state[n, -1])
            if first > 0:
                count = 0
            q, k, v = (x[first:end, n] @ wqkv.view(w, -1) + bqkv).chunk(3, 1)
            k = torch.cat([past[0, CONTEXT - count:], k])
            v = torch.cat([past[1, CONTEXT - count:], v])
            split = lambda m: m.view(-1, HEADS, width).transpose(0, 1)
            back = count + torch.arange(end - first)[:, None] - torch.arange(len(k))[None]
            seen = (back >= 0) & (back < CONTEXT)
            mask = torch.where(seen, bias[:, back.clamp(0, CONTEXT - 1)], -torch.inf)
            out = F.scaled_dot_product_attention(split(q), split(k), split(v), attn_mask=mask)
            parts.append(out.transpose(0, 1).reshape(-1, w) @ wo.view(w, w) + bo)
        y.append(torch.cat(parts))
        kept = min(CONTEXT, len(k))
        fill = torch.zeros(CONTEXT - kept, w)
        after.append(torch.cat([fill.flatten(), k[-kept:].flatten(), fill.flatten(),
                                v[-kept:].flatten(), torch.tensor([float(kept)])]))
    return torch.stack(y, 1), torch.stack(after)


def gate(p, x, branch):
    w = WIDTH
    wr, ur, wz, uz, wg, ug = (m.view(w, w) for m in p[:-w].split(w * w))
    r = torch.sigmoid(branch @ wr + x @ ur)
    z = torch.sigmoid(branch @ wz + x @ uz - p[-w:])
    h = torch.tanh(branch @ wg + (r * x) @ ug)
    return (1 - z) * x + z * h


def case(op):
    recur = op in ("lstm", "gru")
    width, out = (IN, UNITS) if recur else (WIDTH, WIDTH)
    count = {"layer_norm": 2 * WIDTH, "rms_norm": WIDTH, "gate": 6 * WIDTH * WIDTH + WIDTH,
             "attention": 4 * WIDTH * WIDTH + 4 * WIDTH + HEADS * CONTEXT,
             "lstm": 4 * UNITS * (IN + UNITS + 1), "gru": 3 * UNITS * (IN + UNITS + 2)}[op]
    states = {"lstm": 2 * UNITS, "gru": UNITS, "attention": 2 * CONTEXT * WIDTH + 1}.get(op, 0)
    leaf = lambda *shape: (torch.randn(*shape) * 0.5).float().double().requires_grad_()
    p, x, dy = leaf(count), leaf(STEPS, SEQS, width), leaf(STEPS, SEQS, out).detach()
    x2 = leaf(STEPS, SEQS, width) if op == "gate" else None
    reset = (torch.rand(STEPS, SEQS) < 0.2).double()
    reset[0, 0] = 1
    state = (torch.randn(SEQS, states) * 0.5).float().double()
    if op == "attention":
        for n in range(SEQS):  # the count, and nothing before the episode's first step
            state[n, -1] = n
            state[n, :-1].view(2, CONTEXT, WIDTH)[:, :max(CONTEXT - n, 0)] = 0
    after = None
    if recur:
        y, after = recurrent(op, p, x, reset, state)
    elif op == "attention":
        y, after = attention(p, x, reset, state)
    elif op == "gate":
        y = gate(p, x, x2)
    elif op == "layer_norm":
        y = F.layer_norm(x, (WIDTH,), p[:WIDTH], p[WIDTH:], eps=1e-5)
    else:
        y = F.rms_norm(x, (WIDTH,), p, eps=1e-6)
    (y * dy).sum().backward()
    parts = [p, x, x2, reset, state if states else None, dy, y, after, x.grad,
             x2.grad if x2 is not None else None, p.grad]
    return [part for part in parts if part is not None]


torch.set_default_dtype(torch.float64)
for seed, op in enumerate(("layer_norm", "rms_norm", "lstm", "gru", "attention", "gate")):
    torch.manual_seed(seed)
    flat = np.concatenate([part.detach().numpy().ravel() for part in case(op)])
    (OUT / f"nn_seq_{op}.bin").write_bytes(flat.astype("<f4").tobytes())
