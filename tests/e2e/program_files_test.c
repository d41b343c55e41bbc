/* What remains of programs on the disk: folders for what somebody may want to read, and no others.
 */
#include "core/core.h"
#include "tests/support/run.h"

#include <sys/resource.h>

/* A program that says `words`, puts something into its checkpoint folder when a = 2, fails when
 * a = 3 and takes over three seconds when a = 4. */
static const char script[] =
    "return { name = 'files', objective = { 'command', argv = { 'sh', '-c', 'echo %s; echo "
    "loss=$((($1 - 2) * ($1 - 2))); test $1 != 2 || touch $RLTUNE_CHECKPOINT_DIR/model; test $1 "
    "!= 4 || sleep 3.2; test $1 != 3', 'x', '{a}' }, params_file = true, checkpoint = true, "
    "metrics = { loss = 'loss=([0-9]+)' }, keep_logs = '%s' }, params = { a = space.grid{ 0, 1, "
    "2, 3, 4, 5 } }, tune = { mode = 'min', trials = 6, sampler = 'grid', parallel = 1, "
    "max_failed = 1 } }";

static void run_script(run_place *place, const char *words, const char *keep_logs) {
    char text[1024];
    run_open(place);
    snprintf(text, sizeof text, script, words, keep_logs);
    run_write_script(place, text);
    run_expect_code(place, run_command(place, "run", place->script), 0);
    run_check_rows(place, false);
}

/* All files and empty folders of DB-trials, sorted. */
static void expect_files(const run_place *place, const char *expected) {
    char command[512], text[1024] = "";
    snprintf(command, sizeof command,
             "cd %s-trials 2>/dev/null && find . -type f -o -type d -empty | sort", place->db);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t size = fread(text, 1, sizeof text - 1, pipe);
    pclose(pipe);
    text[size] = 0;
    assert_string_equal(text, expected);
}

static void test_auto(void **state) {
    (void)state;
    run_place place;
    run_script(&place, "some words", "auto");
    expect_files(&place,
                 "./e1-t3/checkpoint/model\n./e1-t4/log\n./e1-t4/params.json\n./e1-t5/log\n");
    run_close(&place);
}

static void test_all(void **state) {
    (void)state;
    run_place place;
    run_script(&place, "some words", "all");
    expect_files(&place, "./e1-t1/log\n./e1-t2/log\n./e1-t3/checkpoint/model\n./e1-t3/log\n"
                         "./e1-t4/log\n./e1-t4/params.json\n./e1-t5/log\n./e1-t6/log\n");
    run_close(&place);
}

/* Those of trials 1 and 2 were the best ones for a while. */
static void test_failed(void **state) {
    (void)state;
    run_place place;
    run_script(&place, "$(seq 2000)", "failed");
    expect_files(&place,
                 "./e1-t3/checkpoint/model\n./e1-t3/log\n./e1-t4/log\n./e1-t4/params.json\n");
    run_close(&place);
}

/* Nothing to say: not even the folder of the experiments' programs. */
static void test_nothing(void **state) {
    (void)state;
    run_place place;
    char path[256];
    run_open(&place);
    run_write_script(&place,
                     "return { name = 'short', objective = { 'command', argv = { 'echo', "
                     "'{\"loss\": {a}}' } }, params = { a = space.uniform(0, 1) }, tune = { "
                     "metric = 'loss', mode = 'min', trials = 8 } }");
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    run_check_rows(&place, true);
    run_check_clean(&place);
    snprintf(path, sizeof path, "%s-trials", place.db);
    assert_int_not_equal(access(path, F_OK), 0);
    run_close(&place);
}

/* One that is ended and goes on finds what it had: its log and its checkpoint. */
static void test_going_on(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(&place,
                     "return { name = 'again', objective = { 'command', argv = { 'sh', '-c', 'cd "
                     "$RLTUNE_CHECKPOINT_DIR; echo attempt $RLTUNE_ATTEMPT; echo x >> n; test $(wc "
                     "-l < n) = 3 || kill -9 $$; echo loss=1' }, checkpoint = true, keep_logs = "
                     "'all', metrics = { loss = 'loss=(.)' } }, tune = { trials = 1, max_retries = "
                     "2 } }");
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    expect_files(&place, "./e1-t1/checkpoint/n\n./e1-t1/log\n");
    char path[256], *text;
    size_t size;
    rlt_err err;
    snprintf(path, sizeof path, "%s-trials/e1-t1/log", place.db);
    assert_int_equal(rlt_file_read(path, 1000, &text, &size, &err), RLT_OK);
    assert_string_equal(text, "attempt 1\nattempt 2\nattempt 3\nloss=1\n");
    rlt_free(text);
    run_close(&place);
}

/* ---- descriptors ---- */

static rlim_t hard_limit;

static void limit_files(void) {
    const struct rlimit limit = {.rlim_cur = 90, .rlim_max = hard_limit};
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* More programs than the soft limit allows: the driver raises its own, not theirs; and says so at
 * once where the hard one is too low. */
static void test_descriptors(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(&place,
                     "return { name = 'many', objective = { 'command', argv = { 'sh', '-c', 'sleep "
                     "0.3; echo limit=$(ulimit -n)' }, metrics = { limit = 'limit=([0-9]+)' } }, "
                     "tune = { metric = 'limit', trials = 80, parallel = 80, max_failed = 80 } }");
    hard_limit = 1000;
    pid_t driver = run_start_with(&place, limit_files, "run", place.script, NULL);
    run_expect_code(&place, run_wait(&place, driver, 60), 0);
    char *text = run_sql_text(&place, "SELECT DISTINCT state, attempt, value FROM trials");
    assert_string_equal(text, "completed|1|90.0\n");
    free(text);
    hard_limit = 400;
    driver = run_start_with(&place, limit_files, "run", place.script, NULL);
    int code = run_wait(&place, driver, 60);
    assert_int_not_equal(code, 0);
    run_expect_output(&place, "80 programs at once need up to 544 open files, but this process may "
                              "have 400 (ulimit -Hn); raise that limit, or lower tune.parallel to "
                              "56");
    run_close(&place);
}

/* The second attempt of a program finds that all is done, and says nothing: its result is there.
 * One that never had any has failed. */
static void test_nothing_left(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    run_write_script(
        &place, "return { name = 'left', objective = { 'command', argv = { 'sh', '-c', 'f="
                "$RLTUNE_CHECKPOINT_DIR/done; test ! -e $f || exit 0; touch $f; test $1 = 0 || "
                "echo loss=$1; sleep 0.2; kill -9 $$', 'x', '{a}' }, checkpoint = true, "
                "metrics = { loss = 'loss=([0-9]+)' } }, params = { a = space.grid{ 0, 7 } }, "
                "tune = { mode = 'min', trials = 2, sampler = 'grid', parallel = 1 } }");
    run_expect_code(&place, run_command(&place, "run", place.script), 0);
    char *text = run_sql_text(&place, "SELECT state, attempt, value FROM trials ORDER BY number");
    assert_string_equal(text, "failed|2|\ncompleted|2|7.0\n");
    free(text);
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto),        cmocka_unit_test(test_all),
        cmocka_unit_test(test_failed),      cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_going_on),    cmocka_unit_test(test_nothing_left),
        cmocka_unit_test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
