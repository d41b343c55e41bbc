"""Studies and trials. What was told is in SQLite before a call returns; results are read from there."""
import atexit
import datetime
import enum
import json
import os
import shutil
import socket as _socket
import sqlite3
import tempfile
import threading
import time

from . import pruners as _pruners
from . import samplers as _samplers
from ._client import Client, ConnectionLost, Driver, RltuneError, StaleTrial, socket_of
from .distributions import CategoricalDistribution, FloatDistribution, IntDistribution

NO_LIMIT = 10**7  # tune.trials: the client decides when it has enough
LAST_STEP = 100_000  # stop.steps: pruners look no further than that


class TrialPruned(Exception):
    """Raised by an objective whose trial should end early."""


class TrialState(enum.IntEnum):
    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4

    def is_finished(self):
        return self not in (TrialState.RUNNING, TrialState.WAITING)


class StudyDirection(enum.IntEnum):
    NOT_SET = 0
    MINIMIZE = 1
    MAXIMIZE = 2


_STATES = {"running": TrialState.RUNNING, "completed": TrialState.COMPLETE,
           "stopped": TrialState.PRUNED, "failed": TrialState.FAIL,
           "pending": TrialState.WAITING, "paused": TrialState.WAITING}
_TOLD = {TrialState.COMPLETE: "completed", TrialState.PRUNED: "stopped",
         TrialState.FAIL: "failed"}


class FrozenTrial:
    """What the database has of a trial."""

    def __init__(self, number, state, values, params, intermediate_values, user_attrs, start,
                 complete):
        self.number, self.state, self.values = number, state, values
        self.params, self.intermediate_values = params, intermediate_values
        self.user_attrs, self.datetime_start, self.datetime_complete = user_attrs, start, complete

    @property
    def value(self):
        if self.values is not None and len(self.values) > 1:
            raise RuntimeError("the study has several objectives: use .values")
        return self.values[0] if self.values else None

    @property
    def duration(self):
        if self.datetime_start and self.datetime_complete:
            return self.datetime_complete - self.datetime_start
        return None

    def __repr__(self):
        return (f"FrozenTrial(number={self.number}, state={self.state.name}, "
                f"values={self.values}, params={self.params})")


class Trial:
    """A trial that this process runs."""

    def __init__(self, study, reply):
        self.study, self.number, self.attempt = study, reply["trial"], reply["attempt"]
        self.seed = reply["seed"]
        self._given = reply["params"]
        self.params, self.user_attrs = {}, {}
        self._stop, self._why = False, None

    def _call(self, op, **fields):
        return self.study._call(op, trial=self.number, attempt=self.attempt, **fields)

    def _suggest(self, name, distribution):
        if name in self.params:
            return self.params[name]
        if name not in self.study._grid:
            space = distribution.space()
            if name not in self._given or self.study._spaces.get(name) != space:
                self._given[name] = self._call("suggest", name=name, space=space)["value"]
                self.study._spaces[name] = space
        self.params[name] = value = distribution.value(self._given[name])
        return value

    def suggest_float(self, name, low, high, *, step=None, log=False):
        return self._suggest(name, FloatDistribution(low, high, log=log, step=step))

    def suggest_int(self, name, low, high, *, step=1, log=False):
        return self._suggest(name, IntDistribution(low, high, log=log, step=step))

    def suggest_categorical(self, name, choices):
        return self._suggest(name, CategoricalDistribution(choices))

    def suggest_uniform(self, name, low, high):
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name, low, high):
        return self.suggest_float(name, low, high, log=True)

    def report(self, value, step):
        if len(self.study.directions) > 1:
            raise NotImplementedError("trials with several objectives cannot be pruned")
        reply = self._call("report", step=int(step),
                           values={self.study._metrics[0]: _number(value)})
        self._stop, self._why = reply["action"] == "stop", reply.get("reason")

    def should_prune(self):
        return self._stop

    def set_user_attr(self, key, value):
        self._call("attr", name=key, value=value)
        self.user_attrs[key] = value

    def set_constraint(self, name, value):
        """A number that must be at most 0, of create_study(constraints=[name, ...])."""
        self._call("report", values={name: _number(value)})


def _number(value):
    value = float(value)
    return value if value == value and abs(value) != float("inf") else None


def _time(ms):
    return None if ms is None else datetime.datetime.fromtimestamp(ms / 1000)


class Study:
    def __init__(self, db, experiment, name, driver=None, folder=None, grid=()):
        self._db, self._experiment, self._socket = db, experiment, name
        self._driver, self._folder, self._grid = driver, folder, set(grid)
        self._local, self._spaces, self._live = threading.local(), {}, {}
        self._clients, self._lock = [], threading.Lock()
        self._stopped, self._closed = threading.Event(), threading.Event()
        self._who = f"{_socket.gethostname()}, process {os.getpid()}, Python"
        hello = self._call("hello", client=self._who)
        self._metrics = hello["metrics"]
        self.study_name = hello["name"]
        self.directions = [StudyDirection.MAXIMIZE if d == "max" else StudyDirection.MINIMIZE
                           for d in hello["directions"]]
        self._beat_s = max(hello["silence_s"] / 4, 0.05)
        threading.Thread(target=self._beat, daemon=True).start()
        atexit.register(self.close)

    # ---- the connection ----

    def _client(self):
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = Client(self._socket)
            with self._lock:
                self._clients.append(client)
        return client

    def _call(self, op, **fields):
        for attempt in range(4):
            try:
                return self._client().call(op, **fields)
            except (ConnectionLost, OSError):
                if getattr(self._local, "client", None) is not None:
                    self._local.client.close()
                self._local.client = None
                if self._closed.is_set() or op == "beat" or attempt == 3:
                    raise
            self._revive()

    def _revive(self):
        """Another driver may have taken the study; if nobody has, this process starts one."""
        with self._lock:
            end = time.monotonic() + 15
            while True:
                try:
                    Client(self._socket).close()
                    return
                except OSError:
                    pass
                if self._driver is not None:
                    self._driver.close()
                    self._driver = None
                try:
                    self._driver = Driver(["resume", str(self._experiment), "--db", self._db])
                    self._socket = self._driver.where["socket"]
                    return
                except RltuneError:  # somebody else is starting one, or the old one is ending
                    if time.monotonic() > end:
                        raise
                time.sleep(0.05)

    def _beat(self):
        while not self._closed.wait(self._beat_s):
            with self._lock:
                live = [[t.number, t.attempt] for t in self._live.values()]
            if not live:
                continue
            try:
                stop = self._call("beat", trials=live, client=self._who)["stop"]
            except (RltuneError, OSError):
                continue  # the next request finds out what has happened
            with self._lock:
                for number in stop:
                    if number in self._live:
                        self._live[number]._stop = True

    def close(self):
        """Ends the driver, if this study has started it. The study can be loaded again."""
        if self._closed.is_set():
            return
        self._closed.set()
        for client in self._clients:
            client.close()
        if self._driver is not None:
            self._driver.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    # ---- asking and telling ----

    def ask(self, fixed_distributions=None):
        while True:
            reply = self._call("ask", client=self._who)
            if reply["trial"] is not None:
                break
            if reply["finished"]:
                raise RltuneError("the search has ended: there are no further trials")
            time.sleep(0.05)
        trial = Trial(self, reply)
        with self._lock:
            self._live[trial.number] = trial
        for name, distribution in (fixed_distributions or {}).items():
            trial._suggest(name, distribution)
        return trial

    def tell(self, trial, values=None, state=None, skip_if_finished=False):
        if isinstance(trial, int):
            if trial not in self._live:
                raise ValueError(f"trial {trial} was not asked for by this study object")
            trial = self._live[trial]
        if state is None:
            state = TrialState.FAIL if values is None else TrialState.COMPLETE
        numbers = [] if values is None else list(values) if _is_list(values) else [values]
        if state == TrialState.COMPLETE and len(numbers) != len(self._metrics):
            raise ValueError(f"{len(numbers)} values were told; the study has "
                             f"{len(self._metrics)} objectives")
        told = dict(zip(self._metrics, map(_number, numbers)))
        try:
            trial._call("tell", state=_TOLD[state], values=told)
        except StaleTrial:
            if not skip_if_finished:
                raise
        finally:
            with self._lock:
                self._live.pop(trial.number, None)

    def _fail(self, trial, error):
        text = f"{type(error).__name__}: {error}"[:240]
        with self._lock:
            self._live.pop(trial.number, None)
        trial._call("tell", state="failed", reason=text)

    def _release(self, trial):
        with self._lock:
            self._live.pop(trial.number, None)
        try:
            trial._call("tell", state="released", reason="interrupted")
        except (RltuneError, OSError):
            pass

    def enqueue_trial(self, params, user_attrs=None, skip_if_exists=False):
        if skip_if_exists and any(t.params == params for t in self.trials):
            return
        self._call("enqueue", params=params)

    def stop(self):
        self._stopped.set()

    def _run_one(self, objective, catch, callbacks):
        trial = self.ask()
        try:
            value = objective(trial)
        except TrialPruned:
            self.tell(trial, state=TrialState.PRUNED)
        except KeyboardInterrupt:
            self._release(trial)
            raise
        except Exception as error:
            self._fail(trial, error)
            if not isinstance(error, tuple(catch)):
                raise
        else:
            if value is None or any(v != v for v in map(float, _listed(value))):
                self._fail(trial, ValueError(f"the objective returned {value!r}"))
            else:
                self.tell(trial, value)
        if callbacks:
            frozen = self._frozen(trial.number)
            for callback in callbacks:
                callback(self, frozen)

    def optimize(self, func, n_trials=None, timeout=None, n_jobs=1, catch=(), callbacks=None,
                 gc_after_trial=False, show_progress_bar=False):
        """Until n_trials have been run, `timeout` seconds have passed, or `stop` was called."""
        catch = catch if isinstance(catch, (tuple, list)) else (catch,)
        self._stopped.clear()
        end = time.monotonic() + timeout if timeout is not None else None
        left, errors, lock = [n_trials], [], threading.Lock()

        def take():
            with lock:
                if errors or self._stopped.is_set() or (end and time.monotonic() >= end):
                    return False
                if left[0] is not None:
                    if left[0] == 0:
                        return False
                    left[0] -= 1
                return True

        def work():
            try:
                while take():
                    self._run_one(func, catch, callbacks)
            except BaseException as error:
                with lock:
                    errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(n_jobs - 1)]
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    # ---- results, from the database ----

    def _query(self, sql, *args):
        path = os.path.abspath(self._db).replace("?", "%3f").replace("#", "%23")
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return connection.execute(sql, (self._experiment, *args)).fetchall()
        finally:
            connection.close()

    def _read(self, only=None):
        where = "" if only is None else " AND t.number = ?2"
        args = () if only is None else (only,)
        rows = self._query(
            "SELECT t.id, t.number, t.state, t.value, t.params_json, "
            "(SELECT min(wall_ms) FROM transitions r WHERE r.trial = t.id AND to_state = 'running'),"
            "(SELECT max(wall_ms) FROM transitions r WHERE r.trial = t.id) FROM trials t "
            "WHERE t.experiment = ?1 AND t.role = 'search'" + where + " ORDER BY t.number", *args)
        points, values, attrs = {}, {}, {}
        for trial, step, value in self._query(
                "SELECT m.trial, m.step, m.value FROM trials t JOIN metrics m ON m.trial = t.id "
                "JOIN metric_names n ON n.id = m.name WHERE t.experiment = ?1 AND n.name = "
                f"'{self._metrics[0]}'" + where + " ORDER BY m.trial, m.step", *args):
            points.setdefault(trial, {})[step] = value
        for trial, value in self._query(
                "SELECT v.trial, v.value FROM trials t JOIN trial_values v ON v.trial = t.id "
                "WHERE t.experiment = ?1" + where + " ORDER BY v.trial, v.position", *args):
            values.setdefault(trial, []).append(value)
        for trial, text in self._query(
                "SELECT e.trial, e.text FROM trials t JOIN events e ON e.trial = t.id "
                "WHERE t.experiment = ?1 AND e.kind = 'trial.attr'" + where + " ORDER BY e.id",
                *args):
            attr = json.loads(text)
            attrs.setdefault(trial, {})[attr["name"]] = attr["value"]
        return [self._freeze(r, points.get(r[0], {}), values.get(r[0]), attrs.get(r[0], {}))
                for r in rows]

    def _freeze(self, row, points, values, attrs):
        _, number, state, value, params, start, end = row
        state = _STATES[state]
        if state == TrialState.COMPLETE and points:
            points.pop(max(points))  # the result itself
        values = values if values is not None else None if value is None else [value]
        params = {k.split(".", 1)[1]: v for k, v in json.loads(params).items()}
        return FrozenTrial(number, state, values if state != TrialState.FAIL else None, params,
                           points, attrs, _time(start), _time(end) if state.is_finished() else None)

    def _frozen(self, number):
        return self._read(number)[0]

    @property
    def trials(self):
        return self._read()

    def get_trials(self, deepcopy=True, states=None):
        return [t for t in self.trials if states is None or t.state in states]

    @property
    def direction(self):
        if len(self.directions) > 1:
            raise RuntimeError("the study has several objectives: use .directions")
        return self.directions[0]

    @property
    def best_trial(self):
        if len(self.directions) > 1:
            raise RuntimeError("the study has several objectives: use .best_trials")
        done = [t for t in self.trials if t.state == TrialState.COMPLETE]
        if not done:
            raise ValueError("no trial has completed yet")
        sign = -1 if self.directions[0] == StudyDirection.MAXIMIZE else 1
        return min(done, key=lambda t: sign * t.value)

    @property
    def best_trials(self):
        numbers = [r[0] for r in self._query(
            "SELECT DISTINCT number FROM pareto_front WHERE experiment = ?1 ORDER BY number")]
        if len(self.directions) == 1:
            return [self.best_trial]
        return [t for t in self.trials if t.number in set(numbers)]

    @property
    def best_params(self):
        return self.best_trial.params

    @property
    def best_value(self):
        return self.best_trial.value

    def trials_dataframe(self):
        import pandas
        return pandas.DataFrame([
            {"number": t.number, "value": t.values[0] if t.values else None,
             "datetime_start": t.datetime_start, "datetime_complete": t.datetime_complete,
             "duration": t.duration, **{f"params_{k}": v for k, v in t.params.items()},
             "state": t.state.name} for t in self.trials])


def _is_list(values):
    return isinstance(values, (list, tuple))


def _listed(values):
    return values if _is_list(values) else [values]


# ---- creating and loading ----


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
    folder = tempfile.mkdtemp(prefix="rltune-") if storage is None else None
    db = os.path.join(folder, "study.db") if folder else _file_of(storage)
    name = study_name or "study"
    if study_name is not None and _find(db, name) is not None:
        if not load_if_exists:
            raise RltuneError(f"{db} has a study '{name}' already; load_if_exists=True goes on "
                              "with it")
        return load_study(study_name=name, storage=db)
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


def load_study(*, study_name=None, storage=None, experiment=None):
    """A study of this name (or number) in a file, whoever drives it; else this process does."""
    if storage is None:
        raise ValueError("load_study needs storage='sqlite:///FILE'")
    db = _file_of(storage)
    number = experiment if experiment is not None else _find(db, study_name)
    if number is None:
        raise KeyError(f"{db} has no study '{study_name}'")
    name = socket_of(db, number)
    try:
        Client(name).close()
        return Study(db, number, name)
    except OSError:
        driver = Driver(["resume", str(number), "--db", db])
        return Study(db, number, driver.where["socket"], driver)
