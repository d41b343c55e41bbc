"""Studies of rltune from Python. The names are Optuna's: `import rltune as optuna` is the switch.

Needs the `rltune` program: in PATH, or named by the variable RLTUNE. docs/python.md is the guide.
"""
from . import (distributions, exceptions, importance, logging, pruners, samplers, storages, study,
               trial, visualization)
from ._client import ConnectionLost, RltuneError, StaleTrial
from .exceptions import TrialPruned
from .study import (Study, StudyDirection, create_study, get_all_study_names,
                    get_all_study_summaries, load_study)
from .trial import FrozenTrial, Trial, TrialState, create_trial

__version__ = "0.1.0"
__all__ = [
    "ConnectionLost", "FrozenTrial", "RltuneError", "StaleTrial", "Study", "StudyDirection",
    "Trial", "TrialPruned", "TrialState", "create_study", "create_trial", "distributions",
    "exceptions", "get_all_study_names", "get_all_study_summaries", "importance", "load_study",
    "logging", "pruners", "samplers", "storages", "study", "trial", "visualization",
]

_ELSEWHERE = {
    "delete_study": "studies stay in their file; remove the file",
    "copy_study": "copy the file, or study.add_trials(other.trials)",
    "integration": "report from the framework's own callbacks with trial.report",
    "artifacts": "keep files where you like, and their names by trial.set_user_attr",
    "terminator": "optimize(timeout=...), callbacks, or rltune's stoppers end a search",
    "progress_bar": "`rltune show` and the lines of rltune.logging say how far it is",
    "search_space": "study.trials[i].distributions",
}


def __getattr__(name):
    if name in _ELSEWHERE:
        raise AttributeError(f"rltune has no counterpart of optuna.{name}: {_ELSEWHERE[name]}")
    raise AttributeError(f"module 'rltune' has no attribute '{name}'")
