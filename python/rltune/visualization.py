"""Pictures are drawn by the program: every name of Optuna's module says how."""

_KINDS = {
    "plot_contour": "contour", "plot_edf": "edf", "plot_hypervolume_history": "hypervolume",
    "plot_intermediate_values": "curves", "plot_optimization_history": "history",
    "plot_parallel_coordinate": "parallel", "plot_param_importances": "importance",
    "plot_pareto_front": "front", "plot_slice": "slice", "plot_timeline": "timeline",
}


def is_available():
    return False


def _refuse(name, kind):
    def plot(study=None, *args, **kwargs):
        where = getattr(study, "_where", lambda: "ID --db FILE")()
        raise NotImplementedError(
            f"{name}: pictures are drawn by the program; run: rltune plot {where} --kind {kind} "
            f"--out {kind}.svg (without --out in the terminal)")
    plot.__name__ = name
    plot.__doc__ = f"Not here: `rltune plot ID --kind {kind}`."
    return plot


for _name, _kind in _KINDS.items():
    globals()[_name] = _refuse(_name, _kind)


def __getattr__(name):
    if name.startswith("plot_"):
        raise AttributeError(f"rltune has no counterpart of {name}; `rltune plot --help` lists what "
                             "it draws")
    raise AttributeError(f"module 'rltune.visualization' has no attribute '{name}'")
