"""Golden values of the time-varying Gaussian process of pb2, by NumPy's linear algebra: the kernel of
Bogunovic et al. (2016) as in Ray Tune's pb2_utils.TV_SquaredExp, plus noise.
Usage: python scripts/gen_golden_tv_gp.py > tests/golden/tv_gp.json"""
import json
import numpy as np

rng = np.random.default_rng(5)


def kernel(a, b, v, l, e):
    spatial = ((a[:, None, 1:] - b[None, :, 1:]) ** 2).sum(-1)
    return v * np.exp(-spatial / l) * (1 - e) ** (0.5 * abs(a[:, None, 0] - b[None, :, 0]))


def loss(x, y, theta):
    v, l, e, noise = np.exp(theta)
    k = kernel(x, x, v, l, e) + noise * np.eye(len(x))
    sign, log_det = np.linalg.slogdet(k)
    return 0.5 * y @ np.linalg.solve(k, y) + 0.5 * log_det + 0.5 * len(x) * np.log(2 * np.pi)


cases = []
for n, d in ((1, 1), (5, 2), (17, 3), (40, 5)):
    x = rng.random((n, 1 + d))
    y = rng.standard_normal(n)
    theta = np.log([rng.uniform(0.3, 3), rng.uniform(0.1, 4), rng.uniform(0.01, 0.4), rng.uniform(0.01, 0.3)])
    v, l, e, noise = np.exp(theta)
    queries, pending = rng.random((4, 1 + d)), rng.random((2, 1 + d))
    k = kernel(x, x, v, l, e) + noise * np.eye(n)
    cross = kernel(queries, x, v, l, e)
    mean = cross @ np.linalg.solve(k, y)
    both = np.vstack((x, pending))
    cross_both = kernel(queries, both, v, l, e)
    k_both = kernel(both, both, v, l, e) + noise * np.eye(n + 2)
    gradient = []
    for j in range(4):
        h = np.zeros(4)
        h[j] = 1e-6
        gradient.append((loss(x, y, theta + h) - loss(x, y, theta - h)) / 2e-6)
    cases.append({
        "d": d, "x": x.tolist(), "y": y.tolist(), "theta": theta.tolist(), "loss": loss(x, y, theta),
        "gradient": gradient, "queries": queries.tolist(), "mean": mean.tolist(),
        "variance": (v - (cross * np.linalg.solve(k, cross.T).T).sum(1)).tolist(),
        "pending": pending.tolist(),
        "variance_pending": (v - (cross_both * np.linalg.solve(k_both, cross_both.T).T).sum(1)).tolist(),
    })
print(json.dumps(cases, separators=(",", ":")))
