/* Too few descriptors, threads and processes, too little memory: never a crash of the driver, never
 * a hang. Either the run is refused with a clear error before anything starts, or the trials that
 * could not have what they need fail with that cause. The database stays sound and takes the next
 * run. */
#include "core/core.h"
#include "tests/support/run.h"

#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { DEADLINE_S = 60, NOBODY = 65534 };

static const char script[] =
    "return { name = 'limits', env = 'CartPole-v1', device = 'cpu', seed = 4, threads = 2,\n"
    "  workers = 1, envs_per_worker = 4,\n"
    "  ppo = { horizon = space.grid{ 32, 64 }, minibatch = 64, epochs = 1 },\n"
    "  model = { hidden = { 8 } }, stop = { steps = 1280 },\n"
    "  tune = { sampler = 'grid', trials = 2, parallel = 2, max_retries = 0, max_failed = 2 } }\n";

static int resource_limited;
static rlim_t limit;
static uid_t user; /* 0: stay who we are; limits of processes do not bind root */

static void apply_limit(void) {
    const struct rlimit value = {limit, limit};
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* its search needs a process of its own */
    setrlimit((__rlimit_resource_t)resource_limited, &value);
    if (user != 0 && (setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0)) {
        _exit(125);
    }
}

static bool has_experiment(const run_place *place) {
    return access(place->db, F_OK) == 0 &&
           run_sql_int(place, "SELECT count(*) FROM sqlite_schema WHERE name = 'trials'") == 1 &&
           run_sql_int(place, "SELECT count(*) FROM experiments") > 0;
}

/* Each failed trial names what it lacked; which one that is depends on who came first. */
static void check_causes(const run_place *place) {
    char *causes =
        run_sql_text(place, "SELECT state, reason FROM trials WHERE state = 'failed' AND "
                            "reason NOT LIKE '%are to be had%' AND "
                            "reason NOT LIKE '%could not %' AND "
                            "reason NOT LIKE '%the learner process ended with%' AND "
                            "reason NOT LIKE '%worker % died%' AND "
                            "reason NOT LIKE '%memory%'");
    assert_string_equal(causes, "");
    free(causes);
}

/* True when the limit let it through. */
static bool check_limited(rlim_t value) {
    run_place place;
    run_open(&place);
    run_write_script(&place, script);
    assert_int_equal(chmod(place.folder, 0777), 0);
    limit = value;
    pid_t driver = run_start_with(&place, apply_limit, "run", place.script, "--quiet", NULL);
    int code = run_wait(&place, driver, DEADLINE_S);
    bool known = code == 0 || code == 2 || code == 3 || code == 5 || code == 6 || code == 7;
    if (!known && code != 127) { /* 127: even the libraries did not fit */
        run_expect_code(&place, code, 0);
    }
    if (code != 0 && code != 127) {
        run_expect_output(&place, "rltune: error: ");
    }
    run_check_clean(&place);
    if (has_experiment(&place)) {
        run_check_rows(&place, code == 0);
        check_causes(&place);
        assert_int_equal(
            run_sql_int(&place, "SELECT count(*) FROM experiments WHERE state = 'running'"), 0);
    }
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_close(&place);
    return code == 0;
}

static void few_descriptors_are_a_clear_error_or_enough(void **state) {
    (void)state;
    static const rlim_t values[] = {4, 8, 16, 20, 22, 24, 26, 28, 32, 64};
    resource_limited = RLIMIT_NOFILE;
    bool passed = false;
    for (size_t i = 0; i < RLT_COUNT(values); i++) {
        passed = check_limited(values[i]);
    }
    assert_true(passed); /* 64 do */
}

static bool others_can_run_it(void) {
    char path[] = RLT_BINARY;
    bool open = true;
    for (char *slash = path + 1; open && (slash = strchr(slash, '/')) != NULL; slash++) {
        struct stat info;
        *slash = 0;
        open = stat(path, &info) == 0 && (info.st_mode & S_IXOTH) != 0;
        *slash = '/';
    }
    return open;
}

static void few_processes_and_threads_are_a_clear_error_or_enough(void **state) {
    (void)state;
    static const rlim_t values[] = {1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 60};
    if (geteuid() != 0 || !others_can_run_it()) {
        print_message("needs root, and a binary that others can run\n");
        skip(); /* other processes of this user would count */
    }
    user = NOBODY;
    resource_limited = RLIMIT_NPROC;
    for (size_t i = 0; i < RLT_COUNT(values); i++) {
        check_limited(values[i]);
    }
    user = 0;
}

static void little_memory_is_a_clear_error_or_enough(void **state) {
    (void)state;
    if (RUN_SLOW) {
        skip(); /* sanitizers reserve terabytes of addresses */
    }
    static const rlim_t values[] = {10, 20, 30, 36, 42, 50, 60, 70, 90, 400};
    resource_limited = RLIMIT_AS;
    bool passed = false;
    for (size_t i = 0; i < RLT_COUNT(values); i++) {
        passed = check_limited(values[i] << 20);
    }
    assert_true(passed);
}

static void limit_addresses(void) {
    const struct rlimit value = {600 << 20, 600 << 20};
    setrlimit(RLIMIT_AS, &value);
}

/* The second point of the grid needs more than there is. */
static void trial_that_runs_out_of_memory_fails_alone(void **state) {
    (void)state;
    if (RUN_SLOW) {
        skip();
    }
    run_place place;
    run_open(&place);
    run_write_script(&place, script);
    pid_t driver = run_start_with(&place, limit_addresses, "run", place.script, "--quiet", "--set",
                                  "ppo.horizon={\"$space\": \"grid\", \"values\": [32, 1000000]}",
                                  "--set", "envs_per_worker=16", NULL);
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    char *states = run_sql_text(&place, "SELECT number, state FROM trials ORDER BY number");
    assert_string_equal(states, "0|completed\n1|failed\n");
    free(states);
    char *reason = run_sql_text(&place, "SELECT reason FROM trials WHERE number = 1");
    print_message("%s", reason);
    free(reason);
    run_check_rows(&place, true);
    run_check_clean(&place);
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_descriptors_are_a_clear_error_or_enough),
        cmocka_unit_test(few_processes_and_threads_are_a_clear_error_or_enough),
        cmocka_unit_test(little_memory_is_a_clear_error_or_enough),
        cmocka_unit_test(trial_that_runs_out_of_memory_fails_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
