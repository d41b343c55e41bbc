"""Ranges of parameters, as Optuna names them; `space` is what rltune calls one."""
import json
import math


def _check(low, high):
    for name, bound in (("low", low), ("high", high)):
        if not math.isfinite(bound):
            raise ValueError(f"{name} is {bound}: a range needs finite bounds")
    if low > high:
        raise ValueError(f"low ({low}) is more than high ({high})")


def _same(low, high):
    return {"$space": "fixed", "value": low}


class BaseDistribution:
    def __eq__(self, other):
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None

    def __repr__(self):
        fields = ", ".join(f"{k}={v!r}" for k, v in self.__dict__.items() if k[0] != "_")
        return f"{type(self).__name__}({fields})"

    def single(self):
        return self.space()["$space"] == "fixed"


class FloatDistribution(BaseDistribution):
    def __init__(self, low, high, log=False, step=None):
        _check(low, high)
        if log and step is not None:
            raise ValueError("step goes with a range that is not logarithmic")
        if log and low <= 0:
            raise ValueError(f"low ({low}) of a logarithmic range must be more than 0")
        self.low, self.high, self.log, self.step = float(low), float(high), log, step

    def space(self):
        if self.low == self.high:
            return _same(self.low, self.high)
        if self.step is not None:
            high = self.low + self.step * int((self.high - self.low) / self.step + 1e-9)
            if high == self.low:
                return _same(self.low, high)
            return {"$space": "quniform", "low": self.low, "high": high, "step": self.step}
        kind = "loguniform" if self.log else "uniform"
        return {"$space": kind, "low": self.low, "high": self.high}

    def value(self, given):
        return float(given)


class IntDistribution(BaseDistribution):
    def __init__(self, low, high, log=False, step=1):
        _check(low, high)
        if log and step != 1:
            raise ValueError("step goes with a range that is not logarithmic")
        self.low, self.high, self.log, self.step = int(low), int(high), log, int(step)

    def space(self):
        high = self.low + self.step * ((self.high - self.low) // self.step)
        if self.low == high:
            return _same(self.low, high)
        if self.step != 1:
            return {"$space": "quniform", "low": self.low, "high": high, "step": self.step}
        return {"$space": "lograndint" if self.log else "randint", "low": self.low, "high": high}

    def value(self, given):
        return int(round(given))


def encode(choice):
    """How the study's file has a choice: a number, a text or a boolean as it is, else as JSON."""
    if choice is not None and type(choice) in (bool, int, float, str):
        return choice
    return json.dumps(choice)


class CategoricalDistribution(BaseDistribution):
    """Choices that JSON cannot hold go by their place in the list, "#0"."""

    def __init__(self, choices):
        self.choices = list(choices)
        if not self.choices:
            raise ValueError("a choice needs at least one value")
        self._encoded = []
        for i, choice in enumerate(self.choices):
            try:
                text = encode(choice)
            except (TypeError, ValueError):
                text = f"#{i}"
            taken = any(type(e) is type(text) and e == text for e in self._encoded)
            self._encoded.append(f"#{i}" if taken else text)

    @property
    def plain(self):
        return all(type(e) is type(c) for e, c in zip(self._encoded, self.choices))

    def space(self):
        if len(self.choices) == 1:
            return {"$space": "fixed", "value": self._encoded[0]}
        return {"$space": "choice", "values": self._encoded}

    def value(self, given):
        for same_type in (True, False):  # 1, 1.0 and True are different choices
            for encoded, choice in zip(self._encoded, self.choices):
                if encoded == given and (not same_type or type(encoded) is type(given)):
                    return choice
        return given

    def given(self, value):
        for encoded, choice in zip(self._encoded, self.choices):
            if choice is value or (type(choice) is type(value) and choice == value):
                return encoded
        return encode(value)


def of_space(space, choices=None):
    """The distribution that a search space of a study's file stands for; `choices` are those of
    which the file has the places only."""
    kind = space.get("$space")
    if kind in ("choice", "grid"):
        return CategoricalDistribution(choices if choices is not None else space["values"])
    if kind == "fixed":
        value = space["value"]
        if choices is not None or not isinstance(value, (int, float)) or isinstance(value, bool):
            return CategoricalDistribution(choices if choices is not None else [value])
        return (IntDistribution if isinstance(value, int) else FloatDistribution)(value, value)
    low, high = space["low"], space["high"]
    if kind in ("randint", "lograndint"):
        return IntDistribution(low, high, log=kind == "lograndint")
    if kind == "quniform":
        step = space["step"]
        whole = all(float(v).is_integer() for v in (low, high, step))
        return (IntDistribution if whole else FloatDistribution)(low, high, step=step)
    return FloatDistribution(low, high, log=kind == "loguniform")
