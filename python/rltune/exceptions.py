"""Errors by Optuna's names."""
from ._client import ConnectionLost, RltuneError, StaleTrial


class TrialPruned(Exception):
    """Raised by an objective whose trial should end early."""


class DuplicatedStudyError(RltuneError):
    """The file has a study of this name already."""


OptunaError = RltuneError
StorageInternalError = ConnectionLost
UpdateFinishedTrialError = StaleTrial
