#!/usr/bin/env python3
"""Writes src/tuner/samplers/erfc_coefficients.inc.

Needs: pip install mpmath numpy. Usage: scripts/gen_erfc_lanes.py
With t = 2 / (2 + z), z >= 0: erfc(z) = t exp(P(t) - z^2) for a smooth P. The file holds the
polynomial in 2 t - 1 that interpolates P in Chebyshev's points (highest power first), and the
largest error found on a grid.
"""
import pathlib

import mpmath as mp
import numpy as np

TERMS, POINTS = 22, 64
ROOT = pathlib.Path(__file__).resolve().parent.parent
mp.mp.dps = 60


def smooth(t):
    t = mp.mpf(t)
    if t == 0:
        return mp.log(1 / (2 * mp.sqrt(mp.pi)))
    z = 2 / t - 2
    if z > 1000:  # the asymptotic series, DLMF 7.12.1
        series = sum((-1) ** k * mp.fac2(2 * k - 1) / (2 * z * z) ** k for k in range(15))
        return mp.log(series / (z * mp.sqrt(mp.pi)) / t)
    return mp.log(mp.erfc(z)) + z * z - mp.log(t)


def monomials(chebyshev):
    polynomials = [[1], [0, 1]]
    while len(polynomials) < TERMS:
        doubled = [0] + [2 * v for v in polynomials[-1]]
        for i, v in enumerate(polynomials[-2]):
            doubled[i] -= v
        polynomials.append(doubled)
    out = [mp.mpf(0)] * TERMS
    for c, polynomial in zip(chebyshev, polynomials):
        for i, v in enumerate(polynomial):
            out[i] += c * v
    return [float(v) for v in out]


def main():
    angles = [mp.pi * (k + mp.mpf(1) / 2) / POINTS for k in range(POINTS)]
    values = [smooth((mp.cos(a) + 1) / 2) for a in angles]
    chebyshev = [2 / mp.mpf(POINTS) * sum(v * mp.cos(j * a) for v, a in zip(values, angles))
                 for j in range(TERMS)]
    chebyshev[0] /= 2
    terms = monomials(chebyshev)
    error = max(abs(np.polyval(terms[::-1], 2 * t - 1) - float(smooth(t)))
                for t in np.linspace(0, 1, 1001))
    with open(ROOT / "src/tuner/samplers/erfc_coefficients.inc", "w") as out:
        out.write(f"/* Made by scripts/gen_erfc_lanes.py; error at most {error:.1g}. */\n")
        for term in reversed(terms):
            out.write(f"{term!r},\n")


if __name__ == "__main__":
    main()
