#!/usr/bin/env python3
"""Writes tests/golden/gp.json: Gaussian process regression and log expected improvement.

Needs: pip install numpy scikit-learn mpmath. Usage: scripts/gen_golden_gp.py
Cases: points on [0, 1]^d, their values, theta (logarithms of the inverse squared lengths, of the
scale, of the noise above 1e-6), the log marginal likelihood, mean and variance at queries. Those
with numbers alone are by scikit-learn (ConstantKernel * Matern(nu=2.5) + WhiteKernel), those with
categories by numpy from the formulas. "pending": mean and variance once a query has been added with
the predicted mean as its value, without noise but 1e-6. "log_h": z and log(phi(z) + z Phi(z)) to 60
digits by mpmath.
"""
import json
import pathlib

import mpmath
import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOISE_MIN = 1e-6


def kernel(a, b, weights, scale, categorical):
    difference = a[:, None, :] - b[None, :, :]
    distance = np.where(categorical, difference != 0, difference**2)
    r = np.sqrt(5 * distance @ weights)
    return scale * (1 + r + r * r / 3) * np.exp(-r)


def by_numpy(x, y, queries, theta, categorical, pending=0):
    d = x.shape[1]
    weights, scale, noise = np.exp(theta[:d]), np.exp(theta[d]), np.exp(theta[d + 1]) + NOISE_MIN
    noises = np.full(len(x), noise)
    noises[len(x) - pending:] = NOISE_MIN
    covariance = kernel(x, x, weights, scale, categorical) + np.diag(noises)
    cross = kernel(queries, x, weights, scale, categorical)
    solved = np.linalg.solve(covariance, y)
    likelihood = (-0.5 * y @ solved - 0.5 * np.linalg.slogdet(covariance)[1]
                  - 0.5 * len(x) * np.log(2 * np.pi))
    variance = scale - np.einsum("ij,ji->i", cross, np.linalg.solve(covariance, cross.T))
    return likelihood, cross @ solved, variance


def by_sklearn(x, y, queries, theta):
    d = x.shape[1]
    noise = np.exp(theta[d + 1]) + NOISE_MIN
    form = ConstantKernel(np.exp(theta[d])) * Matern(np.exp(-0.5 * theta[:d]), nu=2.5)
    model = GaussianProcessRegressor(form + WhiteKernel(noise), optimizer=None, alpha=0)
    model.fit(x, y)
    mean, std = model.predict(queries, return_std=True)
    return model.log_marginal_likelihood(model.kernel_.theta), mean, std**2 - noise


def case(rng, n, d, categories, theta):
    categorical = np.array([c > 0 for c in categories])

    def places(count):
        choices = [rng.integers(0, c, count) if c else rng.random(count) for c in categories]
        return np.stack(choices, axis=1).astype(float)

    x, queries, theta = places(n), places(5), np.array(theta, dtype=float)
    y = np.sin(5 * x[:, 0]) + x.sum(axis=1) - 1 + 0.1 * rng.standard_normal(n)
    likelihood, mean, variance = by_numpy(x, y, queries, theta, categorical)
    if not categorical.any():
        other = by_sklearn(x, y, queries, theta)
        for a, b in zip((likelihood, mean, variance), other):
            assert np.allclose(a, b, rtol=1e-7, atol=1e-9)
        likelihood, mean, variance = other
    more = np.vstack([x, queries[:1]]), np.append(y, mean[0])
    _, pending_mean, pending_variance = by_numpy(*more, queries, theta, categorical, 1)
    return {"x": x.tolist(), "y": y.tolist(), "categorical": categorical.tolist(),
            "theta": theta.tolist(), "queries": queries.tolist(), "likelihood": float(likelihood),
            "mean": mean.tolist(), "variance": variance.tolist(),
            "pending_mean": pending_mean.tolist(), "pending_variance": pending_variance.tolist()}


def log_h(z):
    with mpmath.workdps(60):
        z = mpmath.mpf(z)
        # the complement by erfc keeps its digits in the tail; 60 of them outlast the cancellation
        with mpmath.workdps(60 + int(2 * mpmath.log10(1 + abs(z))) + 20):
            value = mpmath.npdf(z) + z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2
            return float(mpmath.log(value))


def main():
    rng = np.random.default_rng(4)
    cases = [
        case(rng, 1, 1, [0], [1.0, 0.0, -3.0]),
        case(rng, 7, 1, [0], [3.0, 1.0, -6.0]),
        case(rng, 8, 2, [0, 0], [1.0, -2.0, 0.5, -4.0]),
        case(rng, 33, 3, [0, 0, 0], [2.0, 0.0, -1.0, -0.5, -9.0]),
        case(rng, 40, 4, [0, 3, 0, 2], [2.0, -0.5, 1.0, 0.3, 0.0, -5.0]),
        case(rng, 12, 2, [4, 2], [0.5, -0.5, 0.2, -2.0]),
    ]
    zs = [-1e8, -1e4, -300, -100, -38, -25, -10, -5, -3, -2.0001, -2, -1.9999, -1.5, -1, -0.5, 0,
          0.5, 1, 2, 5, 20, 1e3, 1e8]
    table = [[z, log_h(z)] for z in zs]
    with open(ROOT / "tests/golden/gp.json", "w") as out:
        json.dump({"cases": cases, "log_h": table}, out)
        out.write("\n")


if __name__ == "__main__":
    main()
