/* `rltune join`: a second process runs functions, trainings and programs of an experiment that
 * another one drives. Where no timing is involved, everything that is kept equals what the driver
 * alone gives: results, curves, newest weights, decisions, exploits. */
#include "core/core.h"
#include "tests/support/run.h"

#include <signal.h>
#include <sys/stat.h>

enum { DEADLINE_S = 60, HOLD_S = 20 };

/* What must be the same whoever ran the trials; owned by the caller (free). */
static char *all_rows(run_place *place) {
    static const char decided[] =
        "SELECT t.number, d.step, max(CASE WHEN d.action <> 'pause' THEN d.action END), "
        "max(json_extract(d.numbers_json, '$.threshold')) FROM decisions d JOIN trials t ON t.id = "
        "d.trial GROUP BY d.trial, d.step UNION ALL SELECT t.number, x.step, s.number, "
        "x.params_json FROM exploits x JOIN trials t ON t.id = x.trial LEFT JOIN trials s ON s.id "
        "= x.source UNION ALL SELECT number, 0, substr(reason, instr(reason, 'a.lua')), '' FROM "
        "trials WHERE state = 'failed' "
        "ORDER BY 1, 2, 3";
    char *results = run_results(place), *rows = run_sql_text(place, decided);
    size_t size = strlen(results) + strlen(rows) + 1;
    char *all = malloc(size);
    snprintf(all, size, "%s%s", results, rows);
    free(results);
    free(rows);
    return all;
}

static void check_end(run_place *place, pid_t driver, pid_t joined) {
    run_expect_code(place, run_wait(place, driver, DEADLINE_S), 0);
    run_expect_code(place, run_wait(place, joined, DEADLINE_S), 0);
    run_check_rows(place, true);
    run_check_clean(place);
    assert_int_equal(run_sql_int(place, "SELECT count(*) FROM leases"), 0);
    assert_int_equal(
        run_sql_int(place, "SELECT count(*) FROM transitions WHERE reason LIKE 'retry%'"), 0);
}

static char *alone(const char *script) {
    run_place place;
    run_open(&place);
    run_write_script(&place, script);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    char *rows = all_rows(&place);
    run_close(&place);
    return rows;
}

static pid_t parent_of(pid_t pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    size_t size = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    text[size] = 0;
    const char *after = strrchr(text, ')'); /* "pid (name) state parent" */
    int parent = 0;
    char state;
    return after != NULL && sscanf(after + 1, " %c %d", &state, &parent) == 2 ? parent : 0;
}

static bool is_among(pid_t pid, const pid_t *pids, int count) {
    for (int i = 0; i < count; i++) {
        if (pids[i] == pid) {
            return true;
        }
    }
    return false;
}

/* All but those that it waits for itself: its guard, and what has not become a program yet. */
static void signal_children(const run_place *place, pid_t driver, int number) {
    pid_t pids[RUN_PROCESSES_MAX], guards[RUN_PROCESSES_MAX], young[RUN_PROCESSES_MAX];
    int count = run_processes(place, NULL, pids), guarding = run_processes(place, "guard", guards);
    int forked = run_processes(place, "run", young);
    for (int i = 0; i < count; i++) {
        if (parent_of(pids[i]) == driver && !is_among(pids[i], guards, guarding) &&
            !is_among(pids[i], young, forked)) {
            kill(pids[i], number);
        }
    }
}

/* The driver's own trials stand still, also those that begin meanwhile, until two more have begun:
 * the other process must run one of them. A short search would otherwise be over before it has
 * joined. */
static void hold_until_joined(run_place *place, pid_t driver) {
    static const char begun[] = "SELECT count(*) FROM transitions WHERE to_state = 'running'";
    double deadline = rlt_clock_s() + HOLD_S * (RUN_SLOW ? 4 : 1);
    int64_t before = run_sql_int(place, begun);
    while (run_sql_int(place, begun) < before + 2) {
        signal_children(place, driver, SIGSTOP);
        if (rlt_clock_s() > deadline) {
            signal_children(place, driver, SIGCONT);
            run_expect_output(place, "(no further trial had begun)");
        }
        run_sleep_ms(1);
    }
    signal_children(place, driver, SIGCONT);
}

/* The same with help, in `place`, which stays open. */
static void with_help(run_place *place, const char *script, const char *parallel) {
    run_open(place);
    run_write_script(place, script);
    pid_t driver = run_start(place, "run", place->script, "--quiet");
    pid_t joined = run_start_join(place, parallel);
    hold_until_joined(place, driver);
    check_end(place, driver, joined);
}

static void compare(const char *script, const char *parallel) {
    run_place place;
    char *expected = alone(script);
    with_help(&place, script, parallel);
    char *rows = all_rows(&place);
    run_assert_same(expected, rows);
    free(expected);
    free(rows);
    run_close(&place);
}

/* ---- functions ---- */

/* Some fail, with their place in the script, and leave what they have printed. */
static void functions_give_the_same(void **state) {
    (void)state;
    static const char script[] =
        "return { name = 'f', objective = function(p, report)\n"
        "  seen = (seen or 0) + 1\n"
        "  for step = 1, 20 do\n"
        "    local n = 0\n"
        "    while n < 5e4 do n = n + 1 end\n"
        "    report(step, { loss = p.x / step, seen = seen })\n"
        "  end\n"
        "  if p.x > 0.8 then print('too ' .. p.x) error('high') end\n"
        "  return p.x\n"
        "end, params = { x = space.uniform(0, 1) },\n"
        "tune = { metric = 'loss', mode = 'min', trials = 40, parallel = 1, max_failed = 40 } }\n";
    run_place place;
    char *expected = alone(script);
    with_help(&place, script, "2");
    char *rows = all_rows(&place), *failed = run_sql_text(&place, "SELECT id FROM trials WHERE "
                                                                  "state = 'failed'");
    run_assert_same(expected, rows);
    assert_true(strlen(failed) > 4);
    for (char *line = strtok(failed, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char path[256];
        struct stat info;
        snprintf(path, sizeof path, "%s-trials/e1-t%s/log", place.db, line);
        assert_true(stat(path, &info) == 0 && info.st_size > 4);
    }
    run_expect_output(&place, " trials of experiment 1 were run here");
    free(expected);
    free(rows);
    free(failed);
    run_close(&place);
}

/* A stopper ends those that the other process runs, too. */
static void functions_are_stopped(void **state) {
    (void)state;
    static const char script[] =
        "return { name = 'f', objective = function(p, report)\n"
        "  for step = 1, 16 do\n"
        "    local n = 0\n"
        "    while n < 2e5 do n = n + 1 end\n"
        "    if not report(step, { loss = p.x + 1 / step }) then return end\n"
        "  end\n"
        "end, params = { x = space.uniform(0, 1) }, stop = { steps = 16 },\n"
        "tune = { metric = 'loss', mode = 'min', trials = 40, parallel = 1,\n"
        "  stopper = { 'asha', grace = 2, reduction = 2 } } }\n";
    run_place place;
    with_help(&place, script, "2");
    assert_true(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'stopped'") > 10);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials t WHERE state = 'stopped' "
                                         "AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.trial "
                                         "= t.id AND d.action = 'stop')"),
                     0);
    run_close(&place);
}

/* ---- trainings ---- */

#define TRAINING                                                                                   \
    "return { name = 't', env = 'CartPole-v1', device = 'cpu', seed = 3, threads = 1,\n"           \
    "  envs_per_worker = 4, model = { hidden = { 16 } }, eval = { every = 1024, episodes = 2 },\n" \
    "  ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, minibatch = 64, epochs = 2 },\n"

/* The winner is trained again, and there may be workers. */
static void trainings_give_the_same(void **state) {
    (void)state;
    compare(TRAINING "  workers = 2, stop = { steps = 10240 }, checkpoint = { every = 2560 },\n"
                     "  tune = { trials = 6, parallel = 1, final = { seeds = 3, episodes = 2 } } "
                     "}\n",
            "2");
}

/* Trials that wait for each other, and copy each other. */
static void rungs_and_populations_give_the_same(void **state) {
    (void)state;
    compare(TRAINING "  stop = { steps = 9216 },\n"
                     "  tune = { trials = 8, parallel = 1, stopper = { 'sha', grace = 1024 } } }\n",
            "2");
    compare(TRAINING "  stop = { steps = 6144 }, checkpoint = { keep = 1 },\n"
                     "  tune = { trials = 6, parallel = 1, stopper = { 'pbt',\n"
                     "    perturbation_interval = 1000, synch = true } } }\n",
            "2");
}

/* Whoever gets a slot goes on: what is copied is a matter of time, that all come to their end not.
 */
static void populations_take_turns(void **state) {
    (void)state;
    run_place place;
    with_help(&place,
              TRAINING "  stop = { steps = 6144 },\n"
                       "  tune = { trials = 6, parallel = 1, stopper = { 'pbt',\n"
                       "    perturbation_interval = 1000 } } }\n",
              "2");
    assert_true(run_sql_int(&place, "SELECT count(*) FROM exploits") > 0);
    run_close(&place);
}

/* Configurations with several seeds: which of them get more is a matter of results. */
static void replicates_are_shared(void **state) {
    (void)state;
    run_place place;
    with_help(&place,
              TRAINING "  stop = { steps = 5120 }, tune = { trials = 4, seeds = 3, parallel = 1 } "
                       "}\n",
              "2");
    assert_true(run_sql_int(&place, "SELECT max(replicate) FROM trials") > 0);
    run_close(&place);
}

/* The driver's paths are relative to a folder that the other process is not in. */
static void folders_may_differ(void **state) {
    (void)state;
    run_place place, other;
    char before[256], below[128];
    run_open(&place);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(place.folder), 0);
    snprintf(place.db, sizeof place.db, "a.db");
    run_write_script(&place, TRAINING "  stop = { steps = 10240 }, checkpoint = { every = 2560 },\n"
                                      "  tune = { trials = 6, parallel = 1 } }\n");
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, "SELECT count(*) FROM trials", 1, DEADLINE_S);
    snprintf(below, sizeof below, "%s/test-below", place.folder);
    assert_int_equal(mkdir(below, 0700), 0);
    assert_int_equal(chdir(below), 0);
    other = place;
    snprintf(other.db, sizeof other.db, "../a.db");
    pid_t joined = run_start(&other, "join", "1", "--parallel", "2");
    assert_int_equal(chdir(place.folder), 0);
    hold_until_joined(&place, driver);
    check_end(&place, driver, joined);
    assert_int_equal(rmdir(below), 0);
    assert_int_equal(chdir(before), 0);
    run_close(&place);
}

/* ---- programs ---- */

/* Each goes on from its folder, or from the copy of a better one's. */
static void populations_of_programs_give_the_same(void **state) {
    (void)state;
    compare(
        "return { name = 'p', objective = { 'command', checkpoint = true, argv = { 'sh', '-c',\n"
        "  [[cd $RLTUNE_CHECKPOINT_DIR; step=0; done=; sum=0\n"
        "    [ ! -f s ] || read step sum < s\n"
        "    trap 'echo $step $sum > n; mv n s; exit 0' TERM\n"
        "    while [ $step -lt 12 ]; do step=$((step + 1)); sum=$((sum + {x}))\n"
        "      echo \"{{\\\"step\\\": $step, \\\"score\\\": $sum}\"; sleep 0.02; done\n"
        "    sleep 5]] } },\n"
        "params = { x = space.randint(1, 100) }, stop = { steps = 12 },\n"
        "tune = { metric = 'score', trials = 5, parallel = 1,\n"
        "  stopper = { 'pbt', perturbation_interval = 4, synch = true } } }\n",
        "2");
}

/* ---- refusals ---- */

static void refuse(run_place *place, const char *text) {
    run_forget_output(place);
    int code = run_command(place, "join", "1");
    if (code == 0) {
        run_expect_code(place, code, 2);
    }
    run_expect_output(place, text);
}

static void refusals_say_why(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(&place,
                     "return { name = 'one', env = 'CartPole-v1', stop = { steps = 1e8 } }");
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, "SELECT count(*) FROM trials", 1, DEADLINE_S);
    refuse(&place, "experiment 1 is a single run");
    run_expect_code(&place, run_command(&place, "stop", "1"), 0);
    run_wait(&place, driver, DEADLINE_S);
    run_close(&place);

    run_open(&place);
    run_write_script(&place, "return { name = 'c', objective = { 'external' }, params = { x = "
                             "space.uniform(0, 1) }, tune = { metric = 'loss', trials = 3 } }");
    driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, "SELECT count(*) FROM experiments", 1, DEADLINE_S);
    run_sleep_ms(200);
    refuse(&place, "are run by its clients");
    run_expect_code(&place, run_command(&place, "stop", "1"), 0);
    run_wait(&place, driver, DEADLINE_S);
    refuse(&place, "nobody drives experiment 1");
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "join", "7"), 4);
    run_expect_output(&place, "there is no experiment 7");
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_give_the_same),
        cmocka_unit_test(functions_are_stopped),
        cmocka_unit_test(trainings_give_the_same),
        cmocka_unit_test(rungs_and_populations_give_the_same),
        cmocka_unit_test(populations_take_turns),
        cmocka_unit_test(replicates_are_shared),
        cmocka_unit_test(folders_may_differ),
        cmocka_unit_test(populations_of_programs_give_the_same),
        cmocka_unit_test(refusals_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
