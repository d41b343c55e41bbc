#!/usr/bin/env python3
"""Writes src/tuner/samplers/log_h_coefficients.inc.

Needs: pip install mpmath numpy. Usage: scripts/gen_log_h_lanes.py
h(z) = phi(z) + z Phi(z). With x >= 0 and t = 2 / (2 + x): h(-sqrt(2) x) = phi(sqrt(2) x) t^2
exp(Q(t)) for a smooth Q. The file holds the polynomial in 2 t - 1 that interpolates Q in
Chebyshev's points (highest power first), and the largest error found on a grid.
"""
import pathlib

import mpmath as mp
import numpy as np

from gen_erfc_lanes import POINTS, TERMS, monomials

ROOT = pathlib.Path(__file__).resolve().parent.parent
mp.mp.dps = 60


def smooth(t):
    t = mp.mpf(t)
    if t == 0:
        return mp.log(mp.mpf(1) / 8)
    z = mp.sqrt(2) * (2 / t - 2)
    if z > 1000:  # 1 - z R(z) by the asymptotic series of Mills' ratio R, DLMF 7.12.1
        rest = sum((-1) ** (k + 1) * mp.fac2(2 * k - 1) / z ** (2 * k) for k in range(1, 15))
    else:
        with mp.workdps(80):
            rest = 1 - z * mp.sqrt(mp.pi / 2) * mp.erfc(z / mp.sqrt(2)) * mp.exp(z * z / 2)
    return mp.log(rest) - 2 * mp.log(t)


def main():
    angles = [mp.pi * (k + mp.mpf(1) / 2) / POINTS for k in range(POINTS)]
    values = [smooth((mp.cos(a) + 1) / 2) for a in angles]
    chebyshev = [2 / mp.mpf(POINTS) * sum(v * mp.cos(j * a) for v, a in zip(values, angles))
                 for j in range(TERMS)]
    chebyshev[0] /= 2
    terms = monomials(chebyshev)
    error = max(abs(np.polyval(terms[::-1], 2 * t - 1) - float(smooth(t)))
                for t in np.linspace(0, 1, 1001))
    with open(ROOT / "src/tuner/samplers/log_h_coefficients.inc", "w") as out:
        out.write(f"/* Made by scripts/gen_log_h_lanes.py; error at most {error:.1g}. */\n")
        for term in reversed(terms):
            out.write(f"{term!r},\n")


if __name__ == "__main__":
    main()
