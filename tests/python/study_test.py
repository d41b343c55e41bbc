"""The Python package against the real binary (RLTUNE names it). Standard library only."""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import rltune
from rltune._client import Client, Driver

rltune.logging.set_verbosity(rltune.logging.ERROR)


def quadratic(trial):
    x = trial.suggest_float("x", -10, 10)
    return (x - 2) ** 2 + trial.suggest_int("n", 0, 5)


class StudyTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.db = os.path.join(self.folder.name, "s.db")
        self.studies = []

    def tearDown(self):
        for study in self.studies:
            study.close()
        self.folder.cleanup()

    def make(self, **options):
        options.setdefault("storage", self.db)
        study = rltune.create_study(**options)
        self.studies.append(study)
        return study

    def query(self, sql):
        connection = sqlite3.connect(self.db)
        rows = connection.execute(sql).fetchall()
        connection.close()
        return rows

    def test_optimize(self):
        study = self.make(sampler=rltune.samplers.TPESampler(seed=3), study_name="a")
        study.optimize(quadratic, n_trials=40)
        self.assertEqual([t.number for t in study.trials], list(range(40)))
        best = min(t.value for t in study.trials)
        self.assertEqual(study.best_value, best)
        self.assertEqual((study.best_params["x"] - 2) ** 2 + study.best_params["n"], best)
        self.assertLess(best, 3)
        self.assertEqual(self.query("SELECT count(*), min(value) FROM trials WHERE state = "
                                    "'completed'"), [(40, best)])

    def test_same_seed_same_trials(self):
        found = []
        for _ in range(2):
            study = self.make(storage=None, sampler=rltune.samplers.TPESampler(seed=7))
            study.optimize(quadratic, n_trials=15)
            found.append([t.params for t in study.trials])
            study.close()
        self.assertEqual(found[0], found[1])

    def test_goes_on_where_it_stopped(self):
        whole = self.make(storage=None, sampler=rltune.samplers.TPESampler(seed=5))
        whole.optimize(quadratic, n_trials=24)
        study = self.make(study_name="a", sampler=rltune.samplers.TPESampler(seed=5))
        study.optimize(quadratic, n_trials=13)
        study.close()
        again = rltune.load_study(study_name="a", storage="sqlite:///" + self.db)
        self.studies.append(again)
        again.optimize(quadratic, n_trials=11)
        self.assertEqual([t.params for t in again.trials], [t.params for t in whole.trials])

    def test_threads(self):
        study = self.make()
        study.optimize(quadratic, n_trials=30, n_jobs=4)
        self.assertEqual(len(study.trials), 30)
        self.assertTrue(all(t.state == rltune.TrialState.COMPLETE for t in study.trials))

    def test_pruning(self):
        def objective(trial):
            level = trial.suggest_float("level", 0, 1)
            for step in range(1, 30):
                trial.report(level, step)
                if trial.should_prune():
                    raise rltune.TrialPruned()
            return level

        study = self.make(direction="maximize", sampler=rltune.samplers.RandomSampler(seed=1),
                          pruner=rltune.pruners.MedianPruner(n_startup_trials=3))
        study.optimize(objective, n_trials=30)
        pruned = [t for t in study.trials if t.state == rltune.TrialState.PRUNED]
        self.assertTrue(5 < len(pruned) < 27)
        self.assertTrue(all(len(t.intermediate_values) < 29 for t in pruned))
        self.assertEqual(study.best_value, max(t.params["level"] for t in study.trials))
        reasons = self.query("SELECT count(*) FROM decisions WHERE action = 'stop'")
        self.assertEqual(reasons, [(len(pruned),)])

    def test_categories_and_steps(self):
        seen = []

        def objective(trial):
            kind = trial.suggest_categorical("kind", ["a", "b", None])
            number = trial.suggest_int("number", 4, 64, step=8)
            real = trial.suggest_float("real", 0.1, 0.7, step=0.2)
            one = trial.suggest_categorical("one", [(1, 2)])
            seen.append((kind, number, round(real, 9), one))
            return number

        self.make().optimize(objective, n_trials=40)
        self.assertEqual({s[0] for s in seen}, {"a", "b", None})
        self.assertLessEqual({s[1] for s in seen}, set(range(4, 61, 8)))
        self.assertLessEqual({s[2] for s in seen}, {0.1, 0.3, 0.5, 0.7})
        self.assertEqual({s[3] for s in seen}, {(1, 2)})

    def test_conditional(self):
        def objective(trial):
            if trial.suggest_categorical("kind", ["a", "b"]) == "a":
                return trial.suggest_float("a", 0, 1)
            return 1 + trial.suggest_float("b", 0, 1)

        study = self.make(sampler=rltune.samplers.TPESampler(seed=2))
        study.optimize(objective, n_trials=25)
        self.assertLess(study.best_value, 0.3)

    def test_branches_go_on(self):
        """What a branch never asked for is in no row, and a replay knows it all the same."""
        def objective(trial):
            if trial.suggest_categorical("kind", ["a", "b"]) == "a":
                return trial.suggest_float("a", 0, 1)
            if trial.suggest_int("n", 1, 4) > 2:
                return 0.5 + trial.suggest_float("b", 0, 1)
            return 0.2 + trial.suggest_float("c", 0, 1)

        sampler = rltune.samplers.TPESampler(seed=2, n_startup_trials=4)
        whole = self.make(storage=None, sampler=sampler)
        whole.optimize(objective, n_trials=30)
        study = self.make(study_name="a", sampler=sampler)
        for trials in (3, 9, 10):
            study.optimize(objective, n_trials=trials)
            os.kill(study._driver.process.pid, signal.SIGKILL)
        study.close()
        again = rltune.load_study(study_name="a", storage=self.db)
        self.studies.append(again)
        again.optimize(objective, n_trials=8)
        self.assertEqual([t.params for t in again.trials], [t.params for t in whole.trials])
        for trial in again.trials:
            own = {"a"} if trial.params["kind"] == "a" else {"n", "b" if trial.params["n"] > 2
                                                              else "c"}
            self.assertEqual(trial.params.keys(), {"kind"} | own)
        rows = self.query("SELECT t.params_json, json_extract(t.config_json, '$.params'), e.text "
                          "FROM trials t JOIN events e ON e.trial = t.id AND e.kind = "
                          "'trial.unasked' ORDER BY t.number")
        self.assertGreater(len(rows), 20)
        for params, config, unasked in rows:
            params, unasked = json.loads(params), json.loads(unasked)
            self.assertFalse(params.keys() & unasked.keys())
            self.assertEqual(params, {"params." + k: v for k, v in json.loads(config).items()})

    def test_enqueue(self):
        study = self.make()
        study.enqueue_trial({"x": 2.0, "n": 0})
        study.optimize(quadratic, n_trials=3)
        self.assertEqual(study.trials[0].params, {"x": 2.0, "n": 0})
        self.assertEqual(study.best_trial.number, 0)
        with self.assertRaisesRegex(rltune.RltuneError, "must be an object"):
            study.enqueue_trial([1])

    def test_grid(self):
        study = self.make(sampler=rltune.samplers.GridSampler({"x": [-1.0, 2.0], "n": [0, 3]}))
        study.optimize(quadratic, n_trials=4)
        self.assertEqual(len({(t.params["x"], t.params["n"]) for t in study.trials}), 4)
        with self.assertRaisesRegex(rltune.RltuneError, "no further trials"):
            study.ask()

    def test_several_objectives(self):
        study = self.make(directions=["minimize", "maximize"],
                          sampler=rltune.samplers.NSGAIISampler(seed=1, population_size=10))
        study.optimize(lambda t: (t.suggest_float("x", 0, 1), t.params["x"] ** 2), n_trials=20)
        self.assertEqual(len(study.best_trials), 20)  # each is better in one of both
        self.assertEqual(len(study.trials[0].values), 2)
        with self.assertRaises(RuntimeError):
            study.best_trial

    def test_constraints(self):
        def objective(trial):
            x = trial.suggest_float("x", 0, 1)
            trial.set_constraint("c", 0.5 - x)
            return x

        study = self.make(constraints=["c"], sampler=rltune.samplers.TPESampler(seed=1))
        study.optimize(objective, n_trials=20)
        ranked = self.query("SELECT value FROM leaderboard WHERE rank = 1")
        self.assertGreaterEqual(ranked[0][0], 0.5)

    def test_failures(self):
        def objective(trial):
            if trial.number == 1:
                raise ValueError("no such luck")
            return trial.suggest_float("x", 0, 1)

        study = self.make()
        study.optimize(objective, n_trials=3, catch=(ValueError,))
        states = [t.state.name for t in study.trials]
        self.assertEqual(states, ["COMPLETE", "FAIL", "COMPLETE"])
        self.assertEqual(self.query("SELECT reason FROM trials WHERE number = 1"),
                         [("ValueError: no such luck",)])
        with self.assertRaises(ZeroDivisionError):
            study.optimize(lambda trial: 1 / 0, n_trials=1)
        study.optimize(lambda trial: float("nan"), n_trials=1)
        self.assertEqual(study.trials[-1].state, rltune.TrialState.FAIL)

    def test_attributes(self):
        study = self.make()
        trial = study.ask()
        trial.set_user_attr("note", {"a": [1, 2]})
        study.tell(trial, 1.0)
        self.assertEqual(study.trials[0].user_attrs, {"note": {"a": [1, 2]}})
        with self.assertRaisesRegex(rltune.RltuneError, "longer than"):
            study.ask().set_user_attr("big", "x" * 5000)

    def test_what_is_refused(self):
        study = self.make()
        study.optimize(quadratic, n_trials=1)
        with self.assertRaisesRegex(rltune.RltuneError, "another range"):
            study.ask().suggest_float("x", 0, 1)
        with self.assertRaisesRegex(rltune.RltuneError, "n_startup_trials"):
            self.make(sampler=rltune.samplers.TPESampler(n_startup_trial=3))
        for low, high, text in ((0, float("inf"), "high is inf"), (float("nan"), 1, "low is nan"),
                                (2, 1, "more than high")):
            with self.assertRaisesRegex(ValueError, text):
                study.ask().suggest_float("y", low, high)
        with self.assertRaisesRegex(ValueError, "minimize"):
            rltune.create_study(direction="up")
        with self.assertRaisesRegex(ValueError, "SQLite"):
            rltune.create_study(storage="mysql://x")

    def test_requests_that_are_wrong(self):
        client = Client(self.make()._socket)
        for line, text in ((b"5", "one JSON object"), (b"{", "one JSON object"),
                           (b'{"op": "tel"}', "did you mean 'tell'"),
                           (b'{"op": "tell", "state": "good"}', "must be one of"),
                           (b'{"op": "report", "trial": -1}', "integer"),
                           (b'{"op": "report", "trial": 99, "attempt": 1}', "no trial 99"),
                           (b'{"op": "suggest", "trial": 0}', "integer"),
                           (b'{"op": "enqueue"}', "object"),
                           (b'{"op": "ask", "params": 3}', "object of values"),
                           (b'{"op": "suggest", "name": "y"}', "'space' an object"),
                           (b'{"op": "attr", "name": ""}', "with a 'value'")):
            client.file.write(line + b"\n")
            client.file.flush()
            answer = client.file.readline().decode()
            self.assertIn('"ok":false', answer)
            self.assertIn(text, answer)
            if text == "one JSON object":  # who speaks no JSON is sent away
                self.assertEqual(client.file.readline(), b"")
                client.close()
                client = Client(self.studies[0]._socket)
        with self.assertRaises(OSError):
            for _ in range(40):  # 40 MiB without the end of a line
                client.sock.sendall(b"x" * (1 << 20))
        client.close()

    def test_points_and_parameters_of_a_client(self):
        client = Client(self.make()._socket)
        self.addCleanup(client.close)
        space = {"$space": "uniform", "low": 0, "high": 1}
        client.call("suggest", name="x", space=space)
        client.call("enqueue", params={"x": 0.25})
        asked = client.call("ask", params={"x": 0.75})
        self.assertEqual((asked["trial"], asked["params"]), (0, {"x": 0.75}))
        self.assertEqual(client.call("ask")["params"], {"x": 0.25})
        with self.assertRaisesRegex(rltune.RltuneError, "keeps its search space"):
            client.call("suggest", name="x", space={**space, "high": 2})
        self.assertNotEqual(client.call("ask", params={"x": 7.0})["params"]["x"], 7.0)
        for names in (3, [3], {"x": 1}):
            with self.assertRaisesRegex(rltune.RltuneError, "list of parameters' names"):
                client.call("tell", trial=0, attempt=1, state="completed", values={"value": 1},
                            asked=names)
        self.assertEqual(self.query("SELECT state FROM trials WHERE number = 0"), [("running",)])
        client.call("tell", trial=0, attempt=1, state="completed", values={"value": 1}, asked=["q"])
        self.assertEqual(self.query("SELECT t.params_json, e.text FROM trials t JOIN events e ON "
                                    "e.trial = t.id WHERE number = 0 AND kind = 'trial.unasked'"),
                         [("{}", '{"params.x":0.75}')])

    def test_silent_client_loses_its_trial(self):
        study = self.make(heartbeat=0.4)
        silent = Client(study._socket)
        self.addCleanup(silent.close)
        asked = silent.call("ask", client="silent")
        time.sleep(0.8)
        trial = study.ask()
        self.assertEqual((trial.number, trial.attempt), (asked["trial"], 2))
        with self.assertRaises(rltune.StaleTrial):
            silent.call("tell", trial=asked["trial"], attempt=1, state="completed",
                        values={"value": 1})
        time.sleep(0.8)  # the study's own heartbeat keeps it
        study.tell(trial, 3.0)
        self.assertEqual(self.query("SELECT value, attempt FROM trials"), [(3.0, 2)])

    def test_tell_twice(self):
        study = self.make()
        trial = study.ask()
        study.tell(trial, 1.0)
        again = trial._call("tell", state="completed", values={"value": 5})
        self.assertTrue(again["already"])
        self.assertEqual(self.query("SELECT value FROM trials"), [(1.0,)])

    def test_killed_driver(self):
        study = self.make(study_name="k")
        told = []

        def objective(trial):
            value = quadratic(trial)
            if trial.number in (3, 7):
                study._driver.process.send_signal(signal.SIGKILL)
                study._driver.process.wait()
            told.append((trial.number, value))
            return value

        study.optimize(objective, n_trials=12)
        rows = self.query("SELECT number, value FROM trials WHERE state = 'completed' ORDER BY 1")
        self.assertEqual(rows, sorted(told))
        self.assertEqual(len(rows), 12)

    def test_killed_client(self):
        study = self.make(study_name="k", heartbeat=0.4)
        code = ("import rltune, os, signal\n"
                f"study = rltune.load_study(study_name='k', storage={self.db!r})\n"
                "study.tell(study.ask(), 1.0)\nstudy.ask()\nos.kill(os.getpid(), signal.SIGKILL)\n")
        subprocess.run([sys.executable, "-c", code], check=False)
        time.sleep(0.8)
        self.assertEqual(study.ask().number, 1)
        self.assertEqual(self.query("SELECT value FROM trials WHERE number = 0"), [(1.0,)])

    def test_two_processes(self):
        study = self.make(study_name="two")
        code = ("import rltune\n"
                f"study = rltune.load_study(study_name='two', storage={self.db!r})\n"
                "study.optimize(lambda t: t.suggest_float('x', 0, 1), n_trials=20)\n")
        other = subprocess.Popen([sys.executable, "-c", code])
        study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=20)
        self.assertEqual(other.wait(), 0)
        self.assertEqual(len(study.trials), 40)

    def run_at_once(self, code, count):
        """The same lines in processes that start together; all must end well."""
        code = f"import rltune\nDB = {self.db!r}\n" + code
        started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
        self.assertEqual([process.wait() for process in started], [0] * count)

    def test_created_by_several_at_once(self):
        self.run_at_once("study = rltune.create_study(study_name='one', storage=DB, load_if_exists=True)\n"
                         "study.optimize(lambda t: t.suggest_float('x', 0, 1), n_trials=5)\n", 4)
        self.assertEqual(self.query("SELECT name, count(*) FROM experiments"), [("one", 1)])
        states = self.query("SELECT state, count(*) FROM trials GROUP BY state")
        self.assertEqual(states, [("completed", 20)])

    def test_loaded_by_several_at_once(self):
        self.make(study_name="one").close()
        self.run_at_once("study = rltune.load_study(study_name='one', storage=DB)\n"
                         "study.optimize(lambda t: t.suggest_float('x', 0, 1), n_trials=5)\n", 4)
        states = self.query("SELECT state, count(*) FROM trials GROUP BY state")
        self.assertEqual(states, [("completed", 20)])

    def test_driver_ends_with_its_process(self):
        study = self.make()
        process = study._driver.process
        study.close()
        self.assertIsNotNone(process.poll())
        with self.assertRaises(ConnectionRefusedError):
            Client(study._socket)
        self.assertEqual(self.query("SELECT state FROM experiments"), [("stopped",)])

    def test_long_path(self):
        folder = os.path.join(self.folder.name, "d" * 100, "e" * 100)
        os.makedirs(folder)
        study = self.make(storage=os.path.join(folder, "s.db"))
        study.optimize(quadratic, n_trials=2)
        self.assertEqual(len(study.trials), 2)

    def test_enqueue_command(self):
        study = self.make(study_name="q")
        study.optimize(quadratic, n_trials=2)
        binary = os.environ["RLTUNE"]
        done = subprocess.run([binary, "enqueue", "1", "--db", self.db, "--set", "x=2", "--set",
                               "n=0"], check=True, capture_output=True, text=True)
        self.assertIn("queued; 1 waits", done.stdout)
        study.optimize(quadratic, n_trials=1)
        self.assertEqual(study.best_value, 0)
        study.close()
        done = subprocess.run([binary, "enqueue", "1", "--db", self.db, "--set", "x=1.5"],
                              check=True, capture_output=True, text=True)
        self.assertIn("nobody drives experiment 1", done.stdout)
        again = rltune.load_study(study_name="q", storage=self.db)
        self.studies.append(again)
        self.assertEqual(again.ask().suggest_float("x", -10, 10), 1.5)

    def search(self, command, trials):
        script = os.path.join(self.folder.name, "s.lua")
        with open(script, "w") as file:
            file.write("return { name = 'j', objective = { 'command', argv = { 'sh', '-c', "
                       f"'{command}' }}, metrics = {{ loss = 'loss=([0-9.e-]+)' }} }},\n"
                       "params = { x = space.uniform(0, 1) }, tune = { metric = 'loss', "
                       f"mode = 'min', trials = {trials}, parallel = 1 }} }}\n")
        return subprocess.Popen([os.environ["RLTUNE"], "run", script, "--db", self.db, "--quiet"],
                                stdout=subprocess.DEVNULL)

    def join(self, *options):
        for _ in range(200):  # until the driver listens
            done = subprocess.Popen([os.environ["RLTUNE"], "join", "1", "--db", self.db, *options],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                done.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                return done
            done.communicate()
            time.sleep(0.05)
        self.fail("nobody could join")

    def test_stopper_that_counts_seconds(self):
        script = os.path.join(self.folder.name, "s.lua")
        with open(script, "w") as file:
            file.write("return { name = 's', objective = { 'external' }, params = { x = "
                       "space.choice{ 1, 3, 2 } }, tune = { metric = 'loss', mode = 'min', trials "
                       "= 3, points = { { x = 1 }, { x = 3 }, { x = 2 } }, stopper = { 'ASHAScheduler', time_attr = "
                       "'time_total_s', grace_period = 0.1, max_t = 0.3 } } }\n")
        driver = Driver(["run", script, "--db", self.db])
        study = rltune.load_study(storage=self.db, experiment=1)
        self.studies.append(study)

        def objective(trial):
            x = trial.suggest_categorical("x", [1, 3, 2])
            for step in range(1, 1000):
                time.sleep(0.02)
                trial.report(x, step)
                if trial.should_prune():
                    raise rltune.TrialPruned()
            return x

        study.optimize(objective, n_trials=3)
        # the first at its rung goes on until it has run whole, the others are worse
        self.assertEqual(self.query("SELECT state FROM trials ORDER BY number"),
                         [("completed",), ("stopped",), ("stopped",)])
        self.assertEqual(self.query("SELECT min(json_extract(numbers_json, '$.time_total_s')) >= "
                                    "0.1, count(*) FROM decisions"), [(1, 3)])
        self.assertIn(("tune.stopper.max_steps reached",),
                      self.query("SELECT reason FROM trials"))
        driver.close()

    def test_join(self):
        driver = self.search("sleep 0.2; echo loss={x}", 24)
        joined = self.join("--parallel", "3")
        out, _ = joined.communicate(timeout=60)
        self.assertEqual((joined.returncode, driver.wait(timeout=60)), (0, 0))
        here = int(out.split()[0])
        self.assertGreater(here, 8)
        self.assertEqual(self.query("SELECT count(*), max(attempt) FROM trials WHERE state = "
                                    "'completed'"), [(24, 1)])
        self.assertEqual(self.query("SELECT count(*) FROM trials t JOIN trial_params p ON p.trial "
                                    "= t.id WHERE abs(t.value - p.number) > 1e-9"), [(0,)])
        self.assertEqual(self.query("SELECT count(*) FROM leases"), [(0,)])

    def test_join_is_killed_or_stopped(self):
        driver = self.search("sleep 0.3; echo loss={x}", 16)
        killed = self.join("--parallel", "2")
        time.sleep(0.3)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        stopped = self.join("--parallel", "2")
        time.sleep(0.3)
        stopped.send_signal(signal.SIGINT)
        stopped.communicate(timeout=20)
        self.assertEqual(stopped.returncode, 0)
        self.assertEqual(driver.wait(timeout=60), 0)
        self.assertEqual(self.query("SELECT state, count(*) FROM trials GROUP BY state"),
                         [("completed", 16)])
        lost = self.query("SELECT count(*) FROM transitions WHERE reason LIKE '%had joined%has gone%'")
        self.assertGreater(lost[0][0], 0)

    def test_driver_dies_under_who_joined(self):
        driver = self.search("sleep 0.2; echo loss={x}", 100)
        joined = self.join("--parallel", "2")
        time.sleep(0.5)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        _, text = joined.communicate(timeout=20)
        self.assertNotEqual(joined.returncode, 0)
        self.assertIn("rltune resume 1", text)
        rows = self.query("SELECT count(*) FROM trials WHERE state = 'completed'")[0][0]
        self.assertGreater(rows, 0)
        again = subprocess.run([os.environ["RLTUNE"], "join", "1", "--db", self.db],
                               capture_output=True, text=True)
        self.assertIn("nobody drives experiment 1", again.stderr)


if __name__ == "__main__":
    unittest.main()
