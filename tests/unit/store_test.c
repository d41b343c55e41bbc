/* Tests of store: round trips, the checks of every transition, groups, queries. Each test works in
 * its own folder. */
#include "tests/fault/store_fixture.h"

static void test_experiment_round_trip(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t id = add_experiment(store, true);
    rlt_experiment_row row;
    OK(rlt_store_experiment_get(store, id, &row, &err));
    assert_string_equal(row.name, "sweep");
    assert_string_equal(row.state, "running");
    assert_string_equal(row.metric, "eval_return");
    assert_true(row.maximise);
    assert_int_equal(row.driver_pid, getpid());
    assert_int_equal(row.epoch, 1);
    assert_int_equal(row.ended_ms, 0);
    assert_true(llabs(row.created_ms - rlt_wall_ms()) < 60000);
    assert_string_equal(row.script, "return {}");
    assert_string_equal(row.facts_json, "{\"version\":\"0.1\",\"cpu\":{\"cores\":2}}");
    rlt_experiment_row_fini(&row);
    FAILS(RLT_EINVAL, "stopped, completed, failed",
          rlt_store_experiment_end(store, id, "ended", &err));
    OK(rlt_store_experiment_end(store, id, "completed", &err));
    OK(rlt_store_experiment_get(store, id, &row, &err));
    assert_string_equal(row.state, "completed");
    assert_true(row.ended_ms >= row.created_ms);
    rlt_experiment_row_fini(&row);
    FAILS(RLT_ENOTFOUND, "1 (sweep)", rlt_store_experiment_get(store, 7, &row, &err));
    rlt_store_close(&store);
}

static void test_trial_transitions(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t trial = add_trial(store, add_experiment(store, true), "search", 0);
    rlt_trial_change c = change_of(trial, 0, "running", "completed");
    FAILS(RLT_ESTALE, "pending in attempt 0", rlt_store_trial_change(store, &c, &err));
    c = change_of(trial, 1, "pending", "running");
    FAILS(RLT_ESTALE, "attempt 0", rlt_store_trial_change(store, &c, &err));
    c = change_of(trial, 0, "pending", "done");
    FAILS(RLT_EINVAL, "completed", rlt_store_trial_change(store, &c, &err));
    c = change_of(trial, 0, "pending", "running");
    assert_int_equal(rlt_trial_change_attempt(&c), 1);
    OK(rlt_store_trial_change(store, &c, &err));
    FAILS(RLT_ESTALE, "running in attempt 1", rlt_store_trial_change(store, &c, &err));
    change(store, trial, 1, "running", "pending");
    change(store, trial, 1, "pending", "running");
    c = change_of(trial, 1, "running", "completed"); /* the first attempt speaks too late */
    FAILS(RLT_ESTALE, "attempt 2", rlt_store_trial_change(store, &c, &err));
    c = change_of(trial, 2, "running", "completed");
    c.steps = 5000, c.value = 1.5, c.best = 2.5;
    OK(rlt_store_trial_change(store, &c, &err));
    rlt_trial_row row;
    OK(rlt_store_trial_get(store, trial, &row, &err));
    assert_string_equal(row.state, "completed");
    assert_string_equal(row.reason, "for the test");
    assert_int_equal(row.attempt, 2);
    assert_int_equal(row.seed, 100);
    assert_int_equal(row.steps, 5000);
    assert_true(row.value == 1.5 && row.best == 2.5 && isnan(row.wall_s));
    rlt_trial_row_fini(&row);
    assert_string_equal(ask(store, "SELECT group_concat(to_state || attempt, ' ') FROM "
                                   "(SELECT * FROM transitions ORDER BY id)"),
                        "pending0 running1 pending1 running2 completed2");
    FAILS(RLT_ENOTFOUND, "trial 99", rlt_store_trial_get(store, 99, &row, &err));
    c.trial = 99;
    FAILS(RLT_ENOTFOUND, "trial 99", rlt_store_trial_change(store, &c, &err));
    rlt_store_close(&store);
}

static void test_progress_keeps_the_state(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t trial = add_trial(store, add_experiment(store, true), "search", 0);
    rlt_trial_progress p = {.trial = trial, .attempt = 1, .steps = 10, .value = 3, .best = NAN};
    FAILS(RLT_ESTALE, "pending", rlt_store_trial_progress(store, &p, &err));
    change(store, trial, 0, "pending", "running");
    OK(rlt_store_trial_progress(store, &p, &err));
    p.steps = -1, p.value = NAN, p.best = 4;
    OK(rlt_store_trial_progress(store, &p, &err));
    assert_string_equal(ask(store, "SELECT state || steps || ' ' || value || ' ' || best "
                                   "FROM trials"),
                        "running10 3.0 4.0");
    assert_string_equal(ask(store, "SELECT count(*) FROM transitions"), "2");
    rlt_store_close(&store);
}

static void test_trial_parameters(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t experiment = add_experiment(store, true);
    add_trial(store, experiment, "search", 0);
    assert_string_equal(
        ask(store, "SELECT group_concat(path || '=' || coalesce(number, '') || '/' || "
                   "coalesce(text, ''), ' ') FROM (SELECT * FROM trial_params ORDER BY path)"),
        "flag=1.0/true model.activation=/it's model.hidden=/[64,64] ppo.epochs=4.0/ "
        "ppo.lr=0.001/");
    rlt_trial_row row = {
        .experiment = experiment, .role = "search", .number = 1, .params_json = "{\"a\":"};
    int64_t id;
    FAILS(RLT_EINVAL, "params_json", rlt_store_trial_create(store, &row, &id, &err));
    row.params_json = "{}", row.number = 0;
    FAILS(RLT_EINVAL, "search trial 0 already", rlt_store_trial_create(store, &row, &id, &err));
    snprintf(row.role, sizeof row.role, "finale");
    FAILS(RLT_EINVAL, "search, final", rlt_store_trial_create(store, &row, &id, &err));
    assert_string_equal(ask(store, "SELECT count(*) FROM trials"), "1");
    rlt_store_close(&store);
}

typedef struct seen {
    rlt_store *store;
    int count;
    char order[4096];
} seen;

static rlt_status start_trial(void *user, const rlt_trial_row *row, rlt_err *err) {
    seen *s = user;
    size_t used = strlen(s->order);
    snprintf(s->order + used, sizeof s->order - used, "%c%lld ", row->role[0],
             (long long)row->number);
    s->count++;
    rlt_trial_change c = change_of(row->id, row->attempt, "pending", "running");
    return s->store == NULL ? RLT_OK : rlt_store_trial_change(s->store, &c, err);
}

static void test_trials_in_order_and_written_while_read(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t experiment = add_experiment(store, true), other = add_experiment(store, true);
    OK(rlt_store_begin(store, &err));
    add_trial(store, experiment, "final", 0);
    add_trial(store, other, "search", 0);
    for (int i = 149; i >= 0; i--) {
        add_trial(store, experiment, "search", i);
    }
    OK(rlt_store_commit(store, &err));
    seen s = {.store = store};
    OK(rlt_store_trials(store, experiment, start_trial, &s, &err));
    assert_int_equal(s.count, 151);
    char expected[4096] = "";
    for (int i = 0; i < 150; i++) {
        snprintf(expected + strlen(expected), 16, "s%d ", i);
    }
    strcat(expected, "f0 ");
    assert_string_equal(s.order, expected);
    assert_string_equal(ask(store, "SELECT count(*) FROM trials WHERE state = 'running'"), "151");
    rlt_store_close(&store);
}

typedef struct curve {
    int count;
    int64_t step[16];
    double value[16];
} curve;

static rlt_status keep_point(void *user, int64_t step, double value, rlt_err *err) {
    (void)err;
    curve *c = user;
    assert_true(c->count < 16);
    c->step[c->count] = step;
    c->value[c->count++] = value;
    return RLT_OK;
}

static void test_metrics_replace_and_order(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t experiment = add_experiment(store, true),
            trial = add_trial(store, experiment, "search", 0);
    int64_t other = add_trial(store, experiment, "search", 1);
    OK(rlt_store_metric(store, trial, 200, "loss", 2.0, &err));
    OK(rlt_store_begin(store, &err));
    OK(rlt_store_metric(store, trial, 100, "loss", NAN, &err));
    OK(rlt_store_metric(store, trial, 200, "loss", 2.25, &err));
    OK(rlt_store_metric(store, trial, 300, "loss", INFINITY, &err));
    OK(rlt_store_metric(store, trial, 100, "return", 9, &err));
    OK(rlt_store_metric(store, other, 100, "loss", 7, &err));
    FAILS(RLT_EINVAL, "step -1", rlt_store_metric(store, trial, -1, "loss", 1, &err));
    FAILS(RLT_EINVAL, "name of a metric", rlt_store_metric(store, trial, 1, "", 1, &err));
    char name[200];
    memset(name, 'x', sizeof name);
    name[199] = 0;
    FAILS(RLT_ELIMIT, "127", rlt_store_metric(store, trial, 1, name, 1, &err));
    FAILS(RLT_ENOTFOUND, "trial 99", rlt_store_metric(store, 99, 1, "loss", 1, &err));
    OK(rlt_store_commit(store, &err));
    curve c = {0};
    OK(rlt_store_curve(store, trial, "loss", keep_point, &c, &err));
    assert_int_equal(c.count, 3);
    assert_true(c.step[0] == 100 && isnan(c.value[0]));
    assert_true(c.step[1] == 200 && c.value[1] == 2.25);
    assert_true(c.step[2] == 300 && isinf(c.value[2]));
    c.count = 0;
    OK(rlt_store_curve(store, trial, "unknown", keep_point, &c, &err));
    assert_int_equal(c.count, 0);
    rlt_store_close(&store);
}

static rlt_checkpoint_row checkpoint_of(int64_t trial, int64_t attempt, int64_t step) {
    rlt_checkpoint_row row = {.trial = trial, .attempt = attempt, .step = step, .size = 1000};
    snprintf(row.path, sizeof row.path, "trial_%lld/%lld.safetensors", (long long)trial,
             (long long)step);
    memset(row.sha256, 'a', 64);
    return row;
}

static rlt_status remove_old(void *user, const rlt_checkpoint_row *row, rlt_err *err) {
    return row->step < 300 ? rlt_store_checkpoint_remove(user, row->id, err) : RLT_OK;
}

static void test_checkpoints(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t experiment = add_experiment(store, true),
            trial = add_trial(store, experiment, "search", 0);
    change(store, trial, 0, "pending", "running");
    for (int step = 100; step <= 15000; step += 100) {
        rlt_checkpoint_row row = checkpoint_of(trial, 1, step);
        OK(rlt_store_checkpoint_add(store, &row, &err));
    }
    rlt_checkpoint_row row = checkpoint_of(trial, 0, 400);
    FAILS(RLT_ESTALE, "attempt 0", rlt_store_checkpoint_add(store, &row, &err));
    row = checkpoint_of(trial, 1, 400);
    row.sha256[3] = 'X';
    FAILS(RLT_EINVAL, "sha256", rlt_store_checkpoint_add(store, &row, &err));
    row.sha256[3] = 'b';
    OK(rlt_store_checkpoint_add(store, &row, &err)); /* the same path again */
    OK(rlt_store_checkpoint_latest(store, trial, 450, &row, &err));
    assert_int_equal(row.step, 400);
    assert_int_equal(row.sha256[3], 'b');
    assert_int_equal(row.size, 1000);
    assert_string_equal(row.path, "trial_1/400.safetensors");
    FAILS(RLT_ENOTFOUND, "up to step 50",
          rlt_store_checkpoint_latest(store, trial, 50, &row, &err));
    OK(rlt_store_checkpoints(store, experiment, remove_old, store, &err));
    assert_string_equal(ask(store, "SELECT count(*) || ' ' || min(step) FROM checkpoints"),
                        "148 300");
    FAILS(RLT_ENOTFOUND, "checkpoint 1", rlt_store_checkpoint_remove(store, 1, &err));
    rlt_store_close(&store);
}

static void test_decisions_are_idempotent(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t experiment = add_experiment(store, true),
            trial = add_trial(store, experiment, "search", 0);
    OK(rlt_store_decision(store, trial, 100, "asha", "stop", "{\"rung\":1}", "worst third", &err));
    OK(rlt_store_decision(store, trial, 100, "asha", "continue", "{}", "later", &err));
    OK(rlt_store_decision(store, trial, 200, "asha", "continue", NULL, NULL, &err));
    assert_string_equal(ask(store, "SELECT group_concat(action || reason || numbers_json, ' ') "
                                   "FROM decisions"),
                        "stopworst third{\"rung\":1} continue{}");
    FAILS(RLT_EINVAL, "numbers_json",
          rlt_store_decision(store, trial, 300, "asha", "stop", "{", "", &err));
    OK(rlt_store_event(store, experiment, 0, "driver.started", "hello", &err));
    OK(rlt_store_event(store, experiment, trial, "worker.restarted", "<script>'\"", &err));
    assert_string_equal(ask(store, "SELECT coalesce(trial, 0) || text FROM events"),
                        "1<script>'\"");
    rlt_store_close(&store);
}

static void test_long_reason_is_cut_at_a_character(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t trial = add_trial(store, add_experiment(store, true), "search", 0);
    char reason[401] = "xx"; /* the limit of 255 falls inside a character of two bytes */
    for (int i = 2; i < 400; i += 2) {
        memcpy(reason + i, "\xc3\xa9", 2);
    }
    rlt_trial_change c = change_of(trial, 0, "pending", "running");
    c.reason = reason;
    OK(rlt_store_trial_change(store, &c, &err));
    assert_string_equal(ask(store, "SELECT length(CAST(reason AS BLOB)) || ' ' || length(reason) "
                                   "FROM trials"),
                        "254 128");
    rlt_store_close(&store);
}

static void test_group_is_one_transaction(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    rlt_store *reader = open_store(*state, RLT_STORE_READ);
    int64_t experiment = add_experiment(store, true);
    OK(rlt_store_begin(store, &err));
    int64_t trial = add_trial(store, experiment, "search", 0);
    OK(rlt_store_metric(store, trial, 1, "loss", 1, &err));
    assert_string_equal(ask(reader, "SELECT count(*) FROM trials"), "0");
    rlt_store_rollback(store);
    assert_string_equal(ask(store, "SELECT count(*) FROM metric_names"), "0");
    OK(rlt_store_begin(store, &err));
    trial = add_trial(store, experiment, "search", 0);
    OK(rlt_store_metric(store, trial, 1, "loss", 1, &err)); /* its name is written again */
    rlt_trial_change c = change_of(trial, 5, "pending", "running");
    FAILS(RLT_ESTALE, "attempt 0", rlt_store_trial_change(store, &c, &err));
    OK(rlt_store_commit(store, &err)); /* a refusal does not end the group */
    assert_string_equal(ask(reader, "SELECT count(*) FROM trial_curves"), "1");
    OK(rlt_store_begin(store, &err));
    OK(rlt_store_commit(store, &err));
    rlt_store_close(&reader);
    rlt_store_close(&store);
    rlt_store_close(&store);
}

static void test_reader_may_not_write(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    int64_t experiment = add_experiment(store, true);
    rlt_store_close(&store);
    store = open_store(*state, RLT_STORE_READ);
    FAILS(RLT_EINVAL, "for reading only", rlt_store_begin(store, &err));
    FAILS(RLT_EINVAL, "for reading only", rlt_store_event(store, experiment, 0, "a", "b", &err));
    rlt_store_close(&store);
}

static void test_queries_only_read(void **state) {
    rlt_store *store = open_store(*state, RLT_STORE_WRITE);
    add_trial(store, add_experiment(store, true), "search", 3);
    char text[256];
    int64_t args[] = {1, 3};
    OK(rlt_store_query(store, "SELECT number FROM trials WHERE experiment = ?1 AND number = ?2 ;\n",
                       args, 2, keep_first, text, &err));
    assert_string_equal(text, "3");
    static const char *const refused[] = {"DELETE FROM trials",
                                          "PRAGMA user_version = 9",
                                          "ATTACH 'x.db' AS x",
                                          "SELECT 1; DROP TABLE trials",
                                          "BEGIN",
                                          "",
                                          "SELECT ?1",
                                          "SELECT * FROM trails",
                                          "UPDATE trials SET seed = 1"};
    for (size_t i = 0; i < RLT_COUNT(refused); i++) {
        FAILS(RLT_EINVAL, "query",
              rlt_store_query(store, refused[i], NULL, 0, keep_first, text, &err));
    }
    assert_string_equal(ask(store, "SELECT NULL"), "NULL");
    OK(rlt_store_check(store, &err));
    rlt_store_close(&store);
    store = open_store(*state, RLT_STORE_READ);
    assert_string_equal(ask(store, "SELECT count(*) FROM json_each('[5,6]')"), "2");
    rlt_store_close(&store);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_experiment_round_trip),
        TEST(test_trial_transitions),
        TEST(test_progress_keeps_the_state),
        TEST(test_trial_parameters),
        TEST(test_trials_in_order_and_written_while_read),
        TEST(test_metrics_replace_and_order),
        TEST(test_checkpoints),
        TEST(test_decisions_are_idempotent),
        TEST(test_long_reason_is_cut_at_a_character),
        TEST(test_group_is_one_transaction),
        TEST(test_reader_may_not_write),
        TEST(test_queries_only_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
