"""Studies of rltune from Python. The names are Optuna's: `import rltune as optuna` is the switch.

Needs the `rltune` program: in PATH, or named by the variable RLTUNE. docs/python.md is the guide.
"""
from . import distributions, pruners, samplers
from ._client import ConnectionLost, RltuneError, StaleTrial
from .study import (FrozenTrial, Study, StudyDirection, Trial, TrialPruned, TrialState,
                    create_study, load_study)

__all__ = [
    "ConnectionLost", "FrozenTrial", "RltuneError", "StaleTrial", "Study", "StudyDirection",
    "Trial", "TrialPruned", "TrialState", "create_study", "distributions", "load_study", "pruners",
    "samplers",
]
