"""Importances of parameters, computed by `rltune importance` from the study's file."""
import json
import subprocess

from ._client import RltuneError, binary


class PedAnovaImportanceEvaluator:
    arguments = ("--method", "ped_anova")


class FanovaImportanceEvaluator:
    def __init__(self, *, seed=None):
        self.arguments = ("--method", "fanova")
        if seed is not None:
            self.arguments += ("--seed", str(seed))


def get_param_importances(study, *, evaluator=None, params=None, target=None, normalize=True):
    """{name: share}, the largest first; by default PED-ANOVA."""
    if target is not None:
        raise NotImplementedError("target: importances are those for the study's objective")
    evaluator = evaluator if evaluator is not None else PedAnovaImportanceEvaluator()
    arguments = getattr(evaluator, "arguments", None)
    if arguments is None:
        raise NotImplementedError(f"{type(evaluator).__name__}: rltune has "
                                  "PedAnovaImportanceEvaluator and FanovaImportanceEvaluator")
    done = subprocess.run(
        [binary(), "importance", str(study._experiment), "--db", study._db, "--json", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise RltuneError(done.stderr.decode(errors="replace").strip())
    rows = json.loads(done.stdout)["importances"]
    found = {r["param"].split(".", 1)[1]: r["importance" if normalize else "raw"] for r in rows}
    if params is None:
        return found
    unknown = [p for p in params if p not in found]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no parameter of the completed trials")
    total = sum(found[p] for p in params) if normalize else 1
    return {p: v / total if total > 0 else v for p, v in found.items() if p in params}
