#!/usr/bin/env python3
"""tests/golden/race.json: one-sided tests of paired differences by SciPy: the p-value of a mean, or of
signed ranks, as far below 0 as these; and Friedman's test by SciPy with Conover's comparisons of all
pairs by scikit-posthocs. Needs: pip install scipy scikit-posthocs. Usage: gen_golden_race.py > tests/golden/race.json"""
import json
import warnings

import numpy as np
import scikit_posthocs
import scipy.stats

warnings.simplefilter("ignore")
rng = np.random.default_rng(5)
cases = []
for i in range(60):
    count = int(rng.integers(2, 13))
    d = rng.normal(rng.normal(0, 1), rng.choice([0.01, 0.5, 2.0]), count)
    if i % 5 == 0:
        d = np.round(d)
    if np.all(d == d[0]):
        continue
    cases.append({
        "d": d.tolist(),
        "t": float(scipy.stats.ttest_1samp(d, 0, alternative="less").pvalue),
        "wilcoxon": float(scipy.stats.wilcoxon(d, zero_method="zsplit", alternative="less").pvalue),
    })
several = []
for i in range(30):
    blocks, treatments = int(rng.integers(2, 9)), int(rng.integers(3, 12))
    values = rng.normal(0, 1, (blocks, treatments)) + rng.choice([0, 0.3, 1]) * np.arange(treatments)
    if i % 3 == 0:
        values = np.round(values)
    friedman = scipy.stats.friedmanchisquare(*values.T)
    several.append({
        "values": values.tolist(),
        "statistic": float(friedman.statistic),
        "p": float(friedman.pvalue),
        "conover": scikit_posthocs.posthoc_conover_friedman(values).to_numpy().tolist(),
    })
print(json.dumps({"scipy": scipy.__version__, "cases": cases, "several": several}))
