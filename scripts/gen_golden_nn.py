#!/usr/bin/env python3
"""Writes by torch: tests/golden/nn_<head>_<act>.bin, PPO losses, gradients and three Adam steps
(head: discrete, gaussian, squashed); nn_optimisers.bin, three steps of each optimiser.

Needs: pip install torch numpy. Usage: scripts/gen_golden_nn.py
Float32, little-endian, in order: params, obs, action, old_log_prob, old_value, advantage, ret,
[policy loss, value loss, entropy, approx_kl, clip fraction] (means), gradient, gradient norm,
params after three clipped Adam steps. nn_optimisers.bin: params[37], gradients[3][37], then for
each optimiser below in order the params after each step [3][37].
"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
OBS, HIDDEN, ROWS = 5, (17, 9), 70
CLIP, VF_CLIP, VF_COEF, ENT_COEF = 0.2, 0.3, 0.5, 0.01


def split(flat, out):
    layers, at, sizes = [], 0, (OBS, *HIDDEN, out)
    for a, b in zip(sizes, sizes[1:]):
        layers.append((flat[at:at + a * b].view(a, b), flat[at + a * b:at + a * b + b]))
        at += a * b + b
    return layers, flat[at:]


def net(layers, x, act):
    for i, (w, b) in enumerate(layers):
        x = x @ w + b
        x = act(x) if i + 1 < len(layers) else x
    return x


def evaluate(flat, d, actions, kind, act):
    actor, rest = split(flat, actions)
    critic, log_std = split(rest, 1)
    head, value = net(actor, d["obs"], act), net(critic, d["obs"], act)[:, 0]
    if kind == "discrete":
        dist = torch.distributions.Categorical(logits=head)
        return dist.log_prob(d["action"]), dist.entropy(), value
    normal = torch.distributions.Normal(head, log_std.exp().expand_as(head))
    tanh = torch.distributions.TanhTransform()
    dist = torch.distributions.TransformedDistribution(normal, tanh)
    dist = normal if kind == "gaussian" else dist
    # the squashed entropy has no closed form; that before tanh is the bonus
    return dist.log_prob(d["action"]).sum(1), normal.entropy().sum(1), value


def loss(flat, d, actions, kind, act):
    log_prob, entropy, value = evaluate(flat, d, actions, kind, act)
    log_ratio = log_prob - d["old_log_prob"]
    ratio, adv = log_ratio.exp(), d["advantage"]
    policy = torch.max(-adv * ratio, -adv * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
    bounded = d["old_value"] + (value - d["old_value"]).clamp(-VF_CLIP, VF_CLIP)
    critic_loss = 0.5 * torch.max((value - d["ret"]) ** 2, (bounded - d["ret"]) ** 2).mean()
    total = policy - ENT_COEF * entropy.mean() + VF_COEF * critic_loss
    kl = (ratio - 1 - log_ratio).mean()
    clipped = ((ratio - 1).abs() > CLIP).float().mean()
    return total, (policy, critic_loss, entropy.mean(), kl, clipped)


def write(kind, name, act):
    torch.manual_seed(3)
    discrete = kind == "discrete"
    actions = 3 if discrete else 2
    sizes = [(OBS, *HIDDEN, out) for out in (actions, 1)]
    count = sum((a + 1) * b for s in sizes for a, b in zip(s, s[1:])) + (0 if discrete else actions)
    flat = torch.randn(count) * 0.4
    d = {"obs": torch.randn(ROWS, OBS),
         "action": torch.randint(actions, (ROWS,)) if discrete else torch.randn(ROWS, actions)}
    d["old_log_prob"] = torch.randn(ROWS) * 0.3 + (-1.1 if discrete else -3.0)
    if kind == "squashed":
        d["action"] = torch.tanh(d["action"] * 1.5)
        noise = torch.randn(ROWS) * 0.3
        d["old_log_prob"] = evaluate(flat, d, actions, kind, act)[0] + noise
    d["old_value"], d["advantage"], d["ret"] = (torch.randn(ROWS) for _ in range(3))
    out = [flat.clone()] + [d[k].float() for k in
                            ("obs", "action", "old_log_prob", "old_value", "advantage", "ret")]
    flat.requires_grad_()
    adam = torch.optim.Adam([flat], lr=1e-2, eps=1e-5)
    for step in range(3):
        adam.zero_grad()
        total, stats = loss(flat, d, actions, kind, act)
        total.backward()
        if step == 0:
            out += [torch.stack(stats).detach(), flat.grad.clone()]
        norm = torch.nn.utils.clip_grad_norm_([flat], 0.5)
        if step == 0:
            out.append(norm.reshape(1))
        adam.step()
    out.append(flat.detach())
    data = np.concatenate([t.detach().numpy().astype("<f4").ravel() for t in out])
    data.tofile(OUT / f"nn_{kind}_{name}.bin")


OPTIMISERS = (
    lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.9, 0.999), eps=1e-5),
    lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-8, weight_decay=0.1),
    lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1),
    lambda p: torch.optim.SGD(p, lr=0.01),
    lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1),
    lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.99, eps=1e-8),
    lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-5, momentum=0.9, weight_decay=0.1),
)


def write_optimisers():
    torch.manual_seed(4)
    start, grads = torch.randn(37), torch.randn(3, 37)
    out = [start, grads]
    for make in OPTIMISERS:
        flat = start.clone().requires_grad_()
        optimiser = make([flat])
        for grad in grads:
            flat.grad = grad.clone()
            optimiser.step()
            out.append(flat.detach().clone())
    data = np.concatenate([t.numpy().astype("<f4").ravel() for t in out])
    data.tofile(OUT / "nn_optimisers.bin")


if __name__ == "__main__":
    write_optimisers()
    write("squashed", "tanh", torch.tanh)
    for kind in ("discrete", "gaussian"):
        for name, act in (("tanh", torch.tanh), ("relu", torch.relu), ("silu", F.silu)):
            write(kind, name, act)
