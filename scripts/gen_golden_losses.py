#!/usr/bin/env python3
"""Writes tests/golden/nn_loss_{policy,value,sac,vtrace,step}.bin: values and gradients of losses.

Policies, Q-learning, dueling, SAC: torch autograd in float64 from float32 inputs. V-trace, C51 and
quantile regression: DeepMind's rlax (its quantile loss is not divided by kappa, ours is). The step:
torch.optim with clip_grad_norm_.
Needs: pip install torch numpy jax rlax. Usage: scripts/gen_golden_losses.py
A file is records: name[24], count and bytes of an entry (uint32), the entries, little-endian;
nn_losses_test.c reads them in this order, by name.
"""
import pathlib
import struct

import jax
import jax.numpy as jnp
import numpy as np
import rlax
import torch
import torch.nn.functional as F

jax.config.update("jax_enable_x64", True)
torch.set_default_dtype(torch.float64)
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
LONG, SHORT = 131, 37  # rows: past one block of partial sums; odd


class File:
    def __init__(self, name):
        self.name, self.data = name, b""

    def put(self, name, array):
        if isinstance(array, torch.Tensor):
            array = array.detach().numpy()
        array = np.asarray(array)
        kind = {"f": "<f4", "i": "<i4", "b": "u1"}[array.dtype.kind]
        flat = array.astype(kind).ravel()
        raw = flat.tobytes()
        self.data += struct.pack("<24sII", name.encode(), flat.size, flat.itemsize)
        self.data += raw + b"\0" * (-len(raw) % 4)

    def close(self):
        (OUT / f"nn_loss_{self.name}.bin").write_bytes(self.data)


def randn(*shape):
    """float32 values, so that both sides start from the same numbers"""
    return torch.randn(*shape, dtype=torch.float32).double()


# ---- policies ----

def components(head, mask, counts):
    at = 0
    for count in counts:
        part = head[:, at:at + count]
        allowed = mask[:, at:at + count]
        log_p = F.log_softmax(part.masked_fill(~allowed, -torch.inf), 1)
        yield torch.where(allowed, log_p, 0.0), log_p.exp(), allowed
        at += count


def evaluate(d, head, log_std):
    """log-probability and entropy of every row"""
    n = len(head)
    if d["kind"] in ("gaussian", "squashed"):
        normal = torch.distributions.Normal(head, log_std.exp().expand_as(head))
        dist = normal
        if d["kind"] == "squashed":
            dist = torch.distributions.TransformedDistribution(
                normal, torch.distributions.TanhTransform())
        return dist.log_prob(d["action"][:n]).sum(1), normal.entropy().sum(1)
    log_prob, entropy = 0, 0
    for c, (log_p, p, _) in enumerate(components(head, d["mask"][:n], d["counts"])):
        log_prob = log_prob + log_p.gather(1, d["action"][:n, c:c + 1].long())[:, 0]
        entropy = entropy - (p * log_p).sum(1)
    return log_prob, entropy


def leaves(d, n):
    return (d["head"][:n].clone().requires_grad_(), d["log_std"].clone().requires_grad_(),
            d["value"][:n].clone().requires_grad_())


def finish(f, name, loss, sums, head, log_std, value=None):
    loss.backward()
    f.put(name + ".sums", torch.stack([torch.as_tensor(s, dtype=torch.float64) for s in sums]))
    f.put(name + ".d_head", head.grad)
    f.put(name + ".d_log_std", torch.zeros(0) if log_std.grad is None else log_std.grad)
    if value is not None:
        f.put(name + ".d_value", value.grad)


def ppo(f, name, d, clip, vf_clip, vf_coef, ent_coef):
    head, log_std, value = leaves(d, LONG)
    log_prob, entropy = evaluate(d, head, log_std)
    log_ratio = log_prob - d["old_log_prob"]
    ratio, adv = log_ratio.exp(), d["advantage"]
    policy = torch.max(-adv * ratio, -adv * ratio.clamp(1 - clip, 1 + clip))
    squares = (value - d["ret"]) ** 2
    if vf_clip > 0:
        bounded = d["old_value"] + (value - d["old_value"]).clamp(-vf_clip, vf_clip)
        squares = torch.max(squares, (bounded - d["ret"]) ** 2)
    loss = (policy - ent_coef * entropy + 0.5 * vf_coef * squares).mean()
    sums = (policy.sum(), 0.5 * squares.sum(), entropy.sum(), (ratio - 1 - log_ratio).sum(),
            ((ratio - 1).abs() > clip).sum())
    finish(f, name, loss, sums, head, log_std, value)


def policy_gradient(f, d):
    head, log_std, value = leaves(d, SHORT)
    log_prob, entropy = evaluate(d, head, log_std)
    policy = -d["advantage"][:SHORT] * log_prob
    squares = (value - d["ret"][:SHORT]) ** 2
    loss = policy.mean() + 0.7 * squares.mean() / 2 - 0.02 * entropy.mean()
    finish(f, "pg", loss, (policy.sum(), 0.5 * squares.sum(), entropy.sum(), 0, 0), head, log_std,
           value)


def cloning(f, d):
    head, log_std, _ = leaves(d, SHORT)
    log_prob, entropy = evaluate(d, head, log_std)
    loss = -log_prob.mean() - 0.03 * entropy.mean()
    finish(f, "bc", loss, (-log_prob.sum(), 0, entropy.sum(), 0, 0), head, log_std)


def distillation(f, d):
    head, log_std, _ = leaves(d, SHORT)
    teacher, teacher_log_std, t = d["teacher"][:SHORT], d["teacher_log_std"], 2.5
    if d["kind"] in ("gaussian", "squashed"):
        kl = torch.distributions.kl_divergence(
            torch.distributions.Normal(teacher, teacher_log_std.exp()),
            torch.distributions.Normal(head, log_std.exp().expand_as(head))).sum(1)
    else:
        mask, kl = d["mask"][:SHORT], 0
        for s, q in zip(components(head / t, mask, d["counts"]),
                        components(teacher / t, mask, d["counts"])):
            kl = kl + t * t * (q[1] * (q[0] - s[0])).sum(1)
    finish(f, "distill", kl.mean(), (kl.sum(), 0, 0, kl.sum(), 0), head, log_std)


def policy_case(f, name, kind, counts, masked):
    width = sum(counts)
    d = {"kind": kind, "counts": counts, "head": randn(LONG, width), "log_std": randn(width) * 0.5,
         "mask": torch.ones(LONG, width, dtype=torch.bool)}
    d["teacher"], d["teacher_log_std"] = randn(LONG, width), d["log_std"] + 0.3
    d["log_std"] = d["log_std"].float().double()
    d["teacher_log_std"] = d["teacher_log_std"].float().double()
    if masked:
        d["mask"] = torch.rand(LONG, width) < 0.6
    if kind in ("gaussian", "squashed"):
        d["action"] = randn(LONG, width)
        if kind == "squashed":
            d["action"] = torch.tanh(d["action"]).float().double()
    else:
        actions, at = [], 0
        for count in counts:
            chosen = torch.randint(count, (LONG,))
            d["mask"][torch.arange(LONG), at + chosen] = True
            actions.append(chosen)
            at += count
        d["action"] = torch.stack(actions, 1)
    noise = 0.3 * randn(LONG)
    d["old_log_prob"] = (evaluate(d, d["head"], d["log_std"])[0] + noise).float().double()
    for key in ("value", "old_value", "advantage", "ret"):
        d[key] = randn(LONG)
    d["old_value"] = (d["value"] + 0.4 * d["old_value"]).float().double()
    f.put(name, np.array([width, len(counts), masked], "i4"))
    for key in ("head", "log_std", "teacher", "teacher_log_std", "mask", "action", "old_log_prob",
                "value", "old_value", "advantage", "ret"):
        f.put(key, d[key])
    ppo(f, "ppo", d, 0.2, 0.3, 0.5, 0.01)
    ppo(f, "ppo_plain", d, 0.1, 0.0, 1.0, 0.0)
    policy_gradient(f, d)
    cloning(f, d)
    distillation(f, d)


def policies():
    f = File("policy")
    policy_case(f, "categorical", "categorical", (5,), False)
    policy_case(f, "categorical_masked", "categorical", (5,), True)
    policy_case(f, "multi", "multi", (3, 1, 4, 2, 3), False)
    policy_case(f, "multi_masked", "multi", (3, 1, 4, 2, 3), True)
    policy_case(f, "gaussian", "gaussian", (1, 1, 1), False)
    policy_case(f, "squashed", "squashed", (1, 1, 1), False)
    f.close()


# ---- values ----

def values_case(n, *shape):
    reward, weight = randn(n), torch.rand(n, dtype=torch.float32).double() + 0.5
    discount = torch.full((n,), 0.97).float().double() ** 3  # three steps
    discount = torch.where(torch.rand(n) < 0.3, 0.0, discount).float().double()
    return (randn(n, *shape), randn(n, *shape), randn(n, *shape),
            torch.randint(shape[0], (n,)), reward, discount, weight)


def put_inputs(f, inputs):
    for name, value in zip(("q", "next_q", "next_select", "action", "reward", "discount", "weight"),
                           inputs):
        f.put(name, value)


def q_learning(f):
    q, next_q, select, action, reward, discount, weight = inputs = values_case(SHORT, 5)
    put_inputs(f, inputs)
    for name, delta, double, weighted in (("plain", 0, False, False), ("double", 0.8, True, True)):
        leaf = q.clone().requires_grad_()
        best = (select if double else next_q).argmax(1, keepdim=True)
        target = reward + discount * next_q.gather(1, best)[:, 0]
        taken = leaf.gather(1, action[:, None])[:, 0]
        error = taken - target
        huber = F.huber_loss(taken, target, reduction="none", delta=delta or 1)
        each = huber if delta else 0.5 * error ** 2
        loss = (weight if weighted else 1) * each
        loss.mean().backward()
        f.put(f"{name}.loss", loss.sum().reshape(1))
        f.put(f"{name}.error", error)
        f.put(f"{name}.d_q", leaf.grad)


def dueling(f, atoms):
    value, advantage = randn(SHORT, 1, atoms), randn(SHORT, 4, atoms)
    value.requires_grad_(), advantage.requires_grad_()
    q = value + advantage - advantage.mean(1, keepdim=True)
    d_q = randn(SHORT, 4, atoms)
    q.backward(d_q)
    for name, x in (("value", value), ("advantage", advantage), ("q", q), ("d_q", d_q),
                    ("d_value", value.grad), ("d_advantage", advantage.grad)):
        f.put(name, x)


def distribution(f, inputs, name, per_row, double, weighted):
    """per_row(q, next, select, action, reward, discount) -> loss, in jax"""
    q, next_q, select, action, reward, discount, weight = (x.numpy() for x in inputs)
    weight = weight if weighted else np.ones_like(weight)
    select = select if double else next_q

    def total(x):
        rows = [per_row(x[i], next_q[i], select[i], int(action[i]), reward[i], discount[i])
                for i in range(len(x))]
        losses = jnp.stack(rows)
        return (weight * losses).mean(), losses

    d_q, losses = jax.grad(total, has_aux=True)(jnp.asarray(q))
    f.put(f"{name}.loss", np.array([(weight * losses).sum()]))
    f.put(f"{name}.error", losses)
    f.put(f"{name}.d_q", d_q)


def c51(f):
    inputs = values_case(19, 3, 51)
    put_inputs(f, inputs)
    atoms = jnp.linspace(-2.0, 3.0, 51)

    def row(q, next_q, select, action, reward, discount):
        means = (jax.nn.softmax(select) * atoms).sum(-1)
        return rlax.categorical_double_q_learning(atoms, q, action, reward, discount, atoms,
                                                  jnp.asarray(next_q), means)

    distribution(f, inputs, "plain", row, False, False)
    distribution(f, inputs, "double", row, True, True)


def quantiles(f, atoms):
    inputs = values_case(19, 3, atoms)
    put_inputs(f, inputs)
    tau = (jnp.arange(atoms) + 0.5) / atoms

    def row(kappa):
        return lambda q, next_q, select, action, reward, discount: rlax.quantile_q_learning(
            q.T, tau, action, reward, discount, jnp.asarray(select.T), jnp.asarray(next_q.T),
            kappa) / (kappa or 1)

    distribution(f, inputs, "plain", row(0.0), False, False)
    distribution(f, inputs, "double", row(0.7), True, True)


def values():
    f = File("value")
    q_learning(f)
    dueling(f, 1)
    dueling(f, 7)
    c51(f)
    quantiles(f, 7)
    quantiles(f, 32)
    f.close()


# ---- SAC ----

def sac():
    f, n, width, low, high, target_entropy = File("sac"), SHORT, 3, -4.0, 1.0, -3.0
    head, eps = randn(n, 2 * width), randn(n, width)
    head[:, width:] *= 2
    head = head.float().double()
    alpha = randn(1) * 0.3
    leaf, log_alpha = head.clone().requires_grad_(), alpha.clone().requires_grad_()
    mean, log_std = leaf[:, :width], leaf[:, width:].clamp(low, high)
    u = mean + log_std.exp() * eps
    action = torch.tanh(u)
    normal = torch.distributions.Normal(mean, log_std.exp())
    log_prob = (normal.log_prob(u) - 2 * (np.log(2) - u - F.softplus(-2 * u))).sum(1)
    w1, w2 = randn(width, 8), randn(width, 8)  # two small critics, whose derivative is given
    q1, q2 = (torch.tanh(action @ w).sum(1) for w in (w1, w2))
    least = torch.min(q1, q2)
    dq_da = torch.autograd.grad(least.sum(), action, retain_graph=True)[0]
    actor = (log_alpha.exp().detach() * log_prob - least)
    actor.mean().backward()
    gap = (log_prob + target_entropy).detach()
    (-(log_alpha * gap).mean()).backward()
    for name, x in (("head", head), ("eps", eps), ("log_alpha", alpha), ("action", action),
                    ("log_prob", log_prob), ("dq_da", dq_da), ("actor_q1", q1), ("actor_q2", q2),
                    ("actor.loss", actor.sum().reshape(1)), ("actor.d_head", leaf.grad),
                    ("d_log_alpha", log_alpha.grad)):
        f.put(name, x)
    q = [randn(n).requires_grad_() for _ in range(2)]
    next_q, next_log_prob = [randn(n) for _ in range(2)], randn(n)
    _, _, _, _, reward, discount, _ = values_case(n, 2)
    target = reward + discount * (torch.min(*next_q) - alpha.exp() * next_log_prob)
    loss = 0.5 * ((q[0] - target) ** 2 + (q[1] - target) ** 2)
    loss.mean().backward()
    for name, x in (("q1", q[0]), ("q2", q[1]), ("next_q1", next_q[0]), ("next_q2", next_q[1]),
                    ("next_log_prob", next_log_prob), ("reward", reward), ("discount", discount),
                    ("critic.loss", loss.sum().reshape(1)), ("d_q1", q[0].grad),
                    ("d_q2", q[1].grad)):
        f.put(name, x)
    f.close()


# ---- V-trace ----

def vtrace():
    """Pieces between the ends of episodes, each by rlax."""
    f, steps, envs, gamma = File("vtrace"), 23, 5, 0.95
    reward, final = randn(steps, envs), randn(steps, envs)
    value, log_ratio = randn(steps + 1, envs), 0.6 * randn(steps, envs)
    log_ratio = log_ratio.float().double()
    ends = torch.rand(steps, envs)
    terminated, truncated = ends < 0.1, (ends >= 0.1) & (ends < 0.2)
    terminated[steps - 1, 0], truncated[steps - 1, 0] = True, False
    terminated[steps - 1, 1], truncated[steps - 1, 1] = False, True
    terminated[steps - 1, 2], truncated[steps - 1, 2] = False, False
    for name, x in (("reward", reward), ("final", final), ("value", value), ("ratio", log_ratio),
                    ("terminated", terminated), ("truncated", truncated)):
        f.put(name, x)
    cases = (("clipped", 1.0, 1.2, True), ("lambda", 0.9, 1.0, False))
    for name, lam, rho_max, advantages in cases:
        target, advantage = np.zeros((steps, envs)), np.zeros((steps, envs))
        for e in range(envs):
            first = 0
            for t in range(steps):
                if not (terminated[t, e] or truncated[t, e] or t == steps - 1):
                    continue
                piece = slice(first, t + 1)
                after = value[first + 1:t + 2, e].clone()
                discount = torch.full((t + 1 - first,), gamma)
                if terminated[t, e]:
                    discount[-1] = 0
                if truncated[t, e]:
                    after[-1] = final[t, e]
                ratio = log_ratio[piece, e].exp()
                x = [jnp.asarray(y.numpy())
                     for y in (value[piece, e], after, reward[piece, e], discount, ratio)]
                out = rlax.vtrace_td_error_and_advantage(
                    *x, lambda_=lam, clip_rho_threshold=rho_max, clip_pg_rho_threshold=rho_max)
                target[piece, e] = value[piece, e].numpy() + out.errors
                advantage[piece, e] = out.pg_advantage
                first = t + 1
        f.put(name + ".target", target)
        if advantages:  # rlax mixes values into them where lambda is below 1
            f.put(name + ".advantage", advantage)
    f.close()


# ---- step ----

def step():
    f = File("step")
    torch.manual_seed(8)
    start, grads = torch.randn(1037).float(), torch.randn(3, 1037).float()
    grads[1] *= 0.01  # below the limit of the norm
    f.put("params", start)
    f.put("grads", grads)
    for make in (lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-5),
                 lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
                 lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
                 lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.99)):
        leaf, norms = start.clone().requires_grad_(), []
        optimiser = make([leaf])
        for grad in grads:
            leaf.grad = grad.clone()
            norms.append(torch.nn.utils.clip_grad_norm_([leaf], 0.5))
            optimiser.step()
        f.put("after", leaf)
        f.put("norms", torch.stack(norms))
    f.close()


if __name__ == "__main__":
    for seed, write in enumerate((policies, values, sac, vtrace, step)):
        torch.manual_seed(seed + 1)
        write()
