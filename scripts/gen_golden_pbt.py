"""Golden values of Ray Tune's PopulationBasedTraining: sizes of its quantiles, and every outcome of its
explore() without resampling. Writes tests/golden/pbt.txt.
Usage: python scripts/gen_golden_pbt.py > tests/golden/pbt.txt   (needs ray[tune])"""
import random
import ray
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining
from ray.tune.schedulers import pbt as module

class Trial:
    def __init__(self, name): self.name = name
    def is_finished(self): return False

print("# Ray Tune", ray.__version__, "- quantile: trials, fraction, size; explore: see the test")
for fraction in (0, 0.1, 0.25, 0.3, 0.5):
    for n in range(1, 26):
        s = PopulationBasedTraining(metric="m", mode="max", perturbation_interval=1,
                                    quantile_fraction=fraction, hyperparam_mutations={"a": [1]})
        for i in range(n):
            state = module._PBTTrialState.__new__(module._PBTTrialState)
            state.last_score = float((i * 7) % n)
            s._trial_state[Trial(i)] = state
        low, high = s._quantiles()
        assert len(low) == len(high)
        print("quantile", n, fraction, len(low))
cases = [("uniform", tune.uniform(0, 1), [0.5, 0.9, 1e-3]), ("randint", tune.randint(1, 100), [1, 2, 3, 10, 50]),
         ("choice", [1, 2, 4, 8], [1, 2, 4, 8])]
for name, space, values in cases:
    for value in values:
        outcomes = set()
        for i in range(200):
            random.seed(i)
            new, _ = module._explore({"a": value}, {"a": space}, 0.0, (1.2, 0.8), None)
            outcomes.add(new["a"])
        print("explore", name, value, *sorted(outcomes))
