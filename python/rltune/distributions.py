"""Ranges of parameters, as Optuna names them; `space` is what rltune calls one."""


def _same(low, high):
    return {"$space": "fixed", "value": low}


class FloatDistribution:
    def __init__(self, low, high, log=False, step=None):
        if low > high:
            raise ValueError(f"low ({low}) is more than high ({high})")
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


class IntDistribution:
    def __init__(self, low, high, log=False, step=1):
        if low > high:
            raise ValueError(f"low ({low}) is more than high ({high})")
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


class CategoricalDistribution:
    """Choices that JSON cannot hold go by their place in the list."""

    def __init__(self, choices):
        self.choices = list(choices)
        if not self.choices:
            raise ValueError("a choice needs at least one value")
        self.plain = all(c is not None and type(c) in (bool, int, float, str)
                         for c in self.choices)

    def space(self):
        values = self.choices if self.plain else list(range(len(self.choices)))
        if len(values) == 1:
            return {"$space": "fixed", "value": values[0]}
        return {"$space": "choice", "values": values}

    def value(self, given):
        return given if self.plain else self.choices[int(given)]

    def given(self, value):
        return value if self.plain else self.choices.index(value)
