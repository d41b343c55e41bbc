"""Creating and loading studies."""
import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
import warnings

from . import pruners as _pruners
from . import samplers as _samplers
from ._client import Driver, join
from ._results import StudyDirection, time_of
from ._study import Study
from .exceptions import DuplicatedStudyError
from .trial import FrozenTrial, Trial, TrialPruned, TrialState  # noqa: F401

NO_LIMIT = 10**7  # tune.trials: the client decides when it has enough
LAST_STEP = 100_000  # stop.steps: pruners look no further than that


class MaxTrialsCallback:
    """For optimize(callbacks=[...]): ends it once the study has so many trials in these states."""

    def __init__(self, n_trials, states=(TrialState.COMPLETE,)):
        self._n_trials, self._states = n_trials, states

    def __call__(self, study, trial):
        if len(study.get_trials(states=self._states)) >= self._n_trials:
            study.stop()


class StudySummary:
    def __init__(self, study_name, directions, n_trials, datetime_start):
        self.study_name, self.directions = study_name, directions
        self.n_trials, self.datetime_start = n_trials, datetime_start

    @property
    def direction(self):
        return self.directions[0]

    def __repr__(self):
        return f"StudySummary(study_name={self.study_name!r}, n_trials={self.n_trials})"


def _lua(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        plain = (c if 32 <= ord(c) < 127 and c not in '"\\' else
                 "".join(f"\\{b:03d}" for b in c.encode()) for c in value)
        return '"' + "".join(plain) + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"[{_lua(k)}] = {_lua(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(_lua(v) for v in value) + " }"
    raise TypeError(f"{value!r} cannot be part of a study's configuration")


def _file_of(storage):
    storage = getattr(storage, "url", storage)
    if not isinstance(storage, str):
        raise TypeError(f"storage is {storage!r}; a file such as 'study.db' or 'sqlite:///study.db'")
    if storage.startswith("sqlite:///"):
        return storage[len("sqlite:///"):]
    if "://" in storage:
        raise ValueError(f"storage {storage!r}: rltune keeps studies in SQLite files: "
                         "'sqlite:///FILE'")
    return storage


def _find(db, name):
    """The newest experiment of that name, and whether somebody may drive it."""
    if not os.path.exists(db):
        return None
    connection = sqlite3.connect(db)
    try:
        row = connection.execute("SELECT max(id) FROM experiments WHERE name = ?",
                                 (name,)).fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
    return row[0]


def _script(name, directions, sampler, pruner, constraints, heartbeat):
    sampler = sampler if sampler is not None else _samplers.TPESampler()
    pruner = pruner if pruner is not None else _pruners.MedianPruner()
    single = len(directions) == 1
    tune = {"trials": NO_LIMIT, "max_failed": NO_LIMIT, "sampler": sampler.table()}
    if single:
        tune.update(metric="value", mode=directions[0], stopper=pruner.table())
    else:
        tune.update(metrics=[f"value{i}" for i in range(len(directions))],
                    directions=list(directions))
    if constraints:
        tune["constraints"] = list(constraints)
    if sampler.seed is not None:
        tune["seed"] = sampler.seed
    grid = getattr(sampler, "search_space", {})
    params = ", ".join(f"[{_lua(k)}] = space.grid{_lua(v)}" for k, v in grid.items())
    objective = {"name": "external", "silence_s": heartbeat, "grows": not grid}
    return (f"return {{ name = {_lua(name)}, objective = {_lua(objective)},\n"
            f"  params = {{ {params} }}, stop = {{ steps = {LAST_STEP} }}, tune = {_lua(tune)} }}\n"), grid


def _mode(direction):
    text = direction.name.lower() if isinstance(direction, StudyDirection) else str(direction)
    modes = {"minimize": "min", "maximize": "max", "min": "min", "max": "max"}
    if text not in modes:
        raise ValueError(f"direction is {direction!r}; one of 'minimize', 'maximize'")
    return modes[text]


def create_study(*, storage=None, sampler=None, pruner=None, study_name=None, direction=None,
                 directions=None, load_if_exists=False, constraints=None, heartbeat=60.0):
    """Without storage the study lives in a temporary file until this process ends.

    constraints: names that `trial.set_constraint` gives numbers for, feasible at 0 or less.
    heartbeat: seconds without a sign of life after which a client loses its trials.
    """
    if direction is not None and directions is not None:
        raise ValueError("give direction or directions, not both")
    modes = [_mode(d) for d in (directions or [direction or "minimize"])]
    storage = getattr(storage, "url", storage)  # storages.RDBStorage, storages.InMemoryStorage
    folder = tempfile.mkdtemp(prefix="rltune-") if storage is None else None
    db = os.path.join(folder, "study.db") if folder else _file_of(storage)
    name = study_name or "study"
    if study_name is not None:
        with _locked(db):
            there = _find(db, name)
            if there is None:
                return _create(db, name, modes, sampler, pruner, constraints, heartbeat, folder)
        if not load_if_exists:
            raise DuplicatedStudyError(f"{db} has a study '{name}' already; load_if_exists=True "
                                       "goes on with it")
        return load_study(experiment=there, storage=db)
    return _create(db, name, modes, sampler, pruner, constraints, heartbeat, folder)


def _create(db, name, modes, sampler, pruner, constraints, heartbeat, folder):
    text, grid = _script(name, modes, sampler, pruner, constraints, heartbeat)
    script = tempfile.NamedTemporaryFile("w", suffix=".lua", prefix="study-", delete=False)
    try:
        script.write(text)
        script.close()
        driver = Driver(["run", script.name, "--db", db])
    except BaseException:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        os.unlink(script.name)
    return Study(db, driver.where["experiment"], driver.where["socket"], driver, folder, grid)


def _names(db):
    """{name: newest experiment} of those that clients run."""
    if not os.path.exists(db):
        return {}
    connection = sqlite3.connect(db)
    try:
        return dict(connection.execute(
            "SELECT name, max(id) FROM experiments WHERE json_extract(config_json, "
            "'$.objective.name') = 'external' GROUP BY name ORDER BY min(id)").fetchall())
    except sqlite3.OperationalError:
        return {}
    finally:
        connection.close()


def get_all_study_names(storage):
    return list(_names(_file_of(storage)))


def get_all_study_summaries(storage, include_best_trial=True):
    db, found = _file_of(storage), []
    for name, number in _names(db).items():
        connection = sqlite3.connect(db)
        try:
            count, start = connection.execute(
                "SELECT count(DISTINCT t.id), min(r.wall_ms) FROM trials t LEFT JOIN transitions r "
                "ON r.trial = t.id WHERE t.experiment = ? AND t.role = 'search'",
                (number,)).fetchone()
            up = connection.execute("SELECT maximise FROM objectives WHERE experiment = ? ORDER BY "
                                    "position", (number,)).fetchall()
        finally:
            connection.close()
        found.append(StudySummary(name, [StudyDirection.MAXIMIZE if m else StudyDirection.MINIMIZE
                                         for (m,) in up], count, time_of(start)))
    return found


def load_study(*, study_name=None, storage=None, sampler=None, pruner=None, experiment=None):
    """A study of this name (or number) in a file, whoever drives it; else this process does."""
    if storage is None:
        raise ValueError("load_study needs storage='sqlite:///FILE'")
    db = _file_of(storage)
    if sampler is not None or pruner is not None:
        warnings.warn("load_study: the study keeps the sampler and the pruner that it was created "
                      "with")
    if study_name is None and experiment is None:
        names = _names(db)
        if len(names) != 1:
            raise ValueError(f"{db} has {len(names)} studies: give study_name")
        experiment = next(iter(names.values()))
    number = experiment if experiment is not None else _find(db, study_name)
    if number is None:
        raise KeyError(f"{db} has no study '{study_name}'")
    return Study(db, number, *join(db, number))


@contextlib.contextmanager
def _locked(db):
    """One process at a time looks whether a study is there, and makes it."""
    with contextlib.ExitStack() as stack:
        try:  # the drivers' locks in this file are of another kind
            fcntl.flock(stack.enter_context(open(db + "-lock", "ab")), fcntl.LOCK_EX)
        except OSError:
            pass  # the driver says what is wrong with the folder
        yield
