"""Trials: those that run, what the file has of others, and fixed ones."""
import datetime
import enum
import warnings

from .distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from .exceptions import TrialPruned  # noqa: F401


class TrialState(enum.IntEnum):
    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4

    def is_finished(self):
        return self not in (TrialState.RUNNING, TrialState.WAITING)


def number(value):
    value = float(value)
    return value if value == value and abs(value) != float("inf") else None


class _Suggesting:
    """suggest_*, for whoever has _suggest(name, distribution)."""

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

    def suggest_discrete_uniform(self, name, low, high, q):
        return self.suggest_float(name, low, high, step=q)

    @property
    def system_attrs(self):
        return {}


class Trial(_Suggesting):
    """A trial that this process runs."""

    def __init__(self, study, reply):
        self.study, self.number, self.attempt = study, reply["trial"], reply["attempt"]
        self.seed = reply["seed"]
        self._given = reply["params"]
        self.params, self.user_attrs, self.distributions, self.constraints = {}, {}, {}, {}
        self.datetime_start = datetime.datetime.now()
        self._reported = {}
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
                self.study._learn(name, distribution, space)
        self.params[name] = value = distribution.value(self._given[name])
        self.distributions[name] = distribution
        return value

    @property
    def relative_params(self):
        return dict(self.params)

    def report(self, value, step):
        if len(self.study.directions) > 1:
            raise NotImplementedError("trials with several objectives cannot be pruned")
        step = int(step)
        if step in self._reported:
            warnings.warn(f"trial {self.number} has reported step {step} before; this value is "
                          "ignored")
            return
        reply = self._call("report", step=step, values={self.study._metrics[0]: number(value)})
        self._reported[step] = float(value)
        self._stop, self._why = reply["action"] == "stop", reply.get("reason")

    def should_prune(self):
        return self._stop

    def set_user_attr(self, key, value):
        self._call("attr", name=key, value=value)
        self.user_attrs[key] = value

    def set_constraint(self, name, value):
        """A number that must be at most 0, of create_study(constraints=[name, ...])."""
        self._call("report", values={name: number(value)})
        self.constraints[name] = value

    def _freeze(self, state, values):
        """As the file will have it, without reading it."""
        if state == TrialState.PRUNED and not values and self._reported:
            values = [self._reported[max(self._reported)]]
        return FrozenTrial(self.number, state, list(values) if values else None, dict(self.params),
                           dict(self._reported), dict(self.user_attrs), self.datetime_start,
                           datetime.datetime.now(), dict(self.distributions),
                           dict(self.constraints))


class FrozenTrial(_Suggesting):
    """What is known of a trial. An objective may be called with one: it suggests what it has."""

    def __init__(self, number, state, values, params, intermediate_values, user_attrs, start,
                 complete, distributions=None, constraints=None):
        self.number, self.state, self.values = number, state, values
        self.params, self.intermediate_values = params, intermediate_values
        self.user_attrs, self.datetime_start, self.datetime_complete = user_attrs, start, complete
        self.distributions = distributions if distributions is not None else {}
        self.constraints = constraints if constraints is not None else {}

    @property
    def value(self):
        if self.values is not None and len(self.values) > 1:
            raise RuntimeError("the study has several objectives: use .values")
        return self.values[0] if self.values else None

    @property
    def last_step(self):
        return max(self.intermediate_values) if self.intermediate_values else None

    @property
    def duration(self):
        if self.datetime_start and self.datetime_complete:
            return self.datetime_complete - self.datetime_start
        return None

    def _suggest(self, name, distribution):
        if name not in self.params:
            raise ValueError(f"trial {self.number} has no value of the parameter '{name}'")
        return self.params[name]

    def report(self, value, step):
        pass

    def should_prune(self):
        return False

    def set_user_attr(self, key, value):
        self.user_attrs[key] = value

    def set_constraint(self, name, value):
        self.constraints[name] = value

    def __eq__(self, other):
        return isinstance(other, FrozenTrial) and self.__dict__ == other.__dict__

    def __lt__(self, other):
        return self.number < other.number

    __hash__ = None

    def __repr__(self):
        return (f"FrozenTrial(number={self.number}, state={self.state.name}, "
                f"values={self.values}, params={self.params})")


class FixedTrial(FrozenTrial):
    """An objective called with one is computed for these values."""

    def __init__(self, params, number=0):
        super().__init__(number, TrialState.RUNNING, None, dict(params), {}, {},
                         datetime.datetime.now(), None)

    def report(self, value, step):
        self.intermediate_values[int(step)] = value


def create_trial(*, state=TrialState.COMPLETE, value=None, values=None, params=None,
                 distributions=None, user_attrs=None, system_attrs=None, intermediate_values=None,
                 constraints=None):
    """A trial for study.add_trial."""
    if value is not None and values is not None:
        raise ValueError("give value or values, not both")
    params, distributions = dict(params or {}), dict(distributions or {})
    if params.keys() != distributions.keys():
        raise ValueError("params and distributions must have the same names")
    now = datetime.datetime.now()
    values = [value] if value is not None else list(values) if values is not None else None
    if state == TrialState.COMPLETE and values is None:
        raise ValueError("a completed trial has a value")
    return FrozenTrial(-1, state, values, params, dict(intermediate_values or {}),
                       dict(user_attrs or {}), now, now if state.is_finished() else None,
                       distributions, dict(constraints or {}))
