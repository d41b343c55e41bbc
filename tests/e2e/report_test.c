/* The commands that read a database, through the real binary on a database that is filled here.
 * `report_test fill FILE` only fills one, to be looked at. */
#include "config/config.h"
#include "core/core.h"
#include "store/store.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CHECK(call) assert_int_equal(call, RLT_OK)

enum { TRIALS = 6, FINALS = 3, POINTS = 40 };
static char folder[64], db[96];

static void add_curve(rlt_store *store, int64_t trial, int number, int points) {
    rlt_err err;
    for (int i = 1; i <= points; i++) {
        double y = (100 + 75 * number) * (1 - exp(-i / 10.0)) + (i * 37 + number * 11) % 17;
        CHECK(rlt_store_metric(store, trial, i * 500, "eval_return", y, &err));
        CHECK(rlt_store_metric(store, trial, i * 500, "loss", 1.0 / (3 * i), &err));
    }
}

static int64_t add_trial(rlt_store *store, int64_t experiment, const char *role, int number,
                         const char *state, double value) {
    char params[160], config[200];
    rlt_err err = {0};
    snprintf(params, sizeof params,
             "{\"ppo.lr\": %.17g, \"ppo.epochs\": %d, \"model.activation\": \"%s\"}",
             1e-3 / (number + 1), 3 + number, number == 2 ? "say \\\"hi\\\", twice" : "tanh");
    snprintf(config, sizeof config, "{\"env\": \"CartPole-v1\", \"ppo\": {\"epochs\": %d}}",
             3 + number);
    rlt_trial_row row = {.experiment = experiment,
                         .number = number,
                         .seed = 100 + number,
                         .value = NAN,
                         .best = NAN,
                         .wall_s = NAN,
                         .params_json = params,
                         .config_json = config};
    snprintf(row.role, sizeof row.role, "%s", role);
    snprintf(row.state, sizeof row.state, "pending");
    int64_t id = 0;
    CHECK(rlt_store_trial_create(store, &row, &id, &err));
    rlt_trial_change change = {.trial = id,
                               .from = "pending",
                               .to = "running",
                               .reason = "started",
                               .steps = 0,
                               .value = NAN,
                               .best = NAN,
                               .wall_s = NAN};
    CHECK(rlt_store_trial_change(store, &change, &err));
    add_curve(store, id, number, strcmp(state, "stopped") == 0 ? POINTS / 4 : POINTS);
    if (strcmp(state, "running") != 0) {
        change = (rlt_trial_change){
            .trial = id,
            .attempt = 1,
            .from = "running",
            .to = state,
            .reason = strcmp(state, "failed") == 0 ? "loss is not finite\033[31m" : "as configured",
            .steps = 20000,
            .value = value,
            .best = value,
            .wall_s = 2.5};
        CHECK(rlt_store_trial_change(store, &change, &err));
    }
    return id;
}

static void fill(const char *path) {
    static const char *const states[TRIALS] = {"completed", "stopped", "completed",
                                               "completed", "failed",  "running"};
    static const double values[TRIALS] = {120.5, 60, 490.25, 300.125, NAN, NAN};
    rlt_store *store = NULL;
    rlt_err err = {0};
    int64_t experiment = 0, first = 0;
    CHECK(rlt_store_open(path, RLT_STORE_WRITE, &store, &err));
    CHECK(rlt_store_begin(store, &err));
    rlt_experiment_row row = {.name = "cartpole-ppo",
                              .metric = "eval_return",
                              .maximise = true,
                              .config_json = "{\"tune\": {\"goal\": 475}}",
                              .script = "return {}",
                              .script_path = "configs/cartpole.lua",
                              .facts_json = "{\"cores\": 2}"};
    CHECK(rlt_store_experiment_create(store, &row, &experiment, &err));
    for (int i = 0; i < TRIALS; i++) {
        int64_t id = add_trial(store, experiment, "search", i, states[i], values[i]);
        first = i == 0 ? id : first;
    }
    for (int i = 0; i < FINALS; i++) {
        add_trial(store, experiment, "final", i, "completed", 470 + 10 * i);
    }
    rlt_checkpoint_row checkpoint = {.trial = first, .attempt = 1, .step = 20000, .size = 4096};
    snprintf(checkpoint.path, sizeof checkpoint.path, "data/1/0.safetensors");
    memset(checkpoint.sha256, 'a', 64);
    CHECK(rlt_store_checkpoint_add(store, &checkpoint, &err));
    CHECK(rlt_store_decision(store, first + 1, 5000, "asha", "stop", "{\"rung\": 0}",
                             "60 is below the median of 4", &err));
    CHECK(
        rlt_store_event(store, experiment, first, "worker.restarted", "killed by signal 9", &err));
    CHECK(rlt_store_event(store, experiment, 0, "experiment.note", "a note", &err));
    CHECK(rlt_store_experiment_end(store, experiment, "completed", &err));
    snprintf(row.name, sizeof row.name, "empty");
    CHECK(rlt_store_experiment_create(store, &row, &experiment, &err));
    CHECK(rlt_store_commit(store, &err));
    rlt_store_close(&store);
}

/* Runs `rltune ARGS` on the database; out: stdout and stderr. */
static int run(const char *args, rlt_buf *out) {
    char command[512], chunk[4096];
    snprintf(command, sizeof command, "RLTUNE_DB=%s %s %s 2>&1", db, RLT_BINARY, args);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    out->size = 0;
    rlt_buf_append(out, "", 0);
    for (size_t got = fread(chunk, 1, sizeof chunk, pipe); got > 0;
         got = fread(chunk, 1, sizeof chunk, pipe)) {
        rlt_buf_append(out, chunk, got);
    }
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(const char *args, int code, const char *const *parts) {
    rlt_buf out = {0};
    int got = run(args, &out);
    if (got != code) {
        fail_msg("rltune %s: exit code %d, %d expected\n%s", args, got, code, out.data);
    }
    for (; *parts != NULL; parts++) {
        if (strstr(out.data, *parts) == NULL) {
            fail_msg("rltune %s: no '%s' in\n%s", args, *parts, out.data);
        }
    }
    rlt_buf_fini(&out);
}
#define EXPECT(args, code, ...) expect(args, code, (const char *const[]){__VA_ARGS__, NULL})

static json_t *run_json(const char *args) {
    rlt_buf out = {0};
    assert_int_equal(run(args, &out), 0);
    json_error_t error;
    json_t *value = json_loads(out.data, 0, &error);
    if (value == NULL) {
        fail_msg("rltune %s: %s in\n%s", args, error.text, out.data);
    }
    rlt_buf_fini(&out);
    return value;
}

static json_t *field(json_t *object, const char *name) {
    json_t *value = json_object_get(object, name);
    assert_non_null(value);
    return value;
}

static void test_ls(void **state) {
    (void)state;
    EXPECT("ls", 0, "id  name", "cartpole-ppo  completed",
           "6: 3 completed, 1 stopped, 1 failed, 1 running", "490.25  eval_return",
           "empty         interrupted  0");
    json_t *list = run_json("ls --json");
    assert_int_equal(json_array_size(list), 2);
    json_t *first = json_array_get(list, 0);
    assert_string_equal(json_string_value(field(first, "name")), "cartpole-ppo");
    assert_true(json_real_value(field(first, "best")) == 490.25);
    assert_int_equal(json_integer_value(field(field(first, "trials"), "completed")), 3);
    assert_true(json_is_null(field(json_array_get(list, 1), "best")));
    json_decref(list);
}

static void test_show(void **state) {
    (void)state;
    EXPECT("show 1", 0, "experiment 1  cartpole-ppo  completed", "eval_return (max)",
           "rank  trial  state        value     best  steps   time  model.activation  ppo.epochs   "
           "  ppo.lr",
           "   1      2  completed   490.25   490.25  20000  2.5 s", "say \"hi\", twice",
           "   -      4  failed", "mean 480, standard deviation 10, n = 3",
           "worker.restarted  killed by signal 9");
    EXPECT("show cartpole-ppo --top 1", 0, "   1      2  completed");
    EXPECT("show last", 0, "experiment 2  empty  interrupted");
    json_t *object = run_json("show 1 --json");
    json_t *trials = field(object, "trials");
    assert_int_equal(json_array_size(trials), TRIALS);
    json_t *best = json_array_get(trials, 0);
    assert_int_equal(json_integer_value(field(best, "number")), 2);
    assert_int_equal(json_integer_value(field(field(best, "params"), "ppo.epochs")), 5);
    assert_int_equal(json_array_size(field(object, "finals")), FINALS);
    assert_int_equal(json_array_size(field(object, "events")), 2);
    json_decref(object);
}

static void test_show_trial(void **state) {
    (void)state;
    EXPECT("show 1 --trial 0", 0, "trial 0 of experiment 1  completed", "rank 3",
           "steps     20000 in 2.5 s", "ppo.epochs", "pending  running    started",
           "data/1/0.safetensors", "environment steps", "trial 0");
    EXPECT("show 1 --trial 1", 0, "asha     stop    60 is below the median of 4");
    EXPECT("show 1 --trial 1 --why", 0, "trial 1 is stopped after",
           "stopped at 5,000 steps: 60 is below the median of 4 (asha)");
    EXPECT("show 1 --trial 0 --why", 0, "nothing was decided about it");
    EXPECT("show 1 --why", 2, "add --trial N");
    json_t *why = run_json("show 1 --trial 1 --why --json");
    json_t *decision = json_array_get(field(why, "decisions"), 0);
    assert_int_equal(json_integer_value(field(field(decision, "numbers"), "rung")), 0);
    json_decref(why);
    EXPECT("show 1 --trial 4", 0, "reason    loss is not finite?[31m"); /* no escape sequence */
    EXPECT("show 1 --final 2", 0, "final 2 of experiment 1");
    json_t *object = run_json("show 1 --trial 1 --metric loss --json");
    assert_int_equal(json_array_size(field(object, "curve")), POINTS / 4);
    assert_int_equal(json_array_size(field(object, "transitions")), 3);
    json_decref(object);
    EXPECT("show 1 --trial 6", 4, "has no search trial 6; it has 6, numbered from 0");
}

static void test_best(void **state) {
    (void)state;
    EXPECT("best 1", 0, "trial 2 of experiment 1", "eval_return 490.25 after 20000 steps",
           "mean 480, standard deviation 10 over 3 other seeds", "\"epochs\": 5");
    json_t *config = run_json("best 1 --config");
    assert_int_equal(json_integer_value(field(field(config, "ppo"), "epochs")), 5);
    json_decref(config);
    json_t *object = run_json("best 1 --json");
    assert_true(json_real_value(field(field(object, "finals"), "mean")) == 480);
    json_decref(object);
    EXPECT("best 2", 4, "none of the 0 trials of experiment 2 has a result yet");
}

static void test_plot(void **state) {
    (void)state;
    EXPECT("plot 1", 0, "cartpole-ppo (experiment 1)", "eval_return", "* trial 2", "-- goal 475");
    EXPECT("plot 1 --trials 0,1,0 --metric loss", 0, "+ trial 0  x trial 1\n");
    EXPECT("plot 1 --final", 0, "final 0");
    json_t *object = run_json("plot 1 --trials 1 --json");
    json_t *curve = json_array_get(field(object, "curves"), 0);
    assert_int_equal(json_array_size(field(curve, "points")), POINTS / 4);
    json_decref(object);
    EXPECT("plot 1 --metric eval_retrun", 4, "(did you mean 'eval_return'?)",
           "metrics of the experiment: eval_return, loss");
    EXPECT("plot 1 --trials 1,x", 2, "--trials is 'x'");
    EXPECT("plot 2", 4, "metrics of the experiment: none yet");
    char args[256], path[128], *svg = NULL;
    size_t size = 0;
    rlt_err err;
    snprintf(path, sizeof path, "%s/curves.svg", folder);
    snprintf(args, sizeof args, "plot 1 --out %s", path);
    EXPECT(args, 0, "wrote ");
    CHECK(rlt_file_read(path, 1 << 20, &svg, &size, &err));
    assert_int_equal(strncmp(svg, "<svg xmlns", 10), 0);
    rlt_free(svg);
    unlink(path);
    EXPECT("plot 1 --out /nonexistent/a.svg", 4, "/nonexistent/a.svg");
}

static void test_export(void **state) {
    (void)state;
    EXPECT("export 1", 0,
           "role,trial,rank,state,value,best,steps,wall_s,seed,attempts,reason,origin,since,"
           "model.activation,ppo.epochs,ppo.lr\r\nsearch,0,3,completed,120.5,120.5,20000,2.5,100,1,"
           "as configured,sampler,0,tanh,3,0.001\r\n",
           ",\"say \"\"hi\"\", twice\",", "search,4,,failed,,,20000");
    EXPECT("export 1 --what metrics", 0, "role,trial,metric,step,value\r\n",
           "search,0,loss,500,0.3333333333333333\r\n");
    json_t *list = run_json("export 1 --what metrics --format json");
    int points = POINTS * (TRIALS + FINALS - 1) + POINTS / 4;
    assert_int_equal(json_array_size(list), 2 * points);
    json_decref(list);
    list = run_json("export 1 --json");
    assert_int_equal(json_array_size(list), TRIALS + FINALS);
    json_decref(list);
    list = run_json("export 1 --format=json");
    assert_int_equal(json_array_size(list), TRIALS + FINALS);
    json_decref(list);
    list = run_json("export 2 --format json");
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    char args[256], path[128], *csv = NULL;
    size_t size = 0;
    rlt_err err;
    snprintf(path, sizeof path, "%s/trials.csv", folder);
    snprintf(args, sizeof args, "export 1 --out %s", path);
    EXPECT(args, 0, "wrote ");
    CHECK(rlt_file_read(path, 1 << 20, &csv, &size, &err));
    assert_int_equal(strncmp(csv, "role,trial", 10), 0);
    rlt_free(csv);
    unlink(path);
    EXPECT("export 1 --format jsn", 2, "(did you mean 'json'?); allowed: csv, json");
    EXPECT("export 1 >/dev/full", 5, "");
}

static void test_usage(void **state) {
    (void)state;
    EXPECT("show", 2, "usage: rltune show ID [OPTIONS]");
    EXPECT("show 1 2", 2, "unexpected '2'");
    EXPECT("show 1 --tirial 2", 2, "unknown option '--tirial' (did you mean '--trial'?)");
    EXPECT("show 1 --trial", 2, "--trial needs a value: --trial N");
    EXPECT("show 1 --top 0", 2, "--top is '0'; allowed: 1 to");
    EXPECT("show 1 --json=yes", 2, "--json takes no value");
    EXPECT("show 99", 4, "99");
    EXPECT("show 99999999999999999999", 2, "ID is '99999999999999999999'");
    EXPECT("show cartpole-pp", 4, "(did you mean 'cartpole-ppo'?)");
    EXPECT("ls --db /nonexistent/a.db", 4, "/nonexistent/a.db");
    EXPECT("ls --db /dev/null", 5, "/dev/null");
    EXPECT("show --help", 0, "--trial N", "options:", "examples:");
}

static void test_broken_pipe_is_quiet(void **state) {
    (void)state;
    rlt_buf out = {0};
    signal(SIGPIPE, SIG_IGN); /* as some parents leave it */
    run("export 1 --what metrics | head -n 1", &out);
    signal(SIGPIPE, SIG_DFL);
    assert_string_equal(out.data, "role,trial,metric,step,value\r\n");
    rlt_buf_fini(&out);
}

static void test_man_and_completion(void **state) {
    (void)state;
    EXPECT("man", 0, ".TH RLTUNE 1", ".SS rltune show ID [OPTIONS]", ".B \\-\\-trial \\fIN\\fR",
           ".B 130\ninterrupted");
    EXPECT("completion bash", 0, "complete -o default -F _rltune rltune", "'export --format')");
    EXPECT("completion zsh", 0, "#compdef rltune",
           "'--format[the form (default\\: csv)]:value:(csv json optuna)'");
    EXPECT("completion fish", 0, "complete -c rltune -f -n __fish_use_subcommand -a ls");
    EXPECT("completion bsh", 2, "(did you mean 'bash'?)");
    rlt_buf out = {0};
    char args[512];
    snprintf(args, sizeof args,
             "completion bash > %s/c.bash; bash -c '. %s/c.bash; COMP_WORDS=(rltune export 1 "
             "--format \"\"); COMP_CWORD=4; _rltune; echo \"${COMPREPLY[@]}\"; COMP_WORDS=(rltune "
             "sh); COMP_CWORD=1; _rltune; echo \"${COMPREPLY[@]}\"'; rm %s/c.bash",
             folder, folder, folder);
    assert_int_equal(run(args, &out), 0);
    assert_string_equal(out.data, "csv json optuna\nshow\n");
    rlt_buf_fini(&out);
}

static void test_listings(void **state) {
    (void)state;
    EXPECT("algos", 0, "ppo          ");
    EXPECT("samplers", 0, "random ", "grid ", "sobol ");
    EXPECT("stoppers", 0, "none ", "median ", "asha ", "sha ", "hyperband ");
    json_t *list = run_json("stoppers --json");
    assert_int_equal(json_array_size(list), RLT_STOPPER_COUNT);
    json_decref(list);
    EXPECT("explain", 0, "outermost table:", "  env = CartPole-v1\n", "\nppo: ", "  ppo.lr = ");
    EXPECT("explain ppo.lr", 0, "; tunable, best on a log scale; also learning_rate\n");
    EXPECT("explain learning_rate", 0, "  ppo.lr = ");
    EXPECT("explain stopper.asha", 0, "  stopper.asha.grace = ");
    EXPECT("explain ppo.epocs", 4, "no field or section 'ppo.epocs' (did you mean 'ppo.epochs'?)");
    EXPECT("explain lrr", 4, "(did you mean 'lr'?)");
    list = run_json("explain ppo.lr --json");
    json_t *lr = json_array_get(list, 0);
    assert_true(json_is_true(field(lr, "tunable")));
    assert_string_equal(json_string_value(json_array_get(field(lr, "aliases"), 0)),
                        "learning_rate");
    json_decref(list);
}

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rlt_report_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(db, sizeof db, "%s/a.db", folder);
    fill(db);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "fill") == 0) {
        fill(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ls),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_show_trial),
        cmocka_unit_test(test_best),
        cmocka_unit_test(test_plot),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_broken_pipe_is_quiet),
        cmocka_unit_test(test_man_and_completion),
        cmocka_unit_test(test_listings),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
