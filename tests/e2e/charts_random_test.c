/* importance, compare and every kind of plot on databases with random, odd content: parameters that
 * change their type from trial to trial, nested values, hostile names, huge and missing numbers,
 * states of all kinds. A command draws something sound or refuses in one line; it never crashes. */
#include "tests/support/pictures.h"
#include "tests/support/searches.h"

#include <float.h>
#include <stdlib.h>

enum { EXPERIMENTS = 7, TRIALS_MAX = 40, JSON_MAX = 1200 };
static rlt_rng rng;
static uint32_t seed;
static rlt_err err;

static int below(int limit) {
    return (int)rlt_rng_below(&rng, (uint32_t)limit);
}

static const char *const paths[] = {
    "ppo.lr", "params.a\\u001b[31m", "model.layers[2].units", "<script>&\\\"", "größe", "x"};
static const char *const texts[] = {
    "0",  "1",  "-1",      "1e308", "-1e308",   "1e-320", "0.5",    "true",  "null", "\"\"",
    "[]", "{}", "[1,[2]]", "\"1\"", "\"tanh\"", "1e300",  "123456", "0.001", "17"};
static const double numbers[] = {NAN,     0,      -0.0,  1,   -1,     1e300, -1e300,
                                 DBL_MAX, 1e-300, -1e-9, 1e9, 5e-324, 0.25,  1e15};

static void random_params(char text[JSON_MAX]) {
    int size = snprintf(text, JSON_MAX, "{"), count = 0;
    bool tame = below(2);
    for (int k = 0; k < (int)RLT_COUNT(paths); k++) {
        if (below(4) == 0) {
            continue;
        }
        size += snprintf(text + size, (size_t)(JSON_MAX - size), "%s\"%s\": ", count++ ? ", " : "",
                         paths[k]);
        if (tame || below(2)) {
            size +=
                snprintf(text + size, (size_t)(JSON_MAX - size), "%.6g",
                         k == 0 ? pow(10, -4 * rlt_rng_f64(&rng)) : floor(rlt_rng_f64(&rng) * 9));
        } else {
            size += snprintf(text + size, (size_t)(JSON_MAX - size), "%s",
                             texts[below(RLT_COUNT(texts))]);
        }
    }
    snprintf(text + size, (size_t)(JSON_MAX - size), "}");
}

static double random_number(bool odd) {
    return odd && below(3) == 0 ? numbers[below(RLT_COUNT(numbers))] : rlt_rng_f64(&rng) * 10 - 3;
}

static void write_experiment(int number) {
    static const char *const configs[] = {
        "{}",
        "{\"ppo\": {\"lr\": {\"$space\": \"loguniform\", \"low\": 1e-5, \"high\": 0.1}}}",
        "{\"ppo\": {\"lr\": {\"$space\": \"nothing\"}}, \"x\": {\"$space\": \"uniform\"}}",
        "{\"x\": {\"$space\": \"choice\", \"values\": [0, 1, 2]}, \"tune\": {\"goal\": -1}}",
        "[]",
    };
    static const char *const states[] = {"completed", "completed", "completed",
                                         "stopped",   "failed",    "running"};
    bool several = number % 3 == 1, odd = number % 2, constrained = below(2);
    char name[32];
    snprintf(name, sizeof name, "e%d", number);
    int64_t id = searches_experiment(name, several ? "loss,b,c" : "loss", number % 2,
                                     configs[below(RLT_COUNT(configs))]);
    if (constrained) {
        CHECK(rlt_store_constraint_add(searches_store, id, 0, "limit", &err));
    }
    int count = number == 0 ? 0 : below(TRIALS_MAX), replicates = 1 + below(3);
    for (int i = 0; i < count; i++) {
        char params[JSON_MAX];
        double values[3], limit = random_number(odd);
        for (int k = 0; k < 3; k++) {
            values[k] = random_number(odd);
        }
        random_params(params);
        bool final = i > 30;
        int64_t trial = searches_trial(
            id, &(made_trial){.role = final ? "final" : "search",
                              .number = final ? i - 31 : i,
                              .state = states[below(RLT_COUNT(states))],
                              .value = values[0],
                              .params = params,
                              .configuration = below(9) ? i / replicates : -1,
                              .replicate = i % replicates,
                              .values = several || constrained ? values : NULL,
                              .value_count = several || constrained ? (several ? 3 : 1) : 0,
                              .constraints = constrained ? &limit : NULL,
                              .constraint_count = constrained});
        for (int step = 0; step < below(4); step++) {
            static const char *const acts[] = {"stop", "continue", "pause", "exploit"};
            char text[96];
            snprintf(text, sizeof text,
                     below(3) ? "{\"value\": %.17g, \"threshold\": %.17g}"
                              : "{\"value\": null, \"threshold\": \"x\"}",
                     random_number(false), random_number(false));
            CHECK(rlt_store_decision(searches_store, trial, step * below(1000), "asha",
                                     acts[below(4)], text, "random", &err));
            CHECK(rlt_store_metric(searches_store, trial, step, "extra", random_number(odd), &err));
        }
    }
}

static int set_up(void **state) {
    (void)state;
    rng = rlt_rng_make(21, RLT_STREAM_TEST, seed);
    searches_set_up();
    searches_begin();
    for (int i = 0; i < EXPERIMENTS; i++) {
        write_experiment(i);
    }
    searches_end();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    searches_tear_down();
    return 0;
}

/* Whether it succeeded. */
static bool run(const char *args, rlt_buf *out) {
    int code = searches_run(args, out);
    if (code != 0 && code != 2 && code != 4) {
        fail_msg("rltune %s: exit code %d\n%s", args, code, out->data);
    }
    if (code != 0 && strncmp(out->data, "rltune: error: ", 15) != 0) {
        fail_msg("rltune %s: exit code %d\n%s", args, code, out->data);
    }
    return code == 0;
}

static void check_svg(const char *args) {
    char line[300], path[128], *data;
    size_t size;
    rlt_buf out = {0};
    snprintf(path, sizeof path, "%s/a.svg", searches_folder());
    snprintf(line, sizeof line, "%s --svg %s", args, path);
    assert_true(run(line, &out));
    CHECK(rlt_file_read(path, 1 << 22, &data, &size, &err));
    rlt_buf text = {.data = data, .size = size};
    pictures_check_svg(&text);
    rlt_free(data);
    rlt_buf_fini(&out);
}

static void test_plots(void **state) {
    (void)state;
    static const char *const kinds[] = {"history",
                                        "importance",
                                        "importance --method fanova",
                                        "slice",
                                        "contour",
                                        "parallel",
                                        "edf",
                                        "timeline",
                                        "rungs",
                                        "front",
                                        "hypervolume",
                                        "history --metric extra --stopped",
                                        "parallel --stopped",
                                        "slice --param lr --stopped"};
    int drawn = 0;
    for (int i = 0; i < EXPERIMENTS; i++) {
        for (size_t k = 0; k < RLT_COUNT(kinds); k++) {
            char args[128];
            rlt_buf out = {0};
            snprintf(args, sizeof args, "plot e%d --kind %s", i, kinds[k]);
            if (run(args, &out)) {
                pictures_check_text(&out, 80, 26 * 8, false, false);
                check_svg(args);
                json_decref(searches_json(args));
                drawn++;
            }
            rlt_buf_fini(&out);
        }
    }
    assert_true(drawn > 40);
}

static void test_importance(void **state) {
    (void)state;
    int computed = 0;
    for (int i = 0; i < EXPERIMENTS; i++) {
        for (int form = 0; form < 4; form++) {
            char args[128];
            rlt_buf out = {0};
            snprintf(args, sizeof args, "importance e%d --method %s%s", i,
                     form & 1 ? "fanova" : "ped_anova", form & 2 ? " --stopped --log-scale" : "");
            if (run(args, &out)) {
                json_t *result = searches_json(args), *entry;
                size_t j;
                double sum = 0;
                json_array_foreach(searches_field(result, "importances"), j, entry) {
                    sum += searches_number(entry, "importance");
                }
                assert_true(fabs(sum - 1) < 1e-9);
                json_decref(result);
                computed++;
            }
            rlt_buf_fini(&out);
        }
    }
    assert_true(computed > 10);
}

static void test_compare(void **state) {
    (void)state;
    static const char *const options[] = {
        "", "--mode max --metric loss --what search", "--mode min --metric extra --what search",
        "--mode min --metric loss --what final", "--mode max --metric loss --what best"};
    int compared = 0;
    for (int i = 0; i < 60; i++) {
        char args[128];
        rlt_buf out = {0};
        int a = below(EXPERIMENTS), b = below(EXPERIMENTS);
        if (i % 6 == 5) {
            snprintf(args, sizeof args, "compare e%d:%d e%d:%d --mode max", a, below(5), b,
                     below(5));
        } else {
            snprintf(args, sizeof args, "compare e%d e%d %s", a, b,
                     options[below(RLT_COUNT(options))]);
        }
        if (run(args, &out)) {
            json_t *result = searches_json(args);
            double won = searches_number(searches_field(result, "improvement"), "value");
            assert_true(won >= 0 && won <= 1);
            assert_true(a != b || strchr(args, ':') != NULL || won == 0.5);
            json_decref(result);
            compared++;
        }
        rlt_buf_fini(&out);
    }
    assert_true(compared > 10);
}

int main(int argc, char **argv) {
    seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0; /* test N, fill N: other content */
    if (argc > 1 && strcmp(argv[1], "fill") == 0) {             /* a database to look at */
        set_up(NULL);
        printf("%s/a.db\n", searches_folder());
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plots),
        cmocka_unit_test(test_importance),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
