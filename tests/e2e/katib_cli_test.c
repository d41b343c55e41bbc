/* Katib Experiments of the shape of Katib's own examples (tests/katib), with programs that are on
 * every machine: what import makes of each is a valid script, and runs as it is. */
#include "tests/support/run.h"

#include <dirent.h>

static void import(run_place *place, const char *name) {
    char path[256];
    snprintf(path, sizeof path, RLT_SOURCE_DIR "/tests/katib/%s.yaml", name);
    remove(place->script);
    run_expect_code(place, run_command(place, "import", "katib", path, "--out", place->script), 0);
    run_expect_code(place, run_command(place, "run", place->script, "--dry-run"), 0);
}

/* All but what searches by itself, and what needs TensorFlow to run. */
static void test_examples(void **state) {
    (void)state;
    char path[300];
    DIR *folder = opendir(RLT_SOURCE_DIR "/tests/katib");
    struct dirent *entry;
    int count = 0;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        run_place place;
        char *dot = strstr(entry->d_name, ".yaml");
        if (dot == NULL) {
            continue;
        }
        *dot = 0;
        count++;
        run_open(&place);
        if (strcmp(entry->d_name, "darts") == 0) {
            snprintf(path, sizeof path, RLT_SOURCE_DIR "/tests/katib/darts.yaml");
            run_expect_code(&place, run_command(&place, "import", "katib", path), 2);
            run_expect_output(&place, "darts runs one program that searches by itself");
        } else {
            import(&place, entry->d_name);
            if (strstr(entry->d_name, "tfevent") == NULL) {
                run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
                run_check_rows(&place, true);
            }
        }
        run_close(&place);
    }
    closedir(folder);
    assert_true(count >= 18);
}

/* A word that only ends with the metric's name is another metric; 1e-3 is a number. */
static void test_values(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    import(&place, "metrics-collection-strategy");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE value = 0.001"), 4);
    run_close(&place);
}

/* A run is a generation: each member runs three times, from where it or a better one was, and is
 * not cut short between its report and its checkpoint. */
static void test_generations(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    import(&place, "simple-pbt");
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials"), 6);
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM transitions WHERE to_state = "
                                         "'running'"),
                     18);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM exploits") >= 2);
    /* of one that never copied: three times 10 lr */
    assert_true(run_sql_int(&place,
                            "SELECT count(*) FROM trials t WHERE steps = 3 AND id NOT IN (SELECT "
                            "trial FROM exploits) AND abs(value - 30 * "
                            "(params_json ->> '$.\"params.lr\"')) < 1e-3") >= 2);
    run_close(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_generations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
