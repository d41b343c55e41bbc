/* store: the views, each in its newest form; a database of any version gets them when it is
 * migrated. Why here alone: views hold no rows, so that no form of the past is needed. Who changes
 * one adds a version in schema.c (of no tables, if need be). Thread: no state. Owner: static.
 * docs/schema.md describes every view. */
#include "store/store_impl.h"

/* What a trial is trained with now, which is not what it began with once it has copied another one
 * (pbt, pb2) or followed a schedule. */
static const char parameters_in_force[] =
    "-- since step `since` of the trial\n"
    "SELECT t.experiment, t.id AS trial, t.role, t.number, coalesce(x.step, 0) AS since,\n"
    "  coalesce(x.params_json, t.params_json) AS params,\n"
    "  CASE WHEN s.id IS NOT NULL THEN 'trial ' || s.number || ' at step ' || x.source_step\n"
    "    WHEN x.decision IS NOT NULL THEN 'changed at step ' || x.step\n"
    "    WHEN t.role = 'final' THEN 'winner'\n"
    "    WHEN t.replicate > 0 THEN 'trial ' || t.configuration\n"
    "    ELSE coalesce((SELECT q.origin FROM queue q WHERE q.trial = t.id), 'sampler')\n"
    "  END AS origin,\n"
    "  x.source, x.source_step -- the trial whose weights it took then, and their step\n"
    "FROM trials t LEFT JOIN exploits x ON x.decision = (SELECT y.decision FROM exploits y\n"
    "  WHERE y.trial = t.id ORDER BY y.step DESC, y.decision DESC LIMIT 1)\n"
    "LEFT JOIN trials s ON s.id = x.source;\n";

/* The best value is a feasible trial's, with tune.seeds a configuration's; with several objectives
 * there is none. */
static const char experiment_list[] =
    "SELECT e.id AS experiment, e.name, e.state, o.metric,\n"
    "  CASE o.maximise WHEN 1 THEN 'max' WHEN 0 THEN 'min' END AS mode,\n"
    "  count(t.id) AS trials,\n"
    "  count(t.id) FILTER (WHERE t.state IN ('completed', 'stopped', 'failed')) AS ended,\n"
    "  count(t.id) FILTER (WHERE t.state = 'failed') AS failed,\n"
    "  CASE WHEN EXISTS (SELECT 1 FROM objectives p WHERE p.experiment = e.id AND p.position = 1)\n"
    "    THEN NULL WHEN json_extract(e.config_json, '$.tune.seeds') > 1\n"
    "    THEN (SELECT c.value FROM configurations c WHERE c.experiment = e.id AND c.rank = 1)\n"
    "    WHEN EXISTS (SELECT 1 FROM constraints c WHERE c.experiment = e.id)\n"
    "    THEN (SELECT l.value FROM leaderboard l WHERE l.experiment = e.id AND l.rank = 1)\n"
    "    WHEN o.maximise = 0 THEN min(t.value) FILTER (WHERE t.state <> 'failed')\n"
    "    ELSE max(t.value) FILTER (WHERE t.state <> 'failed') END AS best,\n"
    "  sum(t.steps) AS steps,\n"
    "  strftime('%Y-%m-%d %H:%M:%S', e.created_ms / 1000, 'unixepoch') AS created_utc,\n"
    "  strftime('%Y-%m-%d %H:%M:%S', e.ended_ms / 1000, 'unixepoch') AS ended_utc,\n"
    "  e.script_path\n"
    "FROM experiments e\n"
    "LEFT JOIN objectives o ON o.experiment = e.id AND o.position = 0\n"
    "LEFT JOIN trials t ON t.experiment = e.id AND t.role = 'search'\n"
    "GROUP BY e.id;\n";

static const char leaderboard[] =
    "-- failed, unmeasured and infeasible trials come last, without a\n"
    "  -- rank; with several objectives nobody has one: pareto_front\n"
    "SELECT experiment,\n"
    "  CASE WHEN score IS NOT NULL THEN\n"
    "    rank() OVER (PARTITION BY experiment ORDER BY score DESC NULLS LAST) END AS rank,\n"
    "  trial, number, state, value, best, steps, wall_s, attempts, params, origin\n"
    "FROM (SELECT t.experiment, t.id AS trial, t.number, t.state, t.value, t.best, t.steps,\n"
    "    t.wall_s, t.attempt AS attempts, f.params, f.origin,\n"
    "    CASE WHEN t.state = 'failed'\n"
    "      OR EXISTS (SELECT 1 FROM objectives p WHERE p.experiment = t.experiment\n"
    "        AND p.position = 1)\n"
    "      OR EXISTS (SELECT 1 FROM constraints c LEFT JOIN trial_constraints v\n"
    "        ON v.trial = t.id AND v.position = c.position\n"
    "        WHERE c.experiment = t.experiment AND (v.value IS NULL OR v.value > 0)) THEN NULL\n"
    "      WHEN o.maximise = 0 THEN -t.value ELSE t.value END AS score\n"
    "  FROM trials t JOIN parameters_in_force f ON f.trial = t.id\n"
    "  LEFT JOIN objectives o ON o.experiment = t.experiment AND o.position = 0\n"
    "  WHERE t.role = 'search')\n"
    "ORDER BY experiment, score DESC NULLS LAST, number;\n";

/* What tune.seeds compares: configurations, by what the ended replicates of each amount to. The
 * order is that of src/tuner/replicates.c. */
static const char configurations[] =
    "-- with tune.seeds > 1 each has several trials, its replicates\n"
    "WITH results AS (\n"
    "  SELECT t.experiment, t.configuration, t.value,\n"
    "    row_number() OVER (PARTITION BY t.experiment, t.configuration ORDER BY t.value) AS "
    "place,\n"
    "    count(*) OVER (PARTITION BY t.experiment, t.configuration) AS n\n"
    "  FROM trials t WHERE t.role = 'search' AND t.state IN ('completed', 'stopped')\n"
    "    AND t.value IS NOT NULL),\n"
    "amounts AS (\n"
    "  SELECT experiment, configuration, n, avg(value) AS mean, min(value) AS least,\n"
    "    max(value) AS most,\n"
    "    avg(value) FILTER (WHERE place > n / 4 AND place <= n - n / 4) AS iqm,\n"
    "    avg(value) FILTER (WHERE place IN ((n + 1) / 2, n / 2 + 1)) AS median\n"
    "  FROM results GROUP BY experiment, configuration),\n"
    "everything AS (\n"
    "  SELECT t.experiment, t.configuration, min(t.number) AS first, t.id AS first_id,\n"
    "    coalesce(a.n, 0) AS seeds, count(*) FILTER (WHERE t.state = 'completed') AS completed,\n"
    "    count(*) FILTER (WHERE t.state = 'failed') AS failed,\n"
    "    count(*) FILTER (WHERE t.state IN ('pending', 'running', 'paused')) AS open,\n"
    "    a.iqm, a.mean, a.median, a.least, a.most, o.maximise, sum(t.steps) AS steps,\n"
    "    CASE json_extract(e.config_json, '$.tune.aggregate') WHEN 'mean' THEN a.mean\n"
    "      WHEN 'median' THEN a.median\n"
    "      WHEN 'worst' THEN CASE o.maximise WHEN 1 THEN a.least ELSE a.most END\n"
    "      ELSE a.iqm END AS value,\n"
    "    EXISTS (SELECT 1 FROM objectives p WHERE p.experiment = t.experiment\n"
    "      AND p.position = 1) AS several,\n"
    "    sum(EXISTS (SELECT 1 FROM constraints c LEFT JOIN trial_constraints v\n"
    "      ON v.trial = t.id AND v.position = c.position WHERE c.experiment = t.experiment\n"
    "      AND t.state IN ('completed', 'stopped') AND (v.value IS NULL OR v.value > 0)))\n"
    "      AS infeasible\n"
    "  FROM trials t JOIN experiments e ON e.id = t.experiment\n"
    "  LEFT JOIN objectives o ON o.experiment = t.experiment AND o.position = 0\n"
    "  LEFT JOIN amounts a ON a.experiment = t.experiment AND a.configuration = t.configuration\n"
    "  WHERE t.role = 'search' GROUP BY t.experiment, t.configuration),\n"
    "scored AS (\n"
    "  SELECT *, CASE WHEN failed = 0 AND infeasible = 0 AND NOT several\n"
    "    THEN CASE maximise WHEN 0 THEN -value ELSE value END END AS score FROM everything)\n"
    "SELECT experiment, CASE WHEN score IS NOT NULL THEN rank() OVER (PARTITION BY experiment\n"
    "    ORDER BY score IS NULL, completed DESC, seeds DESC, score DESC) END AS rank,\n"
    "  configuration, seeds, completed, failed, open, value, iqm, mean, median, least, most,\n"
    "  steps, (SELECT f.params FROM parameters_in_force f WHERE f.trial = first_id) AS params\n"
    "FROM scored ORDER BY experiment, score IS NULL, completed DESC, seeds DESC, score DESC,\n"
    "  configuration;\n";

static const char pareto_front[] =
    "-- a row for each trial on it and each objective\n"
    "WITH able AS MATERIALIZED (\n"
    "  SELECT t.experiment, t.id AS trial, t.number FROM trials t\n"
    "  WHERE t.role = 'search' AND t.state IN ('completed', 'stopped')\n"
    "    AND (SELECT count(*) FROM objectives o WHERE o.experiment = t.experiment) > 1\n"
    "    AND NOT EXISTS (SELECT 1 FROM objectives o LEFT JOIN trial_values v\n"
    "      ON v.trial = t.id AND v.position = o.position\n"
    "      WHERE o.experiment = t.experiment AND v.value IS NULL)\n"
    "    AND NOT EXISTS (SELECT 1 FROM constraints c LEFT JOIN trial_constraints v\n"
    "      ON v.trial = t.id AND v.position = c.position\n"
    "      WHERE c.experiment = t.experiment AND (v.value IS NULL OR v.value > 0)))\n"
    "SELECT a.experiment, a.trial, a.number, o.position, o.metric,\n"
    "  CASE o.maximise WHEN 1 THEN 'max' ELSE 'min' END AS mode, v.value, f.params, f.origin\n"
    "FROM able a JOIN parameters_in_force f ON f.trial = a.trial\n"
    "JOIN objectives o ON o.experiment = a.experiment\n"
    "JOIN trial_values v ON v.trial = a.trial AND v.position = o.position\n"
    "WHERE NOT EXISTS (SELECT 1 FROM able b WHERE b.experiment = a.experiment\n"
    "  AND (SELECT min((y.value - x.value) * (2 * q.maximise - 1)) >= 0\n"
    "      AND max((y.value - x.value) * (2 * q.maximise - 1)) > 0\n"
    "    FROM objectives q JOIN trial_values x ON x.trial = a.trial AND x.position = q.position\n"
    "    JOIN trial_values y ON y.trial = b.trial AND y.position = q.position\n"
    "    WHERE q.experiment = a.experiment))\n"
    "ORDER BY a.experiment, a.number, o.position;\n";

static const char infeasible_trials[] =
    "-- a constraint is above 0 or has no value\n"
    "SELECT t.experiment, t.id AS trial, t.role, t.number,\n"
    "  sum(max(v.value, 0)) AS violation, -- of those that have a value\n"
    "  sum(v.value IS NULL) AS unknown\n"
    "FROM constraints c JOIN trials t ON t.experiment = c.experiment\n"
    "LEFT JOIN trial_constraints v ON v.trial = t.id AND v.position = c.position\n"
    "WHERE v.value IS NULL OR v.value > 0 GROUP BY t.id;\n";

static const char trial_curves[] =
    "-- the order of the joins is the order of the primary key\n"
    "SELECT t.experiment, t.id AS trial, t.role, t.number, n.name AS metric, m.step, m.value\n"
    "FROM trials t CROSS JOIN metric_names n CROSS JOIN metrics m\n"
    "WHERE m.trial = t.id AND m.name = n.id;\n";

static const char trial_summary[] =
    "SELECT t.experiment, e.name AS experiment_name, t.id AS trial, t.role, t.number, t.state,\n"
    "  t.reason, t.seed, t.attempt AS attempts, t.steps, t.value, t.best, t.wall_s,\n"
    "  t.steps / nullif(t.wall_s, 0) AS steps_per_s,\n"
    "  (SELECT count(*) FROM checkpoints c WHERE c.trial = t.id) AS checkpoints,\n"
    "  (SELECT max(c.step) FROM checkpoints c WHERE c.trial = t.id) AS checkpoint_step,\n"
    "  (SELECT count(*) FROM decisions d WHERE d.trial = t.id) AS decisions,\n"
    "  (SELECT strftime('%Y-%m-%d %H:%M:%S', min(r.wall_ms) / 1000, 'unixepoch')\n"
    "   FROM transitions r WHERE r.trial = t.id AND r.to_state = 'running') AS started_utc,\n"
    "  (SELECT strftime('%Y-%m-%d %H:%M:%S', max(r.wall_ms) / 1000, 'unixepoch')\n"
    "   FROM transitions r WHERE r.trial = t.id) AS changed_utc,\n"
    "  f.params, f.origin\n"
    "FROM trials t JOIN experiments e ON e.id = t.experiment\n"
    "JOIN parameters_in_force f ON f.trial = t.id;\n";

static const char parameter_table[] =
    "-- one row per trial and parameter in force\n"
    "SELECT t.experiment, t.id AS trial, t.role, t.number, t.state, t.value, p.path,\n"
    "  coalesce(p.text, p.number) AS setting, p.number AS setting_number\n"
    "FROM trials t JOIN trial_params p ON p.trial = t.id\n"
    "WHERE NOT EXISTS (SELECT 1 FROM exploits x WHERE x.trial = t.id)\n"
    "UNION ALL -- as trial_params has them\n"
    "SELECT t.experiment, t.id, t.role, t.number, t.state, t.value, j.key,\n"
    "  CASE WHEN j.type IN ('true', 'false', 'null') THEN j.type\n"
    "    WHEN j.type = 'integer' THEN CAST(j.value AS REAL) ELSE j.value END,\n"
    "  CASE WHEN j.type IN ('integer', 'real', 'true', 'false') THEN CAST(j.value AS REAL) END\n"
    "FROM trials t JOIN parameters_in_force f ON f.trial = t.id, json_each(f.params) j\n"
    "WHERE EXISTS (SELECT 1 FROM exploits x WHERE x.trial = t.id);\n";

static const char seeds[] =
    "-- a replicate is a trial; an attempt keeps the seed of its trial\n"
    "SELECT t.experiment, t.id AS trial, t.role, t.number, t.seed FROM trials t;\n";

static const char facts[] =
    "-- software and hardware: git, version, cpu, cores, memory, gpu, ...\n"
    "SELECT e.id AS experiment, substr(j.fullkey, 3) AS fact, j.atom AS value\n"
    "FROM experiments e, json_tree(e.facts_json) j WHERE j.atom IS NOT NULL;\n";

const store_view store_views[] = {{"parameters_in_force", parameters_in_force},
                                  {"leaderboard", leaderboard},
                                  {"experiment_list", experiment_list},
                                  {"configurations", configurations},
                                  {"pareto_front", pareto_front},
                                  {"infeasible_trials", infeasible_trials},
                                  {"trial_curves", trial_curves},
                                  {"trial_summary", trial_summary},
                                  {"parameter_table", parameter_table},
                                  {"seeds", seeds},
                                  {"facts", facts},
                                  {NULL, NULL}};
