"""What a study's file holds, as trials: read straight from SQLite."""
import datetime
import enum
import json
import os
import sqlite3

from .distributions import of_space
from .trial import FrozenTrial, TrialState


class StudyDirection(enum.IntEnum):
    NOT_SET = 0
    MINIMIZE = 1
    MAXIMIZE = 2


STATES = {"running": TrialState.RUNNING, "completed": TrialState.COMPLETE,
           "stopped": TrialState.PRUNED, "failed": TrialState.FAIL,
           "pending": TrialState.WAITING, "paused": TrialState.WAITING}
_COLUMNS = ("number", "value", "datetime_start", "datetime_complete", "duration", "params",
            "user_attrs", "system_attrs", "state")
OWN = "rltune:"  # attributes of the study that are this package's
CHOICES, NAMES = OWN + "choices:", OWN + "metric_names"

# What else there is of trials: trial, key, value.
_MORE = {
    "points": "SELECT m.trial, m.step, m.value FROM trials t JOIN metrics m ON m.trial = t.id "
              "JOIN metric_names n ON n.id = m.name WHERE t.experiment = ?1 AND n.name = "
              "'METRIC'WHERE_MORE ORDER BY m.trial, m.step",
    "values": "SELECT v.trial, v.position, v.value FROM trials t JOIN trial_values v ON v.trial = "
              "t.id WHERE t.experiment = ?1WHERE_MORE ORDER BY v.trial, v.position",
    "attrs": "SELECT e.trial, e.id, e.text FROM trials t JOIN events e ON e.trial = t.id WHERE "
             "t.experiment = ?1 AND e.kind = 'trial.attr'WHERE_MORE ORDER BY e.id",
    "constraints": "SELECT c.trial, n.metric, c.value FROM trials t JOIN trial_constraints c ON "
                   "c.trial = t.id JOIN constraints n ON n.experiment = t.experiment AND n.position "
                   "= c.position WHERE t.experiment = ?1WHERE_MORE",
}


def time_of(ms):
    return None if ms is None else datetime.datetime.fromtimestamp(ms / 1000)


def infeasible(trial):
    return any(v is None or v > 0 for v in trial.constraints.values())


class Results:
    """The part of Study that reads. Needs _db, _experiment, _metrics, directions, _local, _lock,
    _readers, _live, _distributions, _attrs, _own."""

    def _reader(self):
        """A connection of this thread's own."""
        reader = getattr(self._local, "reader", None)
        if reader is None:
            path = os.path.abspath(self._db).replace("?", "%3f").replace("#", "%23")
            reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
            self._local.reader = reader
            with self._lock:
                self._readers.append(reader)
        return reader

    def _query(self, sql, *args):
        return self._reader().execute(sql, (self._experiment, *args)).fetchall()

    def _distribution(self, name):
        """What a parameter is; of one that this process never asked for, out of the file."""
        if name not in self._distributions:
            text = self._query("SELECT config_json FROM experiments WHERE id = ?1")[0][0]
            self.user_attrs  # reads choices, too
            for key, space in json.loads(text).get("params", {}).items():
                if key not in self._distributions and isinstance(space, dict):
                    self._distributions[key] = of_space(space, self._own.get(CHOICES + key))
        return self._distributions.get(name)

    def _read(self, only=None):
        where = "" if only is None else " AND t.number = ?2"
        args = () if only is None else (only,)
        rows = self._query(
            "SELECT t.id, t.number, t.state, t.value, t.params_json, "
            "(SELECT min(wall_ms) FROM transitions r WHERE r.trial = t.id AND to_state = 'running'),"
            "(SELECT max(wall_ms) FROM transitions r WHERE r.trial = t.id) FROM trials t "
            "WHERE t.experiment = ?1 AND t.role = 'search'" + where + " ORDER BY t.number", *args)
        more = {}
        for what, sql in _MORE.items():
            sql = sql.replace("METRIC", self._metrics[0]).replace("WHERE_MORE", where)
            for trial, key, value in self._query(sql, *args):
                more.setdefault(trial, {}).setdefault(what, {})[key] = value
        return [self._freeze(r, more.get(r[0], {})) for r in rows]

    def _freeze(self, row, more):
        _, number, state, value, params, start, end = row
        state, points = STATES[state], more.get("points", {})
        if state == TrialState.COMPLETE and points:
            points.pop(max(points))  # the result itself
        values = list(more["values"].values()) if "values" in more else \
            None if value is None else [value]
        attrs = {}
        for text in more.get("attrs", {}).values():
            attr = json.loads(text)
            attrs[attr["name"]] = attr["value"]
        given, distributions = {}, {}
        for path, at in json.loads(params).items():
            name = path.split(".", 1)[1]
            distribution = self._distribution(name)
            given[name] = distribution.value(at) if distribution is not None else at
            if distribution is not None:
                distributions[name] = distribution
        live = self._live.get(number)
        if live is not None and state == TrialState.RUNNING:
            given = dict(live.params)  # those that it has asked for so far
        return FrozenTrial(number, state, values if state != TrialState.FAIL else None, given,
                           points, attrs, time_of(start), time_of(end) if state.is_finished() else None,
                           {k: d for k, d in distributions.items() if k in given},
                           more.get("constraints", {}))

    def _frozen(self, number):
        found = self._read(number)
        return found[0] if found else None

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
        done = [t for t in self.trials if t.state == TrialState.COMPLETE and not infeasible(t)]
        if not done:
            raise ValueError("no trial has completed yet, or none is feasible")
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

    def trials_dataframe(self, attrs=_COLUMNS, multi_index=False):
        import pandas
        names = self.metric_names
        rows = []
        for trial in self.trials:
            row = {}
            for attr in attrs:
                if attr in ("value", "values"):
                    values = trial.values if trial.values is not None else [None] * len(self._metrics)
                    if len(self._metrics) == 1 and names is None:
                        row["value", ""] = values[0]
                    else:
                        keys = names if names is not None else range(len(values))
                        row.update({("values", str(k)): v for k, v in zip(keys, values)})
                    continue
                value = getattr(trial, attr)
                if isinstance(value, dict):
                    row.update({(attr, str(k)): v for k, v in sorted(value.items())})
                else:
                    row[attr, ""] = value.name if attr == "state" else value
            rows.append(row)
        columns = {}
        for attr in attrs:
            attr = "values" if attr == "value" and (len(self._metrics) > 1 or names) else attr
            columns.update({c: None for r in rows for c in r if c[0] == attr})
        frame = pandas.DataFrame([[r.get(c) for c in columns] for r in rows],
                                 columns=pandas.MultiIndex.from_tuples(columns or [("number", "")]))
        if not multi_index:
            frame.columns = ["_".join(filter(None, c)) for c in frame.columns]
        return frame

    @property
    def user_attrs(self):
        if self._attrs is None:
            self._attrs = {}
            for (text,) in self._query("SELECT text FROM events WHERE experiment = ?1 AND kind = "
                                       "'study.attr' ORDER BY id"):
                attr = json.loads(text)
                self._attrs[attr["name"]] = attr["value"]
            self._own = {k: self._attrs.pop(k) for k in list(self._attrs) if k.startswith(OWN)}
        return self._attrs

    @property
    def system_attrs(self):
        return {}

    @property
    def metric_names(self):
        self.user_attrs  # reads these, too
        return self._own.get(NAMES)
