/* Searches over the layers of a network through the real binary: a network that cannot be built for
 * some value is refused before the first trial, with parameter and line; what a trial chose is what
 * its checkpoint holds; killed and resumed, the same trials. */
#include "checkpoint/checkpoint.h"
#include "tests/support/run.h"

#include <jansson.h>
#include <signal.h>

enum { DEADLINE_S = 60 };

static void write_model(run_place *place, const char *env, const char *model) {
    char text[2048];
    snprintf(text, sizeof text,
             "return {\n  env = '%s', seed = 1, threads = 1, envs_per_worker = 8,\n  model = {\n%s"
             "  },\n  ppo = { horizon = 32, epochs = 1, minibatch = 64 },\n"
             "  stop = { steps = 256 }, eval = { episodes = 1 },\n"
             "  tune = { metric = 'mean_return', trials = 6, parallel = 1 },\n}\n",
             env, model);
    run_write_script(place, text);
}

/* ---- refused ---- */

static const struct {
    const char *env, *model; /* its first line is the script's fourth */
    const char *parts[4];    /* of the message; NULL ends */
} refused[] = {
    {"MinAtar/Breakout-v1",
     "    { 'conv', 16, 3 },\n    { 'conv', 16, space.choice{ 3, 5, 9 } },\n    { 'dense', 64 },\n",
     {":5: model[2]: conv of kernel 9 does not fit its input of 8 x 8 x 16",
      "(with model[2].kernel = 9)"}},
    {"MinAtar/Breakout-v1", /* integers of a range, one by one */
     "    { 'conv', 16, space.randint(1, 40) },\n    { 'dense', 64 },\n",
     {":4: model[1]: conv of kernel 11", "(with model[1].kernel = 11)"}},
    {"CartPole-v1", /* a kind of layer */
     "    { 'dense', 16 },\n    { space.choice{ 'dense', 'conv' }, 16 },\n",
     {":5: model[2]: conv needs an image", "(with model[2].kind = \"conv\")"}},
    {"CartPole-v1", /* a whole layer */
     "    { 'dense', 16 },\n    space.choice{ { 'dense', 32 }, { 'max_pool', 2 } },\n",
     {":5: model[2]: max_pool needs an image", "(with model[2] = [\"max_pool\",2])"}},
    {"CartPole-v1", /* two values that do not go together, and one that has nothing to do with it */
     "    { 'dense', space.choice{ 32, 30 }, space.choice{ 'tanh', 'relu' } },\n"
     "    { 'attention', heads = space.choice{ 1, 4 }, context = 8 },\n",
     {":5: model[2]: attention of 4 heads on 30",
      "(with model[1].units = 30, model[2].heads = 4)"}},
    {"CartPole-v1", /* a wide range of integers: one of its ends */
     "    { 'dense', space.randint(8, 1001) },\n    { 'attention', heads = 8, context = 8 },\n",
     {":5: model[2]: attention of 8 heads on 1001", "(with model[1].units = 1001)"}},
    {"CartPole-v1", /* a function's layer, met among the first trials */
     "    { 'dense', space.choice{ 16, 32 } },\n    function(p)\n"
     "      if p.model.layers[1].units == 32 then return { 'conv', 8, 3 } end\n"
     "      return { 'skip' }\n    end,\n",
     {":5: model[2]: conv needs an image",
      "(with model[1].units = 32, model[2] = [\"conv\",8,3])"}},
    {"CartPole-v1",
     "    { 'dense', 8 },\n    function(p) return { 'dens', 8 } end,\n",
     {":5: model[2]: there is no layer 'dens' (did you mean 'dense'?)",
      "returned by its function"}},
    {"CartPole-v1",
     "    { 'dense', 8 },\n    function(p) return { 'dense', p.nothing.units } end,\n",
     {":5", "p has no 'nothing'"}},
    {"CartPole-v1", /* more combinations than are tried: each value once */
     "    { 'dense', space.randint(8, 40) }, { 'dense', space.randint(8, 40) },\n"
     "    { 'dense', space.randint(8, 40) }, { space.choice{ 'dense', 'conv' }, 8 },\n",
     {":5: model[4]: conv", "(with model[4].kind = \"conv\")"}},
};

static void test_refused_before_the_first_trial(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        run_place place;
        run_open(&place);
        write_model(&place, refused[i].env, refused[i].model);
        run_expect_code(&place, run_command(&place, "run", place.script), 3);
        for (int k = 0; refused[i].parts[k] != NULL; k++) {
            run_expect_output(&place, refused[i].parts[k]);
        }
        assert_int_not_equal(access(place.db, F_OK), 0); /* nothing was started or written */
        run_close(&place);
    }
}

static void test_accepted(void **state) {
    (void)state;
    static const char *const models[] = {
        "    { 'dense', space.randint(8, 1000) },\n",
        "    { 'dense', space.lograndint(8, 512), 'tanh' }, { 'layer_norm' },\n",
        "    { 'dense', 30 }, { 'attention', heads = space.choice{ 1, 2, 3, 5 }, context = 8 },\n",
        "    { 'residual', { { 'dense', 4, space.choice{ 'relu', 'silu' } } } }, { 'dense', 8 },\n",
        "    { 'dense', space.choice{ 30, 32 } },\n    function(p)\n      local heads = "
        "p.model.layers[1].units == 32 and 4 or 5\n"
        "      return { 'attention', heads = heads, context = 4 }\n    end,\n",
    };
    run_place place;
    run_open(&place);
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        write_model(&place, "CartPole-v1", models[i]);
        run_expect_code(&place, run_command(&place, "run", place.script, "--dry-run"), 0);
    }
    run_close(&place);
}

/* A function may come to a layer that fits nowhere after the check: that trial fails, by name. */
static void test_a_late_misfit_is_a_failed_trial(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_model(&place, "CartPole-v1",
                "    { 'dense', space.randint(1, 40) },\n    function(p)\n"
                "      local units = p.model.layers[1].units\n"
                "      return { 'attention', heads = units > 35 and 7 or 1, context = 4 }\n"
                "    end,\n");
    int code = run_command(&place, "run", place.script, "--quiet", "--set", "tune.trials=20",
                           "--set", "tune.max_failed=20", "--set", "tune.seed=6");
    run_expect_code(&place, code, 0);
    run_check_rows(&place, true);
    char *failed = run_sql_text(&place, "SELECT number, reason FROM trials WHERE state = 'failed'");
    assert_non_null(strstr(failed, "model[2]: attention of 7 heads on 3"));
    assert_int_equal(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'failed' AND "
                                         "number < 8"), /* these were checked */
                     0);
    free(failed);
    assert_true(run_sql_int(&place, "SELECT count(*) FROM trials WHERE state = 'completed'") > 10);
    run_close(&place);
}

/* ---- what was chosen is what was built ---- */

static const char search[] =
    "    { 'dense', space.choice{ 8, 16, 24 }, space.choice{ 'tanh', 'relu' } },\n"
    "    space.choice{ { 'skip' }, { 'dense', 12 }, { 'gru', 12 } },\n"
    "    function(p) -- only where the first layer is wide\n"
    "      if p.model.layers[1].units > 8 then\n"
    "        return space.choice{ { 'skip' }, { 'dense', 6, 'tanh' } }\n"
    "      end\n"
    "      return { 'skip' }\n"
    "    end,\n";

static void write_search(run_place *place) {
    char text[2048];
    snprintf(
        text, sizeof text,
        "return {\n  name = 'layers', env = 'CartPole-v1', seed = 3, threads = 1,\n"
        "  envs_per_worker = 8, device = 'cpu', normalise = { reward = true },\n  model = {\n%s"
        "  },\n  ppo = { lr = space.loguniform(1e-4, 1e-2), horizon = 32, epochs = 2 },\n"
        "  stop = { steps = 1024 }, eval = { episodes = 2 },\n"
        "  tune = { trials = 16, parallel = 1, seed = 5,\n"
        "    sampler = { 'tpe', n_startup_trials = 6 } },\n}\n",
        search);
    run_write_script(place, text);
}

/* -1: there is no such tensor; else its last dimension. */
static int64_t width_of(const rlt_checkpoint *checkpoint, const char *name) {
    for (int i = 0; i < checkpoint->count; i++) {
        const rlt_tensor *tensor = &checkpoint->tensors[i];
        if (strcmp(tensor->name, name) == 0) {
            return tensor->shape[tensor->rank - 1];
        }
    }
    return -1;
}

static int64_t dense_width(json_t *layer) {
    bool dense = strcmp(json_string_value(json_array_get(layer, 0)), "dense") == 0;
    return dense ? json_integer_value(json_array_get(layer, 1)) : -1;
}

static void check_trial(const run_place *place, int64_t trial, json_t *params) {
    char path[256];
    rlt_checkpoint file;
    rlt_err err;
    run_newest_checkpoint(place, trial, path);
    assert_int_equal(rlt_checkpoint_read(path, NULL, &file, &err), RLT_OK);
    int64_t units = json_integer_value(json_object_get(params, "model[1].units"));
    json_t *second = json_object_get(params, "model[2]"),
           *third = json_object_get(params, "model[3]");
    bool gru = strcmp(json_string_value(json_array_get(second, 0)), "gru") == 0;
    assert_int_equal(width_of(&file, "layer.1.dense.weight"), units);
    assert_int_equal(width_of(&file, "layer.2.dense.weight"), dense_width(second));
    assert_int_equal(width_of(&file, "layer.2.gru.input_weight") > 0, gru);
    assert_int_equal(width_of(&file, "layer.3.dense.weight"), dense_width(third));
    assert_true(units > 8 || dense_width(third) < 0); /* the condition */
    rlt_checkpoint_fini(&file);
}

static void test_checkpoints_hold_what_was_chosen(void **state) {
    (void)state;
    run_place place;
    run_open(&place);
    write_search(&place);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    run_check_rows(&place, true);
    char *rows = run_sql_text(&place, "SELECT id, params_json FROM trials ORDER BY id");
    int count = 0, kinds = 0;
    for (char *line = strtok(rows, "\n"); line != NULL; line = strtok(NULL, "\n"), count++) {
        json_t *params = json_loads(strchr(line, '|') + 1, 0, NULL);
        assert_non_null(params);
        check_trial(&place, strtoll(line, NULL, 10), params);
        kinds |= strstr(line, "gru") != NULL ? 1 : 2;
        json_decref(params);
    }
    assert_int_equal(count, 16);
    assert_int_equal(kinds, 3); /* both were met */
    free(rows);
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "show", "last", "--top", "3"), 0);
    run_expect_output(&place, "model[1].activation");
    run_expect_output(&place, "model[2]");
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "show", "last", "--trial", "0"), 0);
    run_expect_output(&place, "model[1].units");
    run_forget_output(&place);
    run_expect_code(
        &place, run_command(&place, "plot", "last", "--kind", "slice", "--param", "model[2]"), 0);
    run_expect_output(&place, "model[2]");
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "importance", "last"), 0);
    run_expect_output(&place, "model[3]");
    run_forget_output(&place);
    run_expect_code(&place, run_command(&place, "eval", "last", "--episodes", "2"), 0);
    run_close(&place);
}

/* ---- killed and resumed ---- */

static char *finish(run_place *place) {
    run_check_rows(place, true);
    run_check_clean(place);
    char *rows = run_results(place);
    run_close(place);
    return rows;
}

static void test_killed_searches_ask_for_the_same_layers(void **state) {
    (void)state;
    static const char ended[] = "SELECT count(*) FROM trials WHERE state = 'completed'";
    run_place place;
    run_open(&place);
    write_search(&place);
    run_expect_code(&place, run_command(&place, "run", place.script, "--quiet"), 0);
    char *whole = finish(&place);
    run_open(&place);
    write_search(&place);
    pid_t driver = run_start(&place, "run", place.script, "--quiet");
    for (int64_t kill_at = 3; kill_at <= 12; kill_at += 3) {
        run_await_sql(&place, ended, kill_at, DEADLINE_S);
        kill(driver, SIGKILL);
        run_wait(&place, driver, DEADLINE_S);
        driver = run_start(&place, "resume", "1", "--quiet");
    }
    run_expect_code(&place, run_wait(&place, driver, DEADLINE_S), 0);
    char *pieces = finish(&place);
    run_assert_same(whole, pieces);
    free(whole);
    free(pieces);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_before_the_first_trial),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_a_late_misfit_is_a_failed_trial),
        cmocka_unit_test(test_checkpoints_hold_what_was_chosen),
        cmocka_unit_test(test_killed_searches_ask_for_the_same_layers),
    };
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
