PRAGMA application_id = 1919710318;
PRAGMA user_version = 4;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE experiments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 127),
  state TEXT NOT NULL CHECK (state IN ('running', 'stopped', 'completed', 'failed')),
  epoch INTEGER NOT NULL CHECK (epoch >= 1), -- fence: one more with every new driver
  driver_pid INTEGER NOT NULL,
  created_ms INTEGER NOT NULL, -- wall clock, ms since 1970 UTC, as every *_ms
  ended_ms INTEGER,
  script_path TEXT NOT NULL,
  script TEXT NOT NULL,
  config_json TEXT NOT NULL CHECK (json_valid(config_json)),
  facts_json TEXT NOT NULL CHECK (json_valid(facts_json)) -- software and hardware
) STRICT;
INSERT INTO experiments VALUES(1,'sweep','running',1,11595,1795603729518,NULL,'a.lua','return {}','{"seed":1}','{"version":"0.1","cpu":{"cores":2}}');
CREATE TABLE objectives (
  experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0), -- 0: the one that trials.value holds
  metric TEXT NOT NULL CHECK (length(metric) BETWEEN 1 AND 127),
  maximise INTEGER NOT NULL CHECK (maximise IN (0, 1)),
  PRIMARY KEY (experiment, position)
) STRICT, WITHOUT ROWID;
INSERT INTO objectives VALUES(1,0,'eval_return',1);
CREATE TABLE trials (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('search', 'final')),
  number INTEGER NOT NULL CHECK (number >= 0), -- counts per experiment and role
  state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'paused', 'stopped',
                                       'completed', 'failed')),
  reason TEXT NOT NULL,
  seed INTEGER NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt >= 0), -- fence: one more with every start
  steps INTEGER NOT NULL CHECK (steps >= 0),
  value REAL, -- newest result of objective 0
  best REAL,  -- best result of objective 0 so far
  wall_s REAL,
  params_json TEXT NOT NULL CHECK (json_valid(params_json)), -- {path: chosen value}
  config_json TEXT NOT NULL CHECK (json_valid(config_json)), configuration INTEGER, replicate INTEGER NOT NULL DEFAULT 0, parent INTEGER REFERENCES trials(id) ON DELETE SET NULL, -- nothing left to choose
  UNIQUE (experiment, role, number)
) STRICT;
INSERT INTO trials VALUES(1,1,'search',0,'stopped','for the test',100,1,3000,100.0,100.0,1.5,'{"ppo.lr":0.001,"ppo.epochs":4,"model.activation":"it''s","model.hidden":[64,64],"flag":true}','{"env":"CartPole-v1"}',0,0,NULL);
INSERT INTO trials VALUES(2,1,'search',1,'completed','for the test',101,1,3000,300.0,300.0,1.5,'{"ppo.lr":0.001,"ppo.epochs":4,"model.activation":"it''s","model.hidden":[64,64],"flag":true}','{"env":"CartPole-v1"}',1,0,NULL);
INSERT INTO trials VALUES(3,1,'search',2,'completed','for the test',102,1,3000,300.0,300.0,1.5,'{"ppo.lr":0.001,"ppo.epochs":4,"model.activation":"it''s","model.hidden":[64,64],"flag":true}','{"env":"CartPole-v1"}',2,0,NULL);
INSERT INTO trials VALUES(4,1,'search',3,'failed','for the test',103,1,3000,900.0,900.0,1.5,'{"ppo.lr":0.001,"ppo.epochs":4,"model.activation":"it''s","model.hidden":[64,64],"flag":true}','{"env":"CartPole-v1"}',3,0,NULL);
INSERT INTO trials VALUES(5,1,'search',4,'pending','',104,0,0,NULL,NULL,NULL,'{"ppo.lr":0.001,"ppo.epochs":4,"model.activation":"it''s","model.hidden":[64,64],"flag":true}','{"env":"CartPole-v1"}',4,0,NULL);
INSERT INTO trials VALUES(6,1,'final',0,'completed','for the test',100,1,3000,290.0,290.0,1.5,'{"ppo.lr":0.001,"ppo.epochs":4,"model.activation":"it''s","model.hidden":[64,64],"flag":true}','{"env":"CartPole-v1"}',0,0,NULL);
INSERT INTO trials VALUES(7,1,'final',1,'completed','for the test',101,1,3000,291.0,291.0,1.5,'{"ppo.lr":0.001,"ppo.epochs":4,"model.activation":"it''s","model.hidden":[64,64],"flag":true}','{"env":"CartPole-v1"}',1,0,NULL);
CREATE TABLE trial_params (
  trial INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  number REAL, -- numbers; false and true are 0 and 1
  text TEXT,   -- strings as they are, other values as JSON
  PRIMARY KEY (trial, path),
  CHECK (number IS NOT NULL OR text IS NOT NULL)
) STRICT, WITHOUT ROWID;
INSERT INTO trial_params VALUES(1,'flag',1.0,'true');
INSERT INTO trial_params VALUES(1,'model.activation',NULL,'it''s');
INSERT INTO trial_params VALUES(1,'model.hidden',NULL,'[64,64]');
INSERT INTO trial_params VALUES(1,'ppo.epochs',4.0,NULL);
INSERT INTO trial_params VALUES(1,'ppo.lr',0.0010000000000000000208,NULL);
INSERT INTO trial_params VALUES(2,'flag',1.0,'true');
INSERT INTO trial_params VALUES(2,'model.activation',NULL,'it''s');
INSERT INTO trial_params VALUES(2,'model.hidden',NULL,'[64,64]');
INSERT INTO trial_params VALUES(2,'ppo.epochs',4.0,NULL);
INSERT INTO trial_params VALUES(2,'ppo.lr',0.0010000000000000000208,NULL);
INSERT INTO trial_params VALUES(3,'flag',1.0,'true');
INSERT INTO trial_params VALUES(3,'model.activation',NULL,'it''s');
INSERT INTO trial_params VALUES(3,'model.hidden',NULL,'[64,64]');
INSERT INTO trial_params VALUES(3,'ppo.epochs',4.0,NULL);
INSERT INTO trial_params VALUES(3,'ppo.lr',0.0010000000000000000208,NULL);
INSERT INTO trial_params VALUES(4,'flag',1.0,'true');
INSERT INTO trial_params VALUES(4,'model.activation',NULL,'it''s');
INSERT INTO trial_params VALUES(4,'model.hidden',NULL,'[64,64]');
INSERT INTO trial_params VALUES(4,'ppo.epochs',4.0,NULL);
INSERT INTO trial_params VALUES(4,'ppo.lr',0.0010000000000000000208,NULL);
INSERT INTO trial_params VALUES(5,'flag',1.0,'true');
INSERT INTO trial_params VALUES(5,'model.activation',NULL,'it''s');
INSERT INTO trial_params VALUES(5,'model.hidden',NULL,'[64,64]');
INSERT INTO trial_params VALUES(5,'ppo.epochs',4.0,NULL);
INSERT INTO trial_params VALUES(5,'ppo.lr',0.0010000000000000000208,NULL);
INSERT INTO trial_params VALUES(6,'flag',1.0,'true');
INSERT INTO trial_params VALUES(6,'model.activation',NULL,'it''s');
INSERT INTO trial_params VALUES(6,'model.hidden',NULL,'[64,64]');
INSERT INTO trial_params VALUES(6,'ppo.epochs',4.0,NULL);
INSERT INTO trial_params VALUES(6,'ppo.lr',0.0010000000000000000208,NULL);
INSERT INTO trial_params VALUES(7,'flag',1.0,'true');
INSERT INTO trial_params VALUES(7,'model.activation',NULL,'it''s');
INSERT INTO trial_params VALUES(7,'model.hidden',NULL,'[64,64]');
INSERT INTO trial_params VALUES(7,'ppo.epochs',4.0,NULL);
INSERT INTO trial_params VALUES(7,'ppo.lr',0.0010000000000000000208,NULL);
CREATE TABLE transitions (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL, -- as it is after the transition
  from_state TEXT,          -- NULL: created
  to_state TEXT NOT NULL,
  reason TEXT NOT NULL,
  wall_ms INTEGER NOT NULL
) STRICT;
INSERT INTO transitions VALUES(1,1,0,NULL,'pending','',1795603729518);
INSERT INTO transitions VALUES(2,1,1,'pending','running','for the test',1795603729519);
INSERT INTO transitions VALUES(3,1,1,'running','stopped','for the test',1795603729520);
INSERT INTO transitions VALUES(4,2,0,NULL,'pending','',1795603729520);
INSERT INTO transitions VALUES(5,2,1,'pending','running','for the test',1795603729520);
INSERT INTO transitions VALUES(6,2,1,'running','completed','for the test',1795603729523);
INSERT INTO transitions VALUES(7,3,0,NULL,'pending','',1795603729531);
INSERT INTO transitions VALUES(8,3,1,'pending','running','for the test',1795603729532);
INSERT INTO transitions VALUES(9,3,1,'running','completed','for the test',1795603729532);
INSERT INTO transitions VALUES(10,4,0,NULL,'pending','',1795603729533);
INSERT INTO transitions VALUES(11,4,1,'pending','running','for the test',1795603729533);
INSERT INTO transitions VALUES(12,4,1,'running','failed','for the test',1795603729535);
INSERT INTO transitions VALUES(13,5,0,NULL,'pending','',1795603729535);
INSERT INTO transitions VALUES(14,6,0,NULL,'pending','',1795603729536);
INSERT INTO transitions VALUES(15,6,1,'pending','running','for the test',1795603729536);
INSERT INTO transitions VALUES(16,6,1,'running','completed','for the test',1795603729536);
INSERT INTO transitions VALUES(17,7,0,NULL,'pending','',1795603729537);
INSERT INTO transitions VALUES(18,7,1,'pending','running','for the test',1795603729537);
INSERT INTO transitions VALUES(19,7,1,'running','completed','for the test',1795603729537);
CREATE TABLE metric_names (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 127)
) STRICT;
INSERT INTO metric_names VALUES(1,'eval_return');
INSERT INTO metric_names VALUES(2,'loss');
CREATE TABLE metrics (
  trial INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  name INTEGER NOT NULL REFERENCES metric_names(id),
  step INTEGER NOT NULL CHECK (step >= 0),
  value REAL, -- NULL: not a number
  PRIMARY KEY (trial, name, step)
) STRICT, WITHOUT ROWID;
INSERT INTO metrics VALUES(1,1,1000,10.0);
INSERT INTO metrics VALUES(1,1,2000,50.0);
INSERT INTO metrics VALUES(1,1,3000,100.0);
INSERT INTO metrics VALUES(1,2,1000,1.0);
INSERT INTO metrics VALUES(1,2,2000,0.5);
INSERT INTO metrics VALUES(1,2,3000,0.33333333333333331482);
INSERT INTO metrics VALUES(2,1,1000,20.0);
INSERT INTO metrics VALUES(2,1,2000,200.0);
INSERT INTO metrics VALUES(2,1,3000,300.0);
INSERT INTO metrics VALUES(2,2,1000,1.0);
INSERT INTO metrics VALUES(2,2,2000,0.5);
INSERT INTO metrics VALUES(2,2,3000,0.33333333333333331482);
INSERT INTO metrics VALUES(3,1,1000,30.0);
INSERT INTO metrics VALUES(3,1,2000,100.0);
INSERT INTO metrics VALUES(3,1,3000,300.0);
INSERT INTO metrics VALUES(3,2,1000,1.0);
INSERT INTO metrics VALUES(3,2,2000,0.5);
INSERT INTO metrics VALUES(3,2,3000,0.33333333333333331482);
INSERT INTO metrics VALUES(4,1,1000,900.0);
INSERT INTO metrics VALUES(4,1,2000,900.0);
INSERT INTO metrics VALUES(4,1,3000,900.0);
INSERT INTO metrics VALUES(4,2,1000,1.0);
INSERT INTO metrics VALUES(4,2,2000,0.5);
INSERT INTO metrics VALUES(4,2,3000,0.33333333333333331482);
INSERT INTO metrics VALUES(6,1,1000,50.0);
INSERT INTO metrics VALUES(6,1,2000,250.0);
INSERT INTO metrics VALUES(6,1,3000,290.0);
INSERT INTO metrics VALUES(6,2,1000,1.0);
INSERT INTO metrics VALUES(6,2,2000,0.5);
INSERT INTO metrics VALUES(6,2,3000,0.33333333333333331482);
INSERT INTO metrics VALUES(7,1,1000,50.0);
INSERT INTO metrics VALUES(7,1,2000,250.0);
INSERT INTO metrics VALUES(7,1,3000,291.0);
INSERT INTO metrics VALUES(7,2,1000,1.0);
INSERT INTO metrics VALUES(7,2,2000,0.5);
INSERT INTO metrics VALUES(7,2,3000,0.33333333333333331482);
CREATE TABLE checkpoints (
  id INTEGER PRIMARY KEY,
  trial INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  step INTEGER NOT NULL CHECK (step >= 0),
  path TEXT NOT NULL,
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  size INTEGER NOT NULL CHECK (size >= 0), -- bytes
  created_ms INTEGER NOT NULL,
  UNIQUE (trial, path)
) STRICT;
INSERT INTO checkpoints VALUES(1,1,1,3000,'checkpoints/1.safetensors','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',12345,1795603729519);
INSERT INTO checkpoints VALUES(2,2,1,3000,'checkpoints/2.safetensors','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',12345,1795603729522);
INSERT INTO checkpoints VALUES(3,3,1,3000,'checkpoints/3.safetensors','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',12345,1795603729532);
INSERT INTO checkpoints VALUES(4,4,1,3000,'checkpoints/4.safetensors','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',12345,1795603729535);
INSERT INTO checkpoints VALUES(5,6,1,3000,'checkpoints/6.safetensors','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',12345,1795603729536);
INSERT INTO checkpoints VALUES(6,7,1,3000,'checkpoints/7.safetensors','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',12345,1795603729537);
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  trial INTEGER REFERENCES trials(id) ON DELETE CASCADE, -- NULL: of the experiment
  wall_ms INTEGER NOT NULL,
  kind TEXT NOT NULL, -- 'worker.restarted', ...
  text TEXT NOT NULL
) STRICT;
INSERT INTO events VALUES(1,1,NULL,1795603729538,'driver.started','all is well');
CREATE TABLE IF NOT EXISTS "decisions" (
  id INTEGER PRIMARY KEY, -- in the order of time
  trial INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  step INTEGER NOT NULL CHECK (step >= 0),
  decider TEXT NOT NULL, -- 'asha', 'median', 'budget', ...
  round INTEGER NOT NULL CHECK (round >= 0), -- 0: on the result; 1: on a trial that paused
  action TEXT NOT NULL,  -- 'continue', 'stop', 'pause', ...
  reason TEXT NOT NULL,
  numbers_json TEXT NOT NULL CHECK (json_valid(numbers_json)), -- what led to it
  wall_ms INTEGER NOT NULL,
  after INTEGER, -- transitions.id of the newest transition then; NULL: not known
  UNIQUE (trial, step, decider, round)
) STRICT;
INSERT INTO decisions VALUES(1,1,2000,'asha',0,'stop','worst third at its rung','{"threshold":75}',1795603729520,3);
INSERT INTO decisions VALUES(2,2,3000,'race',0,'drop','it gets no further seed','{"p":0.01}',1795603729531,6);
INSERT INTO decisions VALUES(3,3,2000,'pbt',0,'exploit','it goes on from trial 1','{"quantile":0.25}',1795603729532,9);
CREATE TABLE constraints (
  experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  metric TEXT NOT NULL CHECK (length(metric) BETWEEN 1 AND 127), -- to end at 0 or less
  PRIMARY KEY (experiment, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE trial_values ( -- of experiments with several objectives or constraints
  trial INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  position INTEGER NOT NULL, -- objectives.position
  value REAL, -- newest result; NULL: none
  PRIMARY KEY (trial, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE trial_constraints (
  trial INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  position INTEGER NOT NULL, -- constraints.position
  value REAL, -- newest result; NULL: none
  PRIMARY KEY (trial, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE exploits ( -- a trial goes on with the weights of another and new parameters
  decision INTEGER PRIMARY KEY REFERENCES decisions(id) ON DELETE CASCADE,
  trial INTEGER NOT NULL REFERENCES trials(id) ON DELETE CASCADE,
  step INTEGER NOT NULL CHECK (step >= 0), -- of the trial; parameters hold from here on
  source INTEGER REFERENCES trials(id) ON DELETE SET NULL, -- NULL: its own weights
  source_step INTEGER NOT NULL, -- of the source's checkpoint
  params_json TEXT NOT NULL CHECK (json_valid(params_json))
) STRICT;
INSERT INTO exploits VALUES(3,3,2000,2,3000,'{"ppo.lr":0.0025,"ppo.epochs":4}');
CREATE TABLE queue ( -- points to be tried before the sampler's
  id INTEGER PRIMARY KEY, -- in this order
  experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  params_json TEXT NOT NULL CHECK (json_valid(params_json)),
  origin TEXT NOT NULL, -- 'enqueue', ...
  created_ms INTEGER NOT NULL,
  trial INTEGER REFERENCES trials(id) ON DELETE SET NULL -- NULL: it waits
) STRICT;
CREATE TABLE earlier_trials ( -- finished trials of another experiment, to learn from
  experiment INTEGER NOT NULL REFERENCES experiments(id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  origin TEXT NOT NULL, -- file, experiment and trial
  state TEXT NOT NULL CHECK (state IN ('stopped', 'completed', 'failed')),
  steps INTEGER NOT NULL CHECK (steps >= 0),
  params_json TEXT NOT NULL CHECK (json_valid(params_json)),
  values_json TEXT NOT NULL CHECK (json_valid(values_json)), -- array, one an objective
  constraints_json TEXT NOT NULL CHECK (json_valid(constraints_json)), -- array
  PRIMARY KEY (experiment, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE leases ( -- running trials of clients: ask and tell, further drivers
  trial INTEGER PRIMARY KEY REFERENCES trials(id) ON DELETE CASCADE,
  client TEXT NOT NULL, -- host, process and what it calls itself
  beat_ms INTEGER NOT NULL -- its last sign of life
) STRICT;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('experiments',1);
INSERT INTO sqlite_sequence VALUES('trials',7);
CREATE INDEX transitions_trial ON transitions(trial, id);
CREATE INDEX checkpoints_step ON checkpoints(trial, step);
CREATE INDEX events_experiment ON events(experiment, id);
CREATE INDEX events_trial ON events(trial) WHERE trial IS NOT NULL;
CREATE VIEW trial_curves AS -- the order of the joins is the order of the primary key
SELECT t.experiment, t.id AS trial, t.role, t.number, n.name AS metric, m.step, m.value
FROM trials t CROSS JOIN metric_names n CROSS JOIN metrics m
WHERE m.trial = t.id AND m.name = n.id
;
CREATE VIEW parameter_table AS -- one row per trial and parameter
SELECT t.experiment, t.id AS trial, t.role, t.number, t.state, t.value, p.path,
  coalesce(p.text, p.number) AS setting, p.number AS setting_number
FROM trials t JOIN trial_params p ON p.trial = t.id
;
CREATE VIEW seeds AS -- a replicate is a trial; an attempt keeps the seed of its trial
SELECT t.experiment, t.id AS trial, t.role, t.number, t.seed FROM trials t
;
CREATE VIEW facts AS -- software and hardware: git, version, cpu, cores, memory, gpu, ...
SELECT e.id AS experiment, substr(j.fullkey, 3) AS fact, j.atom AS value
FROM experiments e, json_tree(e.facts_json) j WHERE j.atom IS NOT NULL
;
CREATE VIEW trial_summary AS
SELECT t.experiment, e.name AS experiment_name, t.id AS trial, t.role, t.number, t.state,
  t.reason, t.seed, t.attempt AS attempts, t.steps, t.value, t.best, t.wall_s,
  t.steps / nullif(t.wall_s, 0) AS steps_per_s,
  (SELECT count(*) FROM checkpoints c WHERE c.trial = t.id) AS checkpoints,
  (SELECT max(c.step) FROM checkpoints c WHERE c.trial = t.id) AS checkpoint_step,
  (SELECT count(*) FROM decisions d WHERE d.trial = t.id) AS decisions,
  (SELECT strftime('%Y-%m-%d %H:%M:%S', min(r.wall_ms) / 1000, 'unixepoch')
   FROM transitions r WHERE r.trial = t.id AND r.to_state = 'running') AS started_utc,
  (SELECT strftime('%Y-%m-%d %H:%M:%S', max(r.wall_ms) / 1000, 'unixepoch')
   FROM transitions r WHERE r.trial = t.id) AS changed_utc,
  t.params_json AS params
FROM trials t JOIN experiments e ON e.id = t.experiment;
CREATE VIEW infeasible_trials AS -- a constraint is above 0 or has no value
SELECT t.experiment, t.id AS trial, t.role, t.number,
  sum(max(v.value, 0)) AS violation, -- of those that have a value
  sum(v.value IS NULL) AS unknown
FROM constraints c JOIN trials t ON t.experiment = c.experiment
LEFT JOIN trial_constraints v ON v.trial = t.id AND v.position = c.position
WHERE v.value IS NULL OR v.value > 0 GROUP BY t.id
;
CREATE VIEW leaderboard AS -- failed, unmeasured and infeasible trials come last, without a
  -- rank; with several objectives nobody has one: pareto_front
SELECT experiment,
  CASE WHEN score IS NOT NULL THEN
    rank() OVER (PARTITION BY experiment ORDER BY score DESC NULLS LAST) END AS rank,
  trial, number, state, value, best, steps, wall_s, attempts, params
FROM (SELECT t.experiment, t.id AS trial, t.number, t.state, t.value, t.best, t.steps,
    t.wall_s, t.attempt AS attempts, t.params_json AS params,
    CASE WHEN t.state = 'failed'
      OR EXISTS (SELECT 1 FROM objectives p WHERE p.experiment = t.experiment
        AND p.position = 1)
      OR EXISTS (SELECT 1 FROM constraints c LEFT JOIN trial_constraints v
        ON v.trial = t.id AND v.position = c.position
        WHERE c.experiment = t.experiment AND (v.value IS NULL OR v.value > 0)) THEN NULL
      WHEN o.maximise = 0 THEN -t.value ELSE t.value END AS score
  FROM trials t LEFT JOIN objectives o ON o.experiment = t.experiment AND o.position = 0
  WHERE t.role = 'search')
ORDER BY experiment, score DESC NULLS LAST, number
;
CREATE VIEW pareto_front AS -- a row for each trial on it and each objective
WITH able AS MATERIALIZED (
  SELECT t.experiment, t.id AS trial, t.number FROM trials t
  WHERE t.role = 'search' AND t.state IN ('completed', 'stopped')
    AND (SELECT count(*) FROM objectives o WHERE o.experiment = t.experiment) > 1
    AND NOT EXISTS (SELECT 1 FROM objectives o LEFT JOIN trial_values v
      ON v.trial = t.id AND v.position = o.position
      WHERE o.experiment = t.experiment AND v.value IS NULL)
    AND NOT EXISTS (SELECT 1 FROM constraints c LEFT JOIN trial_constraints v
      ON v.trial = t.id AND v.position = c.position
      WHERE c.experiment = t.experiment AND (v.value IS NULL OR v.value > 0)))
SELECT a.experiment, a.trial, a.number, o.position, o.metric,
  CASE o.maximise WHEN 1 THEN 'max' ELSE 'min' END AS mode, v.value, t.params_json AS params
FROM able a JOIN trials t ON t.id = a.trial
JOIN objectives o ON o.experiment = a.experiment
JOIN trial_values v ON v.trial = a.trial AND v.position = o.position
WHERE NOT EXISTS (SELECT 1 FROM able b WHERE b.experiment = a.experiment
  AND (SELECT min((y.value - x.value) * (2 * q.maximise - 1)) >= 0
      AND max((y.value - x.value) * (2 * q.maximise - 1)) > 0
    FROM objectives q JOIN trial_values x ON x.trial = a.trial AND x.position = q.position
    JOIN trial_values y ON y.trial = b.trial AND y.position = q.position
    WHERE q.experiment = a.experiment))
ORDER BY a.experiment, a.number, o.position
;
CREATE INDEX trials_configuration ON trials(experiment, configuration);
CREATE INDEX exploits_trial ON exploits(trial, step);
CREATE INDEX queue_experiment ON queue(experiment, id);
CREATE VIEW configurations AS -- with tune.seeds > 1 each has several trials, its replicates
WITH results AS (
  SELECT t.experiment, t.configuration, t.value,
    row_number() OVER (PARTITION BY t.experiment, t.configuration ORDER BY t.value) AS place,
    count(*) OVER (PARTITION BY t.experiment, t.configuration) AS n
  FROM trials t WHERE t.role = 'search' AND t.state IN ('completed', 'stopped')
    AND t.value IS NOT NULL),
amounts AS (
  SELECT experiment, configuration, n, avg(value) AS mean, min(value) AS least,
    max(value) AS most,
    avg(value) FILTER (WHERE place > n / 4 AND place <= n - n / 4) AS iqm,
    avg(value) FILTER (WHERE place IN ((n + 1) / 2, n / 2 + 1)) AS median
  FROM results GROUP BY experiment, configuration),
everything AS (
  SELECT t.experiment, t.configuration, min(t.number) AS first, t.params_json AS params,
    coalesce(a.n, 0) AS seeds, count(*) FILTER (WHERE t.state = 'completed') AS completed,
    count(*) FILTER (WHERE t.state = 'failed') AS failed,
    count(*) FILTER (WHERE t.state IN ('pending', 'running', 'paused')) AS open,
    a.iqm, a.mean, a.median, a.least, a.most, o.maximise, sum(t.steps) AS steps,
    CASE json_extract(e.config_json, '$.tune.aggregate') WHEN 'mean' THEN a.mean
      WHEN 'median' THEN a.median
      WHEN 'worst' THEN CASE o.maximise WHEN 1 THEN a.least ELSE a.most END
      ELSE a.iqm END AS value,
    EXISTS (SELECT 1 FROM objectives p WHERE p.experiment = t.experiment
      AND p.position = 1) AS several,
    sum(EXISTS (SELECT 1 FROM constraints c LEFT JOIN trial_constraints v
      ON v.trial = t.id AND v.position = c.position WHERE c.experiment = t.experiment
      AND t.state IN ('completed', 'stopped') AND (v.value IS NULL OR v.value > 0)))
      AS infeasible
  FROM trials t JOIN experiments e ON e.id = t.experiment
  LEFT JOIN objectives o ON o.experiment = t.experiment AND o.position = 0
  LEFT JOIN amounts a ON a.experiment = t.experiment AND a.configuration = t.configuration
  WHERE t.role = 'search' GROUP BY t.experiment, t.configuration),
scored AS (
  SELECT *, CASE WHEN failed = 0 AND infeasible = 0 AND NOT several
    THEN CASE maximise WHEN 0 THEN -value ELSE value END END AS score FROM everything)
SELECT experiment, CASE WHEN score IS NOT NULL THEN rank() OVER (PARTITION BY experiment
    ORDER BY score IS NULL, completed DESC, seeds DESC, score DESC) END AS rank,
  configuration, seeds, completed, failed, open, value, iqm, mean, median, least, most,
  steps, params
FROM scored ORDER BY experiment, score IS NULL, completed DESC, seeds DESC, score DESC,
  configuration
;
CREATE VIEW experiment_list AS
SELECT e.id AS experiment, e.name, e.state, o.metric,
  CASE o.maximise WHEN 1 THEN 'max' WHEN 0 THEN 'min' END AS mode,
  count(t.id) AS trials,
  count(t.id) FILTER (WHERE t.state IN ('completed', 'stopped', 'failed')) AS ended,
  count(t.id) FILTER (WHERE t.state = 'failed') AS failed,
  CASE WHEN EXISTS (SELECT 1 FROM objectives p WHERE p.experiment = e.id AND p.position = 1)
    THEN NULL WHEN json_extract(e.config_json, '$.tune.seeds') > 1
    THEN (SELECT c.value FROM configurations c WHERE c.experiment = e.id AND c.rank = 1)
    WHEN EXISTS (SELECT 1 FROM constraints c WHERE c.experiment = e.id)
    THEN (SELECT l.value FROM leaderboard l WHERE l.experiment = e.id AND l.rank = 1)
    WHEN o.maximise = 0 THEN min(t.value) FILTER (WHERE t.state <> 'failed')
    ELSE max(t.value) FILTER (WHERE t.state <> 'failed') END AS best,
  sum(t.steps) AS steps,
  strftime('%Y-%m-%d %H:%M:%S', e.created_ms / 1000, 'unixepoch') AS created_utc,
  strftime('%Y-%m-%d %H:%M:%S', e.ended_ms / 1000, 'unixepoch') AS ended_utc,
  e.script_path
FROM experiments e
LEFT JOIN objectives o ON o.experiment = e.id AND o.position = 0
LEFT JOIN trials t ON t.experiment = e.id AND t.role = 'search'
GROUP BY e.id;
COMMIT;
