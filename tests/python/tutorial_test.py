"""The calls of Optuna's tutorials, as its users write them. TUTORIAL_OF=optuna runs the same with
Optuna itself, where only what is rltune's own is left out. Standard library only."""
import importlib
import logging
import os
import sys
import tempfile
import threading
import unittest
import warnings

optuna = importlib.import_module(os.environ.get("TUTORIAL_OF", "rltune"))
OURS = optuna.__name__ == "rltune"
optuna.logging.set_verbosity(optuna.logging.WARNING)


def parabola(trial):
    x = trial.suggest_float("x", -10, 10)
    return (x - 2) ** 2


class TutorialTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.storage = "sqlite:///" + os.path.join(self.folder.name, "example.db")
        self.studies = []

    def tearDown(self):
        for study in self.studies:
            if OURS:
                study.close()
        self.folder.cleanup()

    def make(self, **options):
        self.studies.append(optuna.create_study(**options))
        return self.studies[-1]

    # 1. Lightweight, versatile, and platform agnostic architecture
    def test_first(self):
        study = self.make()
        study.optimize(parabola, n_trials=30)
        self.assertEqual(study.best_params.keys(), {"x"})
        self.assertEqual(study.best_value, study.best_trial.value)
        self.assertEqual(study.best_trial.params, study.best_params)
        self.assertEqual(len(study.trials), 30)
        study.optimize(parabola, n_trials=10)
        self.assertEqual(len(study.trials), 40)
        trial = study.trials[7]
        self.assertEqual((trial.number, trial.state), (7, optuna.trial.TrialState.COMPLETE))
        self.assertEqual(trial.value, parabola(trial))  # a frozen trial suggests what it has
        self.assertEqual(trial.distributions["x"], optuna.distributions.FloatDistribution(-10, 10))
        self.assertLessEqual(trial.datetime_start, trial.datetime_complete)
        self.assertGreaterEqual(trial.duration.total_seconds(), 0)
        self.assertIsNone(trial.last_step)
        self.assertEqual(study.direction, optuna.study.StudyDirection.MINIMIZE)

    # 2. Pythonic search space
    def test_search_space(self):
        def objective(trial):
            optimizer = trial.suggest_categorical("optimizer", ["MomentumSGD", "Adam"])
            num_layers = trial.suggest_int("num_layers", 1, 3)
            num_channels = trial.suggest_int("num_channels", 32, 512, log=True)
            num_units = trial.suggest_int("num_units", 10, 100, step=5)
            dropout_rate = trial.suggest_float("dropout_rate", 0.0, 1.0)
            learning_rate = trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True)
            drop_path_rate = trial.suggest_float("drop_path_rate", 0.0, 1.0, step=0.1)
            self.assertIn(optimizer, ["MomentumSGD", "Adam"])
            self.assertIsInstance(num_layers, int)
            self.assertIsInstance(num_units, int)
            self.assertEqual(num_units % 5, 0)
            self.assertAlmostEqual(drop_path_rate * 10, round(drop_path_rate * 10))
            self.assertTrue(32 <= num_channels <= 512 and 1e-5 <= learning_rate <= 1e-2)
            for i in range(num_layers):
                trial.suggest_int(f"n_units_l{i}", 4, 128, log=True)
            return num_layers + dropout_rate

        study = self.make()
        study.optimize(objective, n_trials=15)
        for trial in study.trials:  # those that were asked for, no others
            layers = trial.params["num_layers"]
            self.assertEqual({k for k in trial.params if k.startswith("n_units")},
                             {f"n_units_l{i}" for i in range(layers)})
            self.assertEqual(trial.params.keys(), trial.distributions.keys())
            self.assertEqual(type(trial.params["num_units"]), int)

    def test_branches(self):
        def objective(trial):
            classifier = trial.suggest_categorical("classifier", ["SVC", "RandomForest"])
            if classifier == "SVC":
                return trial.suggest_float("svc_c", 1e-10, 1e10, log=True) ** 0
            return trial.suggest_int("rf_max_depth", 2, 32)

        study = self.make(sampler=optuna.samplers.TPESampler(seed=1, n_startup_trials=3))
        study.optimize(objective, n_trials=20)
        for trial in study.trials:
            own = "svc_c" if trial.params["classifier"] == "SVC" else "rf_max_depth"
            self.assertEqual(trial.params.keys(), {"classifier", own})

    # 3. Samplers and pruners
    def test_samplers(self):
        samplers = optuna.samplers
        made = [samplers.TPESampler(seed=10), samplers.RandomSampler(seed=1),
                samplers.GPSampler(seed=1), samplers.QMCSampler(seed=1),
                samplers.CmaEsSampler(seed=1) if OURS else samplers.RandomSampler(),
                samplers.NSGAIISampler(seed=1), samplers.NSGAIIISampler(seed=1),
                samplers.PartialFixedSampler({"n": 2}, samplers.TPESampler(seed=1)),
                samplers.TPESampler(multivariate=True, constant_liar=True, n_ei_candidates=10)]
        for sampler in made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                study = self.make(sampler=sampler)
                study.optimize(lambda t: t.suggest_float("x", 0, 1) + t.suggest_int("n", 0, 3),
                               n_trials=3)
            self.assertEqual(len(study.trials), 3)
            if isinstance(sampler, samplers.PartialFixedSampler):
                self.assertEqual({t.params["n"] for t in study.trials[1:]}, {2})

    def test_grid_and_brute_force(self):
        study = self.make(sampler=optuna.samplers.GridSampler({"x": [-50, 0, 50], "y": [-99, 99]}))
        study.optimize(lambda t: t.suggest_float("x", -100, 100) ** 2 +
                       t.suggest_int("y", -100, 100), n_trials=6)
        self.assertEqual(study.best_params, {"x": 0, "y": -99})
        study = self.make(sampler=optuna.samplers.BruteForceSampler())
        study.optimize(lambda t: t.suggest_categorical("c", ["a", "b"]) == "a", n_trials=2)
        self.assertEqual({t.params["c"] for t in study.trials}, {"a", "b"})

    def test_pruners(self):
        def objective(trial):
            alpha = trial.suggest_float("alpha", 1e-5, 1e-1, log=True)
            for step in range(20):
                trial.report(alpha * (20 - step), step)
                if trial.should_prune():
                    raise optuna.TrialPruned()
            return alpha

        pruners = optuna.pruners
        for pruner in (pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=3),
                       pruners.SuccessiveHalvingPruner(), pruners.NopPruner(),
                       pruners.PercentilePruner(25.0, n_startup_trials=2),
                       pruners.HyperbandPruner(min_resource=1, max_resource=20),
                       pruners.ThresholdPruner(upper=1.0),
                       pruners.PatientPruner(pruners.MedianPruner(), patience=1)):
            study = self.make(pruner=pruner)
            study.optimize(objective, n_trials=12)
            pruned = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.PRUNED])
            complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
            self.assertEqual(len(pruned) + len(complete), 12)
            for trial in pruned:
                self.assertEqual(trial.value, trial.intermediate_values[trial.last_step])
            for trial in complete:
                self.assertEqual(sorted(trial.intermediate_values), list(range(20)))

    # 4. and 6. Storage
    def test_storage(self):
        study = self.make(study_name="example-study", storage=self.storage, load_if_exists=False)
        study.optimize(parabola, n_trials=3)
        with self.assertRaises(optuna.exceptions.DuplicatedStudyError):
            optuna.create_study(study_name="example-study", storage=self.storage)
        again = self.make(study_name="example-study", storage=self.storage, load_if_exists=True)
        again.optimize(parabola, n_trials=3)
        self.studies.append(optuna.load_study(study_name="example-study", storage=self.storage))
        loaded = self.studies[-1]
        self.assertEqual([t.params for t in loaded.trials], [t.params for t in again.trials])
        self.assertEqual(len(loaded.trials), 6)
        self.assertEqual(loaded.best_trial, again.best_trial)
        self.studies.append(optuna.load_study(study_name=None, storage=self.storage))
        self.assertEqual(self.studies[-1].study_name, "example-study")
        self.assertEqual(optuna.get_all_study_names(self.storage), ["example-study"])
        summary, = optuna.get_all_study_summaries(storage=self.storage)
        self.assertEqual((summary.study_name, summary.n_trials), ("example-study", 6))
        with self.assertRaises(KeyError):
            optuna.load_study(study_name="no such", storage=self.storage)
        storage = optuna.storages.RDBStorage(self.storage)
        self.studies.append(optuna.load_study(study_name="example-study", storage=storage))
        self.assertEqual(len(self.studies[-1].trials), 6)

    # 5. Distributed, threads
    def test_jobs(self):
        study = self.make()
        study.optimize(parabola, n_trials=12, n_jobs=3)
        study.optimize(parabola, n_trials=2, n_jobs=-1)
        self.assertEqual(sorted(t.number for t in study.trials), list(range(14)))

    # User attributes
    def test_attributes(self):
        def objective(trial):
            trial.set_user_attr("accuracy", 0.25)
            self.assertEqual(trial.user_attrs, {"accuracy": 0.25})
            return trial.suggest_int("a", 0, 3)

        study = self.make(storage=self.storage, study_name="a")
        study.set_user_attr("contributors", ["Akiba", "Sano"])
        study.set_user_attr("dataset", "MNIST")
        self.assertEqual(study.user_attrs, {"contributors": ["Akiba", "Sano"], "dataset": "MNIST"})
        study.optimize(objective, n_trials=1)
        self.assertEqual(study.trials[0].user_attrs, {"accuracy": 0.25})
        self.studies.append(optuna.load_study(study_name="a", storage=self.storage))
        self.assertEqual(self.studies[-1].user_attrs["dataset"], "MNIST")

    # Callbacks, stop, timeout, catch
    def test_callbacks(self):
        seen = []

        def callback(study, trial):
            seen.append((trial.number, trial.state.name, trial.params["x"]))
            if len(seen) == 4:
                study.stop()

        study = self.make()
        study.optimize(parabola, n_trials=50, timeout=600, callbacks=[callback])
        self.assertEqual([s[:2] for s in seen], [(i, "COMPLETE") for i in range(4)])
        self.assertEqual([s[2] for s in seen], [t.params["x"] for t in study.trials])
        study.optimize(parabola, callbacks=[optuna.study.MaxTrialsCallback(
            6, states=(optuna.trial.TrialState.COMPLETE,))])
        self.assertEqual(len(study.trials), 6)
        study.optimize(parabola, timeout=0.2)
        self.assertGreater(len(study.trials), 6)

    def test_failures(self):
        def objective(trial):
            x = trial.suggest_float("x", 0, 1)
            if trial.number == 0:
                raise ValueError("bad luck")
            return {1: None, 2: float("nan"), 3: "a", 4: (1, 2)}.get(trial.number, x)

        study = self.make()
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study.optimize(objective, n_trials=6, catch=(ValueError,))
        optuna.logging.set_verbosity(level)
        self.assertEqual([t.state.name for t in study.trials], ["FAIL"] * 5 + ["COMPLETE"])
        self.assertEqual(study.trials[0].params.keys(), {"x"})
        self.assertIsNone(study.trials[0].value)
        with self.assertRaises(ZeroDivisionError):
            study.optimize(lambda trial: 1 / 0, n_trials=3)
        self.assertEqual(len(study.trials), 7)
        with self.assertRaises(ValueError):
            self.make().best_trial

    def test_nested(self):
        study = self.make()

        def objective(trial):
            study.optimize(parabola, n_trials=1)

        with self.assertRaises(RuntimeError):
            study.optimize(objective, n_trials=1)

    # Ask and tell
    def test_ask_and_tell(self):
        study = self.make(direction="maximize")
        for _ in range(5):
            trial = study.ask()
            x = trial.suggest_float("x", 0, 1)
            frozen = study.tell(trial, x)
            self.assertEqual((frozen.number, frozen.value, frozen.params), (trial.number, x, {"x": x}))
        distributions = {"x": optuna.distributions.FloatDistribution(0, 1),
                         "n": optuna.distributions.IntDistribution(1, 10, step=3),
                         "k": optuna.distributions.CategoricalDistribution(["linear", None])}
        trial = study.ask(distributions)
        self.assertEqual(trial.params.keys(), distributions.keys())
        self.assertEqual(trial.distributions, distributions)
        study.tell(trial.number, trial.params["x"], state=optuna.trial.TrialState.COMPLETE)
        self.assertEqual(study.trials[-1].params, trial.params)
        with self.assertRaises(ValueError):
            study.tell(trial.number, 1.0)
        frozen = study.tell(trial.number, 2.0, skip_if_finished=True)
        self.assertEqual(frozen.value, trial.params["x"])
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
        trial = study.ask()
        trial.report(0.5, 3)
        frozen = study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        self.assertEqual((frozen.value, frozen.intermediate_values), (0.5, {3: 0.5}))
        self.assertEqual([t.state.name for t in study.trials[-2:]], ["FAIL", "PRUNED"])
        self.assertEqual(study.trials[-2].params, {})
        with self.assertRaises(ValueError):
            study.tell(study.ask(), state=optuna.trial.TrialState.RUNNING)

    # Specify hyperparameters manually
    def test_enqueue_and_add(self):
        def objective(trial):
            return (trial.suggest_float("bagging_fraction", 0.4, 1.0) +
                    trial.suggest_int("bagging_freq", 0, 7) +
                    (trial.suggest_categorical("kind", [None, "a"]) is None))

        study = self.make(pruner=optuna.pruners.MedianPruner())
        study.enqueue_trial({"bagging_fraction": 1.0, "bagging_freq": 0, "kind": "a"})
        study.enqueue_trial({"bagging_fraction": 0.75, "bagging_freq": 5})
        study.optimize(objective, n_trials=2)
        self.assertEqual(study.trials[0].params,
                         {"bagging_fraction": 1.0, "bagging_freq": 0, "kind": "a"})
        self.assertEqual(study.trials[1].params["bagging_fraction"], 0.75)
        study.enqueue_trial({"bagging_fraction": 1.0, "bagging_freq": 0, "kind": "a"},
                            skip_if_exists=True)
        second = self.make()
        second.add_trial(optuna.trial.create_trial(
            params={"bagging_fraction": 0.5, "bagging_freq": 3, "kind": None},
            distributions={
                "bagging_fraction": optuna.distributions.FloatDistribution(0.4, 1.0),
                "bagging_freq": optuna.distributions.IntDistribution(0, 7),
                "kind": optuna.distributions.CategoricalDistribution([None, "a"])},
            value=4.5, user_attrs={"from": "a table"}))
        second.add_trials(study.trials)
        self.assertEqual(len(second.trials), 3)
        self.assertEqual(second.trials[0].params,
                         {"bagging_fraction": 0.5, "bagging_freq": 3, "kind": None})
        self.assertEqual(second.trials[0].user_attrs, {"from": "a table"})
        self.assertEqual([t.value for t in second.trials],
                         [4.5] + [t.value for t in study.trials])
        second.optimize(objective, n_trials=3)
        self.assertEqual(len(second.trials), 6)
        with self.assertRaises(ValueError):
            optuna.trial.create_trial(params={"x": 1}, value=1.0)

    # Re-use the best trial
    def test_best_trial_again(self):
        study = self.make(direction="maximize")
        study.optimize(lambda t: -parabola(t), n_trials=5)
        self.assertEqual(-parabola(study.best_trial), study.best_value)
        self.assertEqual(parabola(optuna.trial.FixedTrial({"x": 3.0})), 1.0)
        with self.assertRaises(ValueError):
            parabola(optuna.trial.FixedTrial({}))

    # Multi-objective optimization
    def test_objectives(self):
        def objective(trial):
            x = trial.suggest_float("x", 0, 5)
            y = trial.suggest_float("y", 0, 3)
            return 4 * x ** 2 + 4 * y ** 2, (x - 5) ** 2 + (y - 5) ** 2

        study = self.make(directions=["minimize", "minimize"])
        study.optimize(objective, n_trials=20, timeout=300)
        front = study.best_trials
        self.assertGreaterEqual(len(front), 1)
        for trial in front:
            self.assertFalse(any(o.values[0] <= trial.values[0] and o.values[1] < trial.values[1]
                                 for o in study.trials))
        best = max(front, key=lambda t: t.values[1])
        self.assertEqual(len(best.values), 2)
        self.assertEqual(study.directions, [optuna.study.StudyDirection.MINIMIZE] * 2)
        for name in ("best_trial", "best_value", "best_params", "direction"):
            with self.assertRaises(RuntimeError):
                getattr(study, name)
        study.set_metric_names(["flops", "accuracy"])
        self.assertEqual(study.metric_names, ["flops", "accuracy"])

    def test_importances(self):
        study = self.make(sampler=optuna.samplers.RandomSampler(seed=1))
        study.optimize(lambda t: 10 * t.suggest_float("x", 0, 1) + t.suggest_float("y", 0, 1),
                       n_trials=40)
        if not OURS:
            return  # needs scikit-learn, or scipy
        found = optuna.importance.get_param_importances(study)
        self.assertEqual(list(found), ["x", "y"])
        self.assertAlmostEqual(sum(found.values()), 1)
        fanova = optuna.importance.FanovaImportanceEvaluator(seed=1)
        found = optuna.importance.get_param_importances(study, evaluator=fanova, params=["y"])
        self.assertEqual(found, {"y": 1.0})

    def test_dataframe(self):
        try:
            import pandas  # noqa: F401
        except ImportError:
            self.skipTest("no pandas")
        study = self.make()

        def objective(trial):
            trial.set_user_attr("a", 1)
            return parabola(trial) if trial.number else trial.suggest_int("n", 0, 3)

        study.optimize(objective, n_trials=3)
        frame = study.trials_dataframe()
        self.assertEqual(list(frame.columns),
                         ["number", "value", "datetime_start", "datetime_complete", "duration",
                          "params_n", "params_x", "user_attrs_a", "state"])
        frame = study.trials_dataframe(attrs=("number", "value", "params", "state"))
        self.assertEqual(list(frame.columns), ["number", "value", "params_n", "params_x", "state"])
        two = self.make(directions=["minimize", "maximize"])
        two.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=2)
        self.assertIn("values_0", two.trials_dataframe().columns)
        two.set_metric_names(["a", "b"])
        self.assertIn("values_b", two.trials_dataframe().columns)

    def test_logging(self):
        optuna.logging.disable_default_handler()
        lines = []

        class Handler(logging.Handler):
            def emit(self, record):
                lines.append(record.getMessage())

        handler, logger = Handler(), logging.getLogger(optuna.__name__)
        logger.addHandler(handler)
        optuna.logging.set_verbosity(optuna.logging.INFO)
        try:
            study = self.make(pruner=optuna.pruners.ThresholdPruner(upper=-1.0))

            def objective(trial):
                if trial.number == 1:
                    trial.report(0, 1)
                    raise optuna.TrialPruned()
                return parabola(trial)

            study.optimize(objective, n_trials=2)
        finally:
            logger.removeHandler(handler)
            optuna.logging.enable_default_handler()
            optuna.logging.set_verbosity(optuna.logging.WARNING)
        text = "\n".join(lines)
        self.assertIn("Trial 0 finished with value: ", text)
        self.assertIn("Best is trial 0 with value: ", text)
        self.assertIn("Trial 1 pruned.", text)

    @unittest.skipUnless(OURS, "rltune's own")
    def test_what_is_not_here(self):
        study = self.make()
        study.optimize(parabola, n_trials=1)
        for name in ("plot_optimization_history", "plot_slice", "plot_param_importances",
                     "plot_contour", "plot_edf", "plot_pareto_front", "plot_timeline",
                     "plot_intermediate_values", "plot_parallel_coordinate",
                     "plot_hypervolume_history"):
            with self.assertRaisesRegex(NotImplementedError, "run: rltune plot 1 --db .* --kind "):
                getattr(optuna.visualization, name)(study)
        for name in ("integration", "artifacts", "delete_study", "terminator"):
            with self.assertRaisesRegex(AttributeError, "no counterpart of optuna." + name):
                getattr(optuna, name)
        with self.assertRaisesRegex(AttributeError, "no counterpart of plot_rank"):
            optuna.visualization.plot_rank
        with self.assertRaisesRegex(AttributeError, "SQLite files"):
            optuna.storages.JournalStorage
        with self.assertRaisesRegex(TypeError, "create_study\\(constraints="):
            optuna.samplers.TPESampler(constraints_func=lambda t: (0,))
        with self.assertRaisesRegex(NotImplementedError, "set_user_attr"):
            study.enqueue_trial({"x": 1}, user_attrs={"a": 1})
        with self.assertRaisesRegex(ValueError, "keeps studies in SQLite"):
            optuna.create_study(storage="mysql://host/db")


if __name__ == "__main__":
    unittest.main()
