#!/usr/bin/env python3
"""Writes src/tuner/samplers/sobol_directions.inc and tests/golden/sobol.bin.

Needs: pip install scipy==1.17.1 numpy. Usage: scripts/gen_golden_sobol.py
The table: polynomial and initial direction numbers of new-joe-kuo-6.21201 (S. Joe, F. Y. Kuo), as
SciPy carries it, for dimensions 2 to 100. The golden file: the first 64 points of
scipy.stats.qmc.Sobol(100, scramble=False), each coordinate times 2^32 as a little-endian uint32,
point after point.
"""
import pathlib

import numpy as np
import scipy.stats
from scipy.stats import qmc

DIMENSIONS = 100
POINTS = 64
DEGREE_MAX = 9  # of the polynomials up to dimension 100
ROOT = pathlib.Path(__file__).resolve().parent.parent
HEAD = """\
/* Made by scripts/gen_golden_sobol.py: new-joe-kuo-6, dimensions 2 to {dimensions}.
 * {{polynomial, {{m_1, m_2, ...}}}}
 * The numbers are by Frances Y. Kuo and Stephen Joe (web.maths.unsw.edu.au/~fkuo/sobol), who ask
 * for this notice: Copyright (c) 2008, Frances Y. Kuo and Stephen Joe. All rights reserved.
 * Redistribution and use in source and binary forms, with or without modification, are permitted
 * provided that the following conditions are met: redistributions of source code must retain the
 * above copyright notice, this list of conditions and the following disclaimer; redistributions in
 * binary form must reproduce them in the documentation and/or other materials provided with the
 * distribution; neither the names of the copyright holders nor the names of the University of New
 * South Wales and the University of Waikato and its contributors may be used to endorse or promote
 * products derived from this software without specific prior written permission. THIS SOFTWARE IS
 * PROVIDED BY THE COPYRIGHT HOLDERS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT
 * NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE
 * ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDERS BE LIABLE FOR ANY DIRECT, INDIRECT,
 * INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES, HOWEVER CAUSED AND ON ANY THEORY OF
 * LIABILITY, ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE. */
"""


def main():
    table = np.load(pathlib.Path(scipy.stats.__file__).parent / "_sobol_direction_numbers.npz")
    with open(ROOT / "src/tuner/samplers/sobol_directions.inc", "w") as out:
        out.write(HEAD.format(dimensions=DIMENSIONS))
        for dimension in range(1, DIMENSIONS):
            polynomial = int(table["poly"][dimension])
            degree = polynomial.bit_length() - 1
            assert degree <= DEGREE_MAX
            numbers = ", ".join(str(int(m)) for m in table["vinit"][dimension][:degree])
            out.write(f"{{{polynomial}, {{{numbers}}}}},\n")
    points = qmc.Sobol(DIMENSIONS, scramble=False, bits=32).random(POINTS)
    (points * 2**32).astype("<u4").tofile(ROOT / "tests/golden/sobol.bin")


if __name__ == "__main__":
    main()
