"""Pruners by Optuna's names: rltune calls them stoppers. Steps are those that `trial.report` gives."""


class _Pruner:
    name = "none"

    def __init__(self, **options):
        self.options = options

    def table(self):
        return {"name": self.name, **self.options}


class NopPruner(_Pruner):
    pass


class MedianPruner(_Pruner):
    name = "median"

    def __init__(self, n_startup_trials=5, n_warmup_steps=0, interval_steps=1, n_min_trials=1):
        super().__init__(startup_trials=n_startup_trials, grace=max(n_warmup_steps, 1),
                         interval=interval_steps, min_trials=n_min_trials)


class PercentilePruner(_Pruner):
    name = "percentile"

    def __init__(self, percentile, n_startup_trials=5, n_warmup_steps=0, interval_steps=1,
                 n_min_trials=1):
        super().__init__(percentile=percentile, startup_trials=n_startup_trials,
                         grace=max(n_warmup_steps, 1), interval=interval_steps,
                         min_trials=n_min_trials)


class ThresholdPruner(_Pruner):
    name = "threshold"

    def __init__(self, lower=None, upper=None, n_warmup_steps=0, interval_steps=1):
        bounds = {k: v for k, v in (("lower", lower), ("upper", upper)) if v is not None}
        super().__init__(grace=max(n_warmup_steps, 1), interval=interval_steps, **bounds)


class SuccessiveHalvingPruner(_Pruner):
    name = "asha"

    def __init__(self, min_resource=1, reduction_factor=4, min_early_stopping_rate=0,
                 bootstrap_count=0):
        if min_resource == "auto":
            min_resource = 1
        super().__init__(grace=min_resource, reduction=reduction_factor,
                         early_stopping_rate=min_early_stopping_rate,
                         bootstrap_count=bootstrap_count, max_steps=10**9)


class HyperbandPruner(_Pruner):
    name = "hyperband_asha"

    def __init__(self, min_resource=1, max_resource="auto", reduction_factor=3,
                 bootstrap_count=0):
        if max_resource == "auto":
            raise ValueError("HyperbandPruner: give max_resource, the step that a whole trial "
                             "reports last; rltune does not guess it")
        super().__init__(grace=min_resource, max_steps=max_resource, reduction=reduction_factor,
                         bootstrap_count=bootstrap_count)


class PatientPruner(_Pruner):
    name = "patience"

    def __init__(self, wrapped_pruner, patience, min_delta=0.0):
        options = {"patience": patience, "min_delta": min_delta}
        if wrapped_pruner is not None:
            options["wrapped"] = wrapped_pruner.table()
        else:
            options.update(grace=1, interval=1)
        super().__init__(**options)


class WilcoxonPruner(_Pruner):
    name = "wilcoxon"

    def __init__(self, p_threshold=0.1, n_startup_steps=2):
        super().__init__(p_threshold=p_threshold, n_startup_steps=n_startup_steps, grace=1,
                         interval=1)
