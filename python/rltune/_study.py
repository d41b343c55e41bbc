"""A study: its connection to the driver, asking and telling, optimize. What was told is in SQLite
before a call returns."""
import atexit
import logging
import os
import shutil
import socket as _socket
import threading
import time

from ._client import Client, ConnectionLost, RltuneError, StaleTrial, join
from ._results import CHOICES, NAMES, STATES, Results, StudyDirection, infeasible
from .distributions import encode
from .logging import get_logger
from .trial import Trial, TrialPruned, TrialState, number as _number

_TOLD = {TrialState.COMPLETE: "completed", TrialState.PRUNED: "stopped",
         TrialState.FAIL: "failed"}


def _is_list(values):
    return isinstance(values, (list, tuple))


def _what_is_wrong(value, objectives):
    """With what an objective returned; None: nothing."""
    values = value if _is_list(value) else [value]
    if len(values) != objectives:
        return f"the objective returned {len(values)} values; the study has {objectives} objectives"
    for one in values:
        try:
            if float(one) != float(one):
                return f"the objective returned {value!r}"
        except (TypeError, ValueError):
            return f"the objective returned {value!r}, which is no number"
    return None


class Study(Results):
    def __init__(self, db, experiment, name, driver=None, folder=None, grid=()):
        self._db, self._experiment, self._socket = db, experiment, name
        self._driver, self._folder, self._grid = driver, folder, set(grid)
        self._local, self._spaces, self._live = threading.local(), {}, {}
        self._distributions, self._best, self._attrs, self._own = {}, None, None, {}
        self._optimizing = False
        self._clients, self._readers, self._lock = [], [], threading.Lock()
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

    def _where(self):
        """What names this study on a command line."""
        return f"{self._experiment} --db {self._db}"

    def _learn(self, name, distribution, space):
        """What a parameter's values mean. Choices that JSON has no word for go by their places."""
        if name not in self._spaces and not getattr(distribution, "plain", True):
            try:
                self._call("attr", name=CHOICES + name, value=distribution.choices)
            except (TypeError, ValueError, RltuneError):
                pass  # only this process knows them
        self._spaces[name] = space
        self._distributions[name] = distribution

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
            try:
                Client(self._socket).close()
                return
            except OSError:
                pass
            if self._driver is not None:
                self._driver.close()
                self._driver = None
            self._socket, self._driver = join(self._db, self._experiment, patient=True)

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
        for reader in self._readers:
            reader.close()
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
        return self._begin(reply, fixed_distributions)

    def _begin(self, reply, distributions):
        trial = Trial(self, reply)
        with self._lock:
            self._live[trial.number] = trial
        for name, distribution in (distributions or {}).items():
            trial._suggest(name, distribution)
        return trial

    def _finished(self, number):
        """The trial of this number if it has ended."""
        trial = self._frozen(number)
        return trial if trial is not None and trial.state.is_finished() else None

    def tell(self, trial, values=None, state=None, skip_if_finished=False):
        if isinstance(trial, int):
            if trial not in self._live:
                ended = self._finished(trial)
                if ended is not None and skip_if_finished:
                    return ended
                raise ValueError(f"cannot tell a trial that is {ended.state.name}" if ended else
                                 f"trial {trial} was not asked for by this study object")
            trial = self._live[trial]
        if state is None:
            state = TrialState.FAIL if values is None else TrialState.COMPLETE
        if state not in _TOLD:
            raise ValueError(f"state is {state!r}; one of COMPLETE, PRUNED, FAIL")
        if state == TrialState.FAIL and values is not None:
            raise ValueError("a failed trial has no values")
        numbers = [] if values is None else list(values) if _is_list(values) else [values]
        if state == TrialState.COMPLETE and len(numbers) != len(self._metrics):
            raise ValueError(f"{len(numbers)} values were told; the study has "
                             f"{len(self._metrics)} objectives")
        return self._end(trial, state, numbers, skip_if_finished)

    def _end(self, trial, state, numbers, skip_if_finished=False, reason=""):
        told = dict(zip(self._metrics, map(_number, numbers)))
        numbers = [float(v) for v in numbers]
        try:
            reply = trial._call("tell", state=_TOLD[state], values=told, reason=reason,
                                asked=list(trial.params))
        except StaleTrial:
            ended = self._finished(trial.number) if skip_if_finished else None
            if ended is None:
                raise
            return ended
        finally:
            with self._lock:
                self._live.pop(trial.number, None)
        state = STATES.get(reply.get("state"), state)  # a number that is not finite: FAIL
        frozen = trial._freeze(state, [] if state == TrialState.FAIL else numbers)
        self._note(frozen)
        return frozen

    def _fail(self, trial, error):
        text = f"{type(error).__name__}: {error}"[:240]
        return self._end(trial, TrialState.FAIL, [], reason=text)

    def _note(self, frozen):
        """Whether it is the best of those that this process knows."""
        if len(self._metrics) > 1 or frozen.state != TrialState.COMPLETE or infeasible(frozen):
            return
        best = self._best
        up = self.directions[0] == StudyDirection.MAXIMIZE
        if best is None or (frozen.value > best.value if up else frozen.value < best.value):
            self._best = frozen

    def _release(self, trial):
        with self._lock:
            self._live.pop(trial.number, None)
        try:
            trial._call("tell", state="released", reason="interrupted")
        except (RltuneError, OSError):
            pass

    def enqueue_trial(self, params, user_attrs=None, skip_if_exists=False):
        if user_attrs:
            raise NotImplementedError("user_attrs: set them when the trial runs, by "
                                      "trial.set_user_attr")
        if skip_if_exists and any(t.params == params for t in self.trials):
            return
        self._call("enqueue", params={k: self._place(k, v) for k, v in params.items()}
                   if isinstance(params, dict) else params)

    def _place(self, name, value):
        """How the file has the value."""
        distribution = self._distribution(name)
        if distribution is None:
            return encode(value)
        return distribution.given(value) if hasattr(distribution, "given") else value

    def add_trial(self, trial):
        """A trial that ran elsewhere (create_trial, or one of another study)."""
        if not trial.state.is_finished():
            raise ValueError("a trial to be added has ended; enqueue_trial has one tried")
        for name, distribution in trial.distributions.items():
            if name in self._spaces or name in self._grid:
                continue
            space = distribution.space()
            self._call("suggest", name=name, space=space)
            self._learn(name, distribution, space)
        params = {k: trial.distributions[k].given(v) if hasattr(trial.distributions[k], "given")
                  else v for k, v in trial.params.items()}
        reply = self._call("ask", client=self._who, params=params)
        if reply["trial"] is None:
            raise RltuneError("the search has ended: no trial can be added")
        mine = self._begin(reply, trial.distributions)
        for step, value in sorted(trial.intermediate_values.items()):
            mine.report(value, step)
        for name, value in trial.constraints.items():
            mine.set_constraint(name, value)
        for name, value in trial.user_attrs.items():
            mine.set_user_attr(name, value)
        values = trial.values if trial.state == TrialState.COMPLETE else []
        self._end(mine, trial.state, values or [])

    def add_trials(self, trials):
        for trial in list(trials):
            self.add_trial(trial)

    def set_user_attr(self, key, value):
        self._call("attr", name=key, value=value)
        self.user_attrs[key] = value

    def set_metric_names(self, metric_names):
        """What trials_dataframe calls the objectives; rows keep value, or value0, value1, ..."""
        if len(metric_names) != len(self._metrics):
            raise ValueError(f"{len(metric_names)} names were given; the study has "
                             f"{len(self._metrics)} objectives")
        self._call("attr", name=NAMES, value=list(metric_names))
        self.user_attrs  # read before it is added to
        self._own[NAMES] = list(metric_names)

    def stop(self):
        self._stopped.set()

    def _run_one(self, objective, catch, callbacks):
        trial = self.ask()
        try:
            value = objective(trial)
        except TrialPruned:
            frozen = self.tell(trial, state=TrialState.PRUNED)
        except KeyboardInterrupt:
            self._release(trial)
            raise
        except Exception as error:
            frozen = self._fail(trial, error)
            self._log(frozen, f"{type(error).__name__}: {error}")
            if not isinstance(error, tuple(catch)):
                raise
        else:
            wrong = _what_is_wrong(value, len(self._metrics))
            frozen = (self._end(trial, TrialState.FAIL, [], reason=wrong[:240]) if wrong else
                      self.tell(trial, value))
            self._log(frozen, wrong)
        if frozen.state == TrialState.PRUNED:
            self._log(frozen, None)
        for callback in callbacks or ():
            callback(self, frozen)

    def _log(self, frozen, wrong):
        logger = get_logger()
        if not logger.isEnabledFor(logging.INFO):
            return
        if frozen.state == TrialState.FAIL:
            logger.warning("Trial %d failed with parameters: %s: %s", frozen.number, frozen.params,
                           wrong)
            return
        text = f"Trial {frozen.number} "
        if frozen.state == TrialState.PRUNED:
            text += "pruned."
        elif len(frozen.values) > 1:
            text += f"finished with values: {frozen.values} and parameters: {frozen.params}."
        else:
            text += f"finished with value: {frozen.value} and parameters: {frozen.params}."
        if self._best is not None:
            text += f" Best is trial {self._best.number} with value: {self._best.value}."
        logger.info("%s", text)

    def optimize(self, func, n_trials=None, timeout=None, n_jobs=1, catch=(), callbacks=None,
                 gc_after_trial=False, show_progress_bar=False):
        """Until n_trials have been run, `timeout` seconds have passed, or `stop` was called."""
        catch = catch if isinstance(catch, (tuple, list)) else (catch,)
        if not all(isinstance(c, type) and issubclass(c, Exception) for c in catch):
            raise TypeError("catch: exceptions' types are needed, such as catch=(ValueError,)")
        if self._optimizing:
            raise RuntimeError("optimize cannot be called from inside an objective")
        self._optimizing = True
        try:
            self._optimize(func, n_trials, timeout, n_jobs, catch, callbacks)
        finally:
            self._optimizing = False

    def _optimize(self, func, n_trials, timeout, n_jobs, catch, callbacks):
        self._stopped.clear()
        end = time.monotonic() + timeout if timeout is not None else None
        left, errors, lock = [n_trials], [], threading.Lock()
        n_jobs = n_jobs if n_jobs > 0 else os.cpu_count() or 1

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
