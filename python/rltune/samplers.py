"""Samplers by Optuna's names. What one takes is checked by rltune (`rltune explain sampler.tpe`);
a `seed` becomes tune.seed."""
from .distributions import encode


class _Method:
    name = ""
    ignored = ()

    without = {}  # Optuna's options that rltune's sampler lacks: with this value, they say nothing

    def __init__(self, **options):
        if options.get("constraints_func") is not None:
            raise TypeError("constraints_func: name constraints by create_study(constraints=[...]) "
                            "and give their numbers by trial.set_constraint")
        self.seed = options.pop("seed", None)
        self.options = {k: v for k, v in options.items() if v is not None and
                        k not in self.ignored and not (k in self.without and v == self.without[k])}

    def table(self):
        return {"name": self.name, **self.options}

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"


class RandomSampler(_Method):
    name = "random"

    def __init__(self, seed=None):
        super().__init__(seed=seed)


class TPESampler(_Method):
    name = "tpe"
    ignored = ("warn_independent_sampling", "group", "consider_prior")


class CmaEsSampler(_Method):
    name = "cmaes"
    ignored = ("warn_independent_sampling", "independent_sampler", "with_margin")
    without = {"use_separable_cma": False, "lr_adapt": False, "inc_popsize": -1}


class GPSampler(_Method):
    name = "gp"
    ignored = ("warn_independent_sampling", "independent_sampler", "deterministic_objective")


class NSGAIISampler(_Method):
    name = "nsga2"


class NSGAIIISampler(_Method):
    name = "nsga3"


class BruteForceSampler(_Method):
    name = "brute"
    without = {"avoid_premature_stop": False}


class PartialFixedSampler(_Method):
    """Parameters of fixed_params have these values, base_sampler searches the others."""
    name = "partial_fixed"

    def __init__(self, fixed_params, base_sampler):
        super().__init__(seed=base_sampler.seed, base=base_sampler.table(), fixed={
            "params." + k: encode(v) for k, v in fixed_params.items()})


class QMCSampler(_Method):
    """qmc_type "sobol" (default) or "halton"; both are scrambled."""
    ignored = ("warn_independent_sampling", "warn_asynchronous_seeding", "independent_sampler",
               "scramble")

    def __init__(self, qmc_type="sobol", seed=None, **options):
        if qmc_type not in ("sobol", "halton"):
            raise ValueError(f"qmc_type is {qmc_type!r}; one of 'sobol', 'halton'")
        self.name = qmc_type
        super().__init__(seed=seed, **options)


class GridSampler(_Method):
    """Every combination of search_space, {name: list of values}."""
    name = "grid"

    def __init__(self, search_space, seed=None):
        super().__init__(seed=seed)
        self.search_space = {k: list(v) for k, v in search_space.items()}
