/* Populations (pbt) through the real binary: the driver or a learner killed right after a decision
 * was committed or at random, few checkpoints kept, a full disk when a checkpoint is taken over.
 * What is ruled is a function of the results, so states, values, newest weights, decisions and
 * exploits equal those of a run that nobody killed. RLTUNE_TEST_SEED chooses the random instants.
 */
#include "core/core.h"
#include "tests/support/run.h"

#include <fcntl.h>
#include <signal.h>

enum { DEADLINE_S = 60 };

static const char script[] =
    "return {\n"
    "  name = 'population', env = 'CartPole-v1', device = 'cpu', seed = 3, threads = 1,\n"
    "  envs_per_worker = 4, model = { hidden = { 16 } }, normalise = { observation = true },\n"
    "  ppo = { lr = space.loguniform(1e-4, 1e-1), gamma = space.uniform(0.9, 0.999),\n"
    "    epochs = space.randint(1, 4), horizon = 32 },\n"
    "  stop = { steps = 6144 }, eval = { episodes = 3 }, checkpoint = { every = %d, keep = 1 },\n"
    "  tune = { trials = 6, parallel = %d, max_retries = 1000,\n"
    "    stopper = { 'pbt', perturbation_interval = 1000, synch = %s } },\n"
    "}\n";

static const char decided[] =
    "SELECT t.number, d.step, d.action, json_extract(d.numbers_json, '$.threshold'), s.number, "
    "x.step, x.source_step, x.params_json FROM decisions d JOIN trials t ON t.id = d.trial LEFT "
    "JOIN exploits x ON x.decision = d.id LEFT JOIN trials s ON s.id = x.source "
    "WHERE d.action <> 'pause' ORDER BY 1, 2";

static void open_with(run_place *place, bool synch, int parallel, int every) {
    char text[sizeof script + 64];
    run_open(place);
    snprintf(text, sizeof text, script, every, parallel, synch ? "true" : "false");
    run_write_script(place, text);
}

/* Rows that must be the same; owned by the caller (free). */
static char *finish(run_place *place, pid_t driver) {
    run_expect_code(place, run_wait(place, driver, DEADLINE_S), 0);
    run_check_rows(place, true);
    run_check_clean(place);
    char *results = run_results(place), *rows = run_sql_text(place, decided);
    size_t size = strlen(results) + strlen(rows) + 1;
    char *all = malloc(size);
    snprintf(all, size, "%s%s", results, rows);
    free(results);
    free(rows);
    return all;
}

static char *undisturbed(bool synch, int parallel, int every) {
    run_place place;
    open_with(&place, synch, parallel, every);
    char *all = finish(&place, run_start(&place, "run", place.script, "--quiet"));
    run_close(&place);
    return all;
}

static void the_worst_take_over_the_best(void **state) {
    (void)state;
    run_place place;
    open_with(&place, true, 2, 0);
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    /* two of six at each of the six milestones, each from one that was better */
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM exploits"), 12);
    assert_int_equal(
        run_sql_int(&place, "SELECT count(*) FROM exploits x JOIN decisions d ON d.id = x.decision "
                            "WHERE d.action = 'exploit' AND d.round = 1 AND "
                            "json_extract(d.numbers_json, '$.source_value') >= "
                            "json_extract(d.numbers_json, '$.value') AND x.source_step >= d.step "
                            "AND x.step >= d.step AND json_extract(d.numbers_json, '$.changes') "
                            "IS NOT NULL"),
        12);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'completed' "
                                         "AND steps = 6144"),
                     6);
    char *trial = run_sql_text(&place, "SELECT t.number FROM exploits x JOIN trials t ON t.id = "
                                       "x.trial ORDER BY x.decision LIMIT 1");
    trial[strcspn(trial, "\n")] = 0;
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "show", "1", "--trial", trial, "--why"), 0);
    run_expect_output(&place, "copied another at ");
    run_expect_output(&place, "it takes over trial ");
    free(trial);
    run_close(&place);
}

/* The last milestone is at 6,000 steps, its checkpoint at 6,016, and no further batch fits: what
 * the worst would have taken over there is of no use, and their results are of their own weights.
 */
static void what_comes_too_late_is_void(void **state) {
    (void)state;
    run_place place;
    open_with(&place, false, 1, 0);
    run_expect_code(
        &place, run_command(&place, "run", place.script, "--quiet", "--set", "stop.steps=6100"), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE action = 'exploit' AND "
                                    "step = 6000") > 0);
    assert_true(run_sql_int(&place, "SELECT max(step) FROM exploits") < 6016);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM checkpoints WHERE step = 6016"), 6);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM checkpoints WHERE step = 6016 AND "
                                         "path LIKE '%-of-t%'"),
                     0);
    run_close(&place);
}

/* A checkpoint between milestones, one kept: that of the last milestone stays as long as others may
 * copy it, and what is taken over outlives its source's. */
static void what_may_be_copied_is_kept(void **state) {
    (void)state;
    run_place place;
    open_with(&place, false, 2, 256);
    free(finish(&place, run_start(&place, "run", place.script, "--quiet")));
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM events"), 0);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM exploits WHERE source IS NOT NULL") >= 4);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM exploits WHERE source IS NULL"), 0);
    assert_int_equal(run_sql_int(&place, "SELECT max(n) FROM (SELECT count(*) AS n FROM "
                                         "checkpoints GROUP BY trial)"),
                     1);
    run_close(&place);
}

/* Kills the driver as soon as the n-th decision is seen: before, while or after what it leads to.
 */
static void kill_after_each_decision(bool synch, int parallel, int every) {
    char *whole = undisturbed(synch, parallel, every);
    run_place place;
    open_with(&place, synch, parallel, every);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    int code = 128 + SIGKILL, kills = 0;
    for (int64_t n = 1; code == 128 + SIGKILL; n += RUN_SLOW ? 12 : 5) {
        static const char counted[] = "SELECT count(*) + 1000 * (SELECT state = 'completed' FROM "
                                      "experiments) FROM decisions";
        run_await_sql(&place, counted, n, DEADLINE_S);
        kill(driver, SIGKILL);
        code = run_wait(&place, driver, DEADLINE_S);
        kills += code == 128 + SIGKILL;
        driver = run_start(&place, "resume", "1", "--quiet");
        if (run_sql_int(&place, "SELECT state = 'completed' FROM experiments") == 1) {
            break;
        }
    }
    char *pieces = finish(&place, driver);
    print_message("%d kills\n", kills);
    assert_true(kills >= (RUN_SLOW ? 2 : 4));
    run_assert_same(whole, pieces);
    free(whole);
    free(pieces);
    run_close(&place);
}

static void a_driver_killed_after_each_decision(void **state) {
    (void)state;
    kill_after_each_decision(true, 2, 0);
}

/* One at a time, nobody waits: the order of trials is a function of the rows too. With checkpoints
 * between milestones, that a trial goes on from. */
static void a_driver_of_an_asynchronous_population_killed(void **state) {
    (void)state;
    kill_after_each_decision(false, 1, 256);
}

/* Sources and targets alike. */
static void learners_killed_at_random(void **state) {
    (void)state;
    const char *seed = getenv("RLTUNE_TEST_SEED");
    uint64_t number = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)rlt_wall_ms() % 1000000;
    rlt_rng rng = rlt_rng_make(number, RLT_STREAM_TEST, 78);
    print_message("RLTUNE_TEST_SEED=%llu\n", (unsigned long long)number);
    char *whole = undisturbed(true, 2, 512);
    run_place place;
    open_with(&place, true, 2, 512);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    int code, kills = 0;
    while (!run_has_ended(driver, &code)) {
        pid_t pids[RUN_PROCESSES_MAX];
        int count = run_processes(&place, "learner", pids);
        run_sleep_ms((int)rlt_rng_below(&rng, RUN_SLOW ? 400 : 40));
        if (count > 0) {
            kills += kill(pids[rlt_rng_below(&rng, (uint32_t)count)], SIGKILL) == 0;
        }
    }
    run_expect_code(&place, code, 0);
    print_message("%d kills\n", kills);
    char *pieces = finish(&place, run_start(&place, "resume", "1", "--quiet"));
    run_assert_same(whole, pieces);
    free(whole);
    free(pieces);
    run_close(&place);
}

/* A file that two trials need is gone or damaged: the trial keeps its own weights, an event says
 * so, and the search goes on. */
static void weights_that_are_damaged_are_not_taken(void **state) {
    (void)state;
    run_place place;
    char command[400];
    open_with(&place, true, 2, 0);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, "SELECT count(*) FROM exploits", 1, DEADLINE_S);
    kill(driver, SIGKILL);
    run_wait(&place, driver, DEADLINE_S);
    snprintf(command, sizeof command,
             "for f in %s/*-of-t*; do cp \"$f\" \"$f.x\" && printf x >> \"$f.x\" && mv \"$f.x\" "
             "\"$f\"; done",
             place.checkpoints);
    assert_int_equal(system(command), 0);
    bool taken =
        run_sql_int(&place, "SELECT count(*) FROM checkpoints WHERE path LIKE '%-of-t%'") > 0;
    free(finish(&place, run_start(&place, "resume", "1", "--quiet")));
    if (taken) {
        assert_true(run_sql_int(&place, "SELECT count(*) FROM events WHERE kind = "
                                        "'checkpoint.dropped'") > 0);
    }
    run_close(&place);
}

/* ---- schedules ---- */

static const char finals[] = "SELECT number, seed, steps, value FROM trials WHERE role = 'final' "
                             "AND experiment = %d ORDER BY number";
static const char lineage[] =
    "SELECT x.step, x.params_json FROM exploits x JOIN trials t ON t.id = x.trial WHERE "
    "t.experiment = 2 AND t.role = 'search' ORDER BY x.decision";

static char *finals_of(const run_place *place, int experiment) {
    char sql[200];
    snprintf(sql, sizeof sql, finals, experiment);
    return run_sql_text(place, sql);
}

/* The winner is trained again by its schedule, and so is a replay of it: with the same seeds both
 * come to the same. A killed replay goes on from its rows alone. */
static void a_schedule_is_replayed(void **state) {
    (void)state;
    run_place place;
    char stopper[400], other[160], number[16];
    open_with(&place, true, 2, 0);
    run_expect_code(
        &place, run_command(&place, "run", place.script, "--quiet", "--set", "tune.final.seeds=2"),
        0);
    int64_t winner = run_sql_int(&place, "SELECT configuration FROM trials WHERE role = 'final'");
    assert_true(run_sql_int(&place, "SELECT count(*) FROM decisions WHERE action = 'change'") >= 2);
    snprintf(other, sizeof other, "%s/test-population.db", place.folder);
    run_snapshot(&place, other);
    snprintf(stopper, sizeof stopper,
             "tune.stopper={\"name\":\"pbt_replay\",\"experiment\":1,\"trial\":%lld,\"db\":\"%s\"}",
             (long long)winner, other);
    pid_t driver = run_start(&place, "run", place.script, "--quiet", "--set", "tune.final.seeds=2",
                             "--set", stopper);
    run_await_sql(&place,
                  "SELECT count(*) FROM decisions d JOIN trials t ON t.id = d.trial WHERE "
                  "t.experiment = 2",
                  1, DEADLINE_S);
    kill(driver, SIGKILL);
    run_wait(&place, driver, DEADLINE_S);
    unlink(other);
    driver = run_start(&place, "resume", "2", "--quiet");
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    char *first = finals_of(&place, 1), *second = finals_of(&place, 2);
    run_assert_same(first, second);
    free(first);
    free(second);
    char *rows = run_sql_text(&place, lineage);
    assert_true(strstr(rows, "ppo.lr") != NULL);
    free(rows);
    snprintf(number, sizeof number, "%lld", (long long)winner);
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "show", "1", "--trial", number), 0);
    run_expect_output(&place, "its weights were trained in");
    run_expect_code(&place, run_command(&place, "show", "2", "--trial", "0", "--why"), 0);
    run_expect_output(&place, "the schedule goes on with ppo.");
    snprintf(stopper, sizeof stopper,
             "tune.stopper={\"name\":\"pbt_replay\",\"experiment\":7,\"trial\":0}");
    run_expect_code(&place, run_command(&place, "run", place.script, "--set", stopper), 3);
    run_expect_output(&place, "experiment 7 has no trial 0");
    run_close(&place);
}

/* ---- programs ---- */

/* Counts by k from the state that it finds, and notes in it which trials have held it. */
static const char program[] = "#!/bin/sh\n"
                              "f=$RLTUNE_CHECKPOINT_DIR/state\n"
                              "step=0; value=0; held=\n"
                              "[ -f \"$f\" ] && read step value held < \"$f\"\n"
                              "held=$held,$RLTUNE_TRIAL\n"
                              "while [ $step -lt 40 ]; do\n"
                              "  step=$((step + 1)); value=$((value + $1))\n"
                              "  echo $step $value $held > \"$f.new\" && mv \"$f.new\" \"$f\"\n"
                              "  echo \"{\\\"step\\\": $step, \\\"v\\\": $value}\"\n"
                              "  sleep 0.01\n"
                              "done\n";
static const char programs[] =
    "return { name = 'programs', seed = 2, params = { k = space.randint(1, 1000) },\n"
    "  objective = { 'command', argv = { 'sh', '%s/test-program', '{k}' }, checkpoint = %s },\n"
    "  stop = { steps = 40 },\n"
    "  tune = { metric = 'v', trials = 4, parallel = 2, final = { seeds = 1 },\n"
    "    stopper = { 'pbt', perturbation_interval = 10, synch = %s } } }\n";

static void open_programs(run_place *place, const char *checkpoint, const char *synch) {
    char text[1200], path[128];
    run_open(place);
    snprintf(path, sizeof path, "%s/test-program", place->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(program, file);
    assert_int_equal(fclose(file), 0);
    snprintf(text, sizeof text, programs, place->folder, checkpoint, synch);
    run_write_script(place, text);
}

static void programs_go_on_from_the_folders_of_others(void **state) {
    (void)state;
    run_place place;
    char path[256], held[256] = "", first[48];
    open_programs(&place, "true", "true");
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    run_await_sql(&place, "SELECT count(*) FROM exploits", 1,
                  DEADLINE_S); /* killed before or after */
    kill(driver, SIGKILL);     /* it is started again */
    run_wait(&place, driver, DEADLINE_S);
    driver = run_start(&place, "resume", "1", "--quiet");
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    run_check_rows(&place, true);
    assert_int_equal(run_sql_int(&place,
                                 "SELECT count(*) FROM exploits x JOIN trials t ON t.id = "
                                 "x.trial WHERE t.role = 'search' AND x.source IS NOT NULL"),
                     3);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM events WHERE kind = "
                                         "'exploit.failed'"),
                     0);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state <> 'completed'"),
                     0);
    /* what the last target holds was held by its source before */
    char *ids =
        run_sql_text(&place, "SELECT t.id, s.number FROM exploits x JOIN trials t ON t.id = "
                             "x.trial JOIN trials s ON s.id = x.source ORDER BY x.decision "
                             "DESC LIMIT 1");
    long long target = 0, source = 0;
    assert_int_equal(sscanf(ids, "%lld|%lld", &target, &source), 2);
    free(ids);
    snprintf(path, sizeof path, "%s-trials/e1-t%lld/checkpoint/state", place.db, target);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %*d %255s", held), 1);
    fclose(file);
    snprintf(first, sizeof first, ",%lld,%lld", source, target - 1);
    print_message("held by %s, ends with %s\n", held, first);
    assert_true(strlen(held) >= strlen(first) &&
                strcmp(held + strlen(held) - strlen(first), first) == 0);
    char command[200];
    snprintf(command, sizeof command, "! ls -d %s-trials/*/incoming-* 2> /dev/null", place.db);
    assert_int_equal(system(command), 0);
    run_close(&place);
}

static void programs_without_folders_are_refused(void **state) {
    (void)state;
    run_place place;
    open_programs(&place, "false", "true");
    run_expect_code(&place, run_command(&place, "run", place.script), 3);
    run_expect_output(&place, "a program needs objective.checkpoint = true");
    run_close(&place);
    open_programs(&place, "true", "false");
    run_expect_code(&place, run_command(&place, "run", place.script), 3);
    run_expect_output(&place, "with programs pbt needs synch = true");
    run_close(&place);
}

#ifdef RLT_NO_LINKS
static void without_links(void) {
    setenv("LD_PRELOAD", RLT_NO_LINKS, 1);
}

static void a_full_disk_leaves_a_trial_its_own_weights(void **state) {
    (void)state;
    run_place place;
    open_with(&place, true, 2, 0);
    setenv("RLTUNE_NO_LINKS", place.script, 1); /* it is there from the start */
    pid_t driver = run_start_with(&place, without_links, "run", place.script, "--quiet", NULL);
    free(finish(&place, driver));
    unsetenv("RLTUNE_NO_LINKS");
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM exploits WHERE source IS NULL"), 12);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM events WHERE kind = "
                                         "'exploit.failed' AND text LIKE '%No space left%'"),
                     12);
    run_close(&place);
}

/* Then files are copied. */
static void a_disk_without_second_names_serves_too(void **state) {
    (void)state;
    run_place place;
    char *whole = undisturbed(true, 2, 0);
    open_with(&place, true, 2, 0);
    setenv("RLTUNE_NO_LINKS", place.script, 1);
    setenv("RLTUNE_ONE_NAME", "1", 1);
    char *copied =
        finish(&place, run_start_with(&place, without_links, "run", place.script, "--quiet", NULL));
    unsetenv("RLTUNE_NO_LINKS");
    unsetenv("RLTUNE_ONE_NAME");
    run_assert_same(whole, copied);
    free(whole);
    free(copied);
    run_close(&place);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_take_over_the_best),
        cmocka_unit_test(what_comes_too_late_is_void),
        cmocka_unit_test(what_may_be_copied_is_kept),
        cmocka_unit_test(a_driver_killed_after_each_decision),
        cmocka_unit_test(a_driver_of_an_asynchronous_population_killed),
        cmocka_unit_test(learners_killed_at_random),
        cmocka_unit_test(weights_that_are_damaged_are_not_taken),
        cmocka_unit_test(a_schedule_is_replayed),
        cmocka_unit_test(programs_go_on_from_the_folders_of_others),
        cmocka_unit_test(programs_without_folders_are_refused),
#ifdef RLT_NO_LINKS
        cmocka_unit_test(a_full_disk_leaves_a_trial_its_own_weights),
        cmocka_unit_test(a_disk_without_second_names_serves_too),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
