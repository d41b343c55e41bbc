/* The scripts of configs/ through the real binary: those that learn within seconds reach their
 * goals, all others run to an end that was moved forward. What more seeds give is measured by
 * bench/learn.sh. Under sanitizers all are cut short. */
#include "core/core.h"
#include "tests/support/run.h"

#include <dirent.h>

enum { DEADLINE_S = 120 };

/* Reward thresholds of Gymnasium; bounds of our own where it has none. */
static const struct {
    const char *script;
    double goal;
} goals[] = {
    {"acrobot.lua", -100},
    {"cartpole.lua", 475},
    {"cartpole_lstm.lua", 475},
    {"cartpole_sweep.lua", 475},
    {"corridor.lua", 0.85},
    {"frozen_lake.lua", 0.7},
    {"mountain_car_continuous.lua", 90},
    {"pendulum.lua", -200},
    {"workshop.lua", 17},
};

/* The goal, or NULL for a script that is only to run. */
static const double *goal_of(const char *script) {
    for (size_t i = 0; i < RLT_COUNT(goals); i++) {
        if (strcmp(goals[i].script, script) == 0) {
            return &goals[i].goal;
        }
    }
    return NULL;
}

static bool is_sweep(const char *path) {
    char *text;
    size_t size;
    rlt_err err = {0};
    if (rlt_file_read(path, 1 << 20, &text, &size, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    bool sweep = strstr(text, "tune = {") != NULL;
    rlt_free(text);
    return sweep;
}

static pid_t start_short(run_place *place, const char *path) {
    if (!is_sweep(path)) {
        return run_start(place, "run", path, "--json", "--quiet", "--set", "stop.steps=3000",
                         "--set", "eval.episodes=5");
    }
    return run_start(place, "run", path, "--json", "--set", "stop.steps=12000", "--set",
                     "tune.trials=2", "--set", "tune.final.seeds=1", "--set",
                     "tune.final.episodes=5");
}

static void expect_goal(const run_place *place, const char *script, double goal) {
    static const char key[] = "\"final_eval_return\": ";
    char *output = run_output(place), *at = strstr(output, key);
    if (at == NULL || !(strtod(at + strlen(key), NULL) >= goal)) {
        fail_msg("%s: the goal of %g is not reached:\n%s", script, goal, output);
    }
    free(output);
}

static void run_config(const char *script) {
    char path[300];
    run_place place;
    const double *goal = RUN_SLOW ? NULL : goal_of(script);
    snprintf(path, sizeof path, "configs/%s", script);
    run_open(&place);
    pid_t pid = goal != NULL ? run_start(&place, "run", path, "--json", "--quiet")
                             : start_short(&place, path);
    run_expect_code(&place, run_wait(&place, pid, DEADLINE_S), 0);
    run_check_rows(&place, true);
    if (goal != NULL) {
        expect_goal(&place, script, *goal);
    }
    run_close(&place);
}

static void test_all(void **state) {
    (void)state;
    DIR *folder = opendir("configs");
    assert_non_null(folder);
    size_t with_goal = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        size_t size = strlen(entry->d_name);
        if (size > 4 && strcmp(entry->d_name + size - 4, ".lua") == 0) {
            run_config(entry->d_name);
            with_goal += goal_of(entry->d_name) != NULL;
        }
    }
    closedir(folder);
    assert_int_equal(with_goal, RLT_COUNT(goals)); /* none was renamed */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
