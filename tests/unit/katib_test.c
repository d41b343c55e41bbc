/* exchange: Katib Experiments: what becomes of every part, what is noted, what is refused with its
 * line; texts that are no Experiment. */
#include "core/core.h"
#include "exchange/katib_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nmetadata: {name: e}\nspec:\n"
#define OBJECTIVE "  objective: {type: maximize, objectiveMetricName: acc}\n"
#define ALGORITHM "  algorithm: {algorithmName: random}\n"
#define DOUBLE(name) "{name: " name ", parameterType: double, feasibleSpace: {min: '0', max: '1'}}"
#define PARAMETERS "  parameters: [" DOUBLE("lr") "]\n"
#define TEMPLATE                                                                                   \
    "  trialTemplate: {trialSpec: {spec: {containers: [{command: [a, "                             \
    "'${trialParameters.lr}']}]}}}\n"

static rlt_status convert(const char *text, rlt_buf *lua, rlt_buf *notes, rlt_err *err) {
    rlt_notes list = {0};
    rlt_status status = rlt_katib_convert(text, strlen(text), "e.yaml", &list, lua, err);
    rlt_notes_write(&list, "e.yaml", "", notes);
    rlt_notes_fini(&list);
    return status;
}

static void check_holds(const char *text, const char *part) {
    if (strstr(text != NULL ? text : "", part) == NULL) {
        fail_msg("no '%s' in:\n%s", part, text != NULL ? text : "");
    }
}

/* What the script holds; NULL-terminated. */
static void expect(const char *text, const char *const *parts) {
    rlt_buf lua = {0}, notes = {0};
    rlt_err err = {0};
    if (convert(text, &lua, &notes, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    for (; *parts != NULL; parts++) {
        check_holds(lua.data, *parts);
    }
    rlt_buf_fini(&lua);
    rlt_buf_fini(&notes);
}
#define EXPECT(text, ...) expect(text, (const char *const[]){__VA_ARGS__, NULL})

static void refuse(const char *text, rlt_status code, const char *part) {
    rlt_buf lua = {0}, notes = {0};
    rlt_err err = {0};
    assert_int_equal(convert(text, &lua, &notes, &err), code);
    check_holds(err.message, part);
    assert_int_equal(lua.size, 0);
    rlt_buf_fini(&lua);
    rlt_buf_fini(&notes);
}

static void note(const char *text, const char *part) {
    rlt_buf lua = {0}, notes = {0};
    rlt_err err = {0};
    if (convert(text, &lua, &notes, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    check_holds(notes.data, part);
    check_holds(lua.data, part); /* as a comment */
    rlt_buf_fini(&lua);
    rlt_buf_fini(&notes);
}

#define WITH_PARAMETER(text)                                                                       \
    HEAD OBJECTIVE ALGORITHM TEMPLATE "  parameters: [" DOUBLE("lr") ", " text "]\n"
#define PARAMETER(type, space) "{name: p, parameterType: " type ", feasibleSpace: {" space "}}"

static void test_parameters(void **state) {
    (void)state;
    EXPECT(WITH_PARAMETER(PARAMETER("double", "min: '0.5', max: '2'")),
           "lr = space.uniform(0.0, 1.0)", "p = space.uniform(0.5, 2.0)");
    EXPECT(WITH_PARAMETER(PARAMETER("double", "min: 1e-4, max: 1, distribution: logUniform")),
           "p = space.loguniform(0.0001, 1.0)");
    EXPECT(WITH_PARAMETER(PARAMETER("double", "min: '0', max: '1.1', step: '0.25'")),
           "p = space.quniform(0.0, 1.0, 0.25)");
    EXPECT(WITH_PARAMETER(PARAMETER("double", "min: '0', max: '6', distribution: normal")),
           "p = space.normal(3.0, 1.0, 0.0, 6.0)");
    EXPECT(WITH_PARAMETER(PARAMETER("int", "min: '1', max: '8'")), "p = space.randint(1, 8)");
    EXPECT(WITH_PARAMETER(PARAMETER("int", "min: '1', max: '64', distribution: logUniform")),
           "p = space.lograndint(1, 64)");
    EXPECT(WITH_PARAMETER(PARAMETER("int", "min: '2', max: '9', step: '3'")),
           "p = space.choice{ 2, 5, 8 }");
    EXPECT(WITH_PARAMETER(PARAMETER("int", "min: '4', max: '4'")), "p = space.fixed(4)");
    EXPECT(WITH_PARAMETER(PARAMETER("discrete", "list: ['1', '2.5']")),
           "p = space.choice{ 1, 2.5 }");
    EXPECT(WITH_PARAMETER(PARAMETER("categorical", "list: ['1', \"a\\\"b\"]")),
           "p = space.choice{ \"1\", \"a\\\"b\" }");
    note(WITH_PARAMETER(PARAMETER("double", "min: '1', max: '2', distribution: logNormal")),
         "logNormal is taken as logUniform");
    note(WITH_PARAMETER("{name: a.b, parameterType: categorical, feasibleSpace: {list: [x, y]}}"),
         "'a.b' is called 'a_b'");
}

static void test_parameters_that_are_wrong(void **state) {
    (void)state;
    refuse(WITH_PARAMETER(PARAMETER("double", "min: '2', max: '1'")), RLT_ECONFIG, "min not above");
    refuse(WITH_PARAMETER(PARAMETER("double", "min: a, max: '1'")), RLT_ECONFIG, "e.yaml:8: p: ");
    refuse(WITH_PARAMETER(PARAMETER("double", "min: nan, max: '1'")), RLT_ECONFIG, "needs numbers");
    refuse(WITH_PARAMETER(PARAMETER("double", "min: '0', max: '1', distribution: logUniform")),
           RLT_ECONFIG, "min must be above 0");
    refuse(WITH_PARAMETER(PARAMETER("double", "min: '0', max: '1', distribution: odd")),
           RLT_ECONFIG, "distribution 'odd' is none of");
    refuse(WITH_PARAMETER(PARAMETER("float", "min: '0', max: '1'")), RLT_ECONFIG,
           "parameterType 'float'");
    refuse(WITH_PARAMETER(PARAMETER("discrete", "list: [a]")), RLT_ECONFIG, "a number is expected");
    refuse(WITH_PARAMETER(PARAMETER("categorical", "list: []")), RLT_ECONFIG, "list of 1 to");
    refuse(WITH_PARAMETER(DOUBLE("lr")), RLT_ECONFIG, "two parameters 'lr'");
    refuse(HEAD OBJECTIVE ALGORITHM TEMPLATE, RLT_ECONFIG, "spec.parameters");
}

#define WITH_ALGORITHM(text)                                                                       \
    HEAD OBJECTIVE PARAMETERS TEMPLATE "  algorithm: {algorithmName: " text "}\n"
#define SETTING(name, value) ", algorithmSettings: [{name: " name ", value: '" value "'}]"

static void test_algorithms(void **state) {
    (void)state;
    static const char *const same[] = {"random", "grid", "sobol", "cmaes"};
    for (size_t i = 0; i < RLT_COUNT(same); i++) {
        char text[1000], part[60];
        snprintf(text, sizeof text, WITH_ALGORITHM("%s"), same[i]);
        snprintf(part, sizeof part, "name = \"%s\"", same[i]);
        EXPECT(text, part);
    }
    EXPECT(WITH_ALGORITHM("bayesianoptimization" SETTING("n_initial_points", "7")),
           "sampler = { n_startup_trials = 7, name = \"gp\" }");
    EXPECT(WITH_ALGORITHM("tpe" SETTING("random_state", "42")), "seed = 42",
           "multivariate = false");
    EXPECT(WITH_ALGORITHM("multivariate-tpe"), "multivariate = true");
    EXPECT(WITH_ALGORITHM("cmaes" SETTING("restart_strategy", "ipop")), "restart = \"ipop\"");
    EXPECT(WITH_ALGORITHM("hyperband, algorithmSettings: [{name: eta, value: '4'}, {name: r_l, "
                          "value: '81'}]"),
           "stopper = { reduction = 4, max_steps = 81, name = \"hyperband\" }",
           "stop = { steps = 81 }");
    note(WITH_ALGORITHM("random" SETTING("odd", "1")), "algorithmSettings.odd of random");
    EXPECT(WITH_ALGORITHM("tpe" SETTING("n_EI_candidates", "32")), "n_ei_candidates = 32");
    note(WITH_ALGORITHM("bayesianoptimization" SETTING("acq_func", "EI")),
         "algorithmSettings.acq_func of bayesianoptimization");
    refuse(WITH_ALGORITHM("tpf"), RLT_ECONFIG, "did you mean 'tpe'");
    refuse(WITH_ALGORITHM("darts"), RLT_ENOTSUP, "oneshot");
    refuse(WITH_ALGORITHM("hyperband"), RLT_ECONFIG, "needs algorithmSettings r_l");
    refuse(WITH_ALGORITHM("enas"), RLT_ECONFIG, "numLayers from 1 to 30");
    EXPECT(HEAD OBJECTIVE TEMPLATE "  parameters: [" DOUBLE(
               "lr") ", {name: epochs, parameterType: int, feasibleSpace: "
                     "{min: '1', max: '3'}}]\n  algorithm: {algorithmName: hyperband, "
                     "algorithmSettings: "
                     "[{name: r_l, value: '27'}, {name: resource_name, value: epochs}]}\n",
           "epochs = space.fixed(27)", "lr = space.uniform");
}

#define PBT(more)                                                                                  \
    HEAD OBJECTIVE PARAMETERS                                                                      \
        "  algorithm: {algorithmName: pbt, algorithmSettings: [{name: suggestion_trial_dir, "      \
        "value: /saved/}, {name: n_population, value: '8'}" more "]}\n"                            \
        "  trialTemplate: {trialSpec: {containers: [{command: [a, '--at=/saved/x', /saved, "       \
        "/savedx]}]}}\n"

static void test_populations(void **state) {
    (void)state;
    EXPECT(PBT(", {name: truncation_threshold, value: '0.2'}") "  maxTrialCount: 33\n",
           "trials = 8", "checkpoint = true", "quantile_fraction = 0.2",
           "resample_probability = 0.0", "synch = true", "interval = 1", "stop = { steps = 4 }",
           "\"trap '' TERM; exec", "\"--at={checkpoint}/x\"", "\"{checkpoint}\"", "\"/savedx\"");
    EXPECT(PBT(", {name: resample_probability, value: '0.3'}"), "resample_probability = 0.3",
           "stop = { steps = 10 }");
    note(PBT("") "  maxTrialCount: 9\n", "less than two generations");
    note(PBT(", {name: truncation_threshold, value: '0.8'}"), "is taken as 0.5");
    note(WITH_ALGORITHM("pbt" SETTING("suggestion_trial_dir", "/saved")),
         "/saved does not occur in the command");
}

#define ENAS(layers, values)                                                                       \
    HEAD OBJECTIVE "  algorithm: {algorithmName: enas}\n  nasConfig: {graphConfig: {numLayers: "   \
                   "'" layers "', inputSizes: [4], outputSizes: [2]}, operations: "                \
                   "[{operationType: conv, parameters: [{name: size, parameterType: categorical, " \
                   "feasibleSpace: {list: ['3', '5']}}, {name: n, parameterType: int, "            \
                   "feasibleSpace: {" values "}}]}]}\n"                                            \
                   "  trialTemplate: {trialSpec: {containers: [{command: [a, "                     \
                   "'${trialParameters.architecture}', '${trialParameters.nn_config}']}]}}\n"

static void test_networks(void **state) {
    (void)state;
    EXPECT(ENAS("2", "min: '1', max: '2'"), "name = \"evolution\"",
           "\"[[{layer_1}], [{layer_2}, {skip_2_1}]]\"", "layer_1 = space.choice{ 0, 1, 2, 3 }",
           "skip_2_1 = space.choice{ 0, 1 }", "{{'num_layers': 2, 'input_sizes': [4]",
           "'2': {{'opt_id': 2, 'opt_type': 'conv', 'opt_params': {{'size': '5', 'n': 1}}");
    refuse(ENAS("2", "min: '1', max: '900'"), RLT_ECONFIG, "1 to 100 values");
    refuse(ENAS("2", "list: []"), RLT_ECONFIG, "1 to 100 values");
    refuse(ENAS("2", "min: '2', max: '1'"), RLT_ECONFIG, "1 to 100 values");
    refuse(ENAS("99", "min: '1', max: '2'"), RLT_ECONFIG, "numLayers");
}

/* ---- filters ---- */

static void expect_filter(const char *filter, const char *metric, const char *expected) {
    rlt_buf text = {0};
    const char *why;
    if (!rlt_katib_filter(filter, metric, &text, &why)) {
        fail_msg("%s is refused: %s", filter, why != NULL ? why : "the name does not fit");
    }
    assert_string_equal(text.data, expected);
    rlt_buf_fini(&text);
}

static void refuse_filter(const char *filter, const char *part) {
    rlt_buf text = {0};
    const char *why;
    assert_false(rlt_katib_filter(filter, "loss", &text, &why));
    check_holds(why, part);
    assert_int_equal(text.size, 0);
    rlt_buf_fini(&text);
}

static void test_filters(void **state) {
    (void)state;
    expect_filter("([\\w|-]+)\\s*=\\s*((-?\\d+)(\\.\\d+)?)", "val-loss",
                  "(^|[^A-Za-z0-9_|-])val-loss[[:space:]]*=[[:space:]]*((-?[0-9]+)(\\.[0-9]+)?)");
    expect_filter("{n: ([a-z.]+), v: ([^,\\]]{2,3})}", "a.b", "\\{n: a\\.b, v: ([^],]{2,3})\\}");
    expect_filter("(?P<name>loss|acc):(?P<value>.+)\\t$", "acc", "acc:(.+)\t$");
    expect_filter("^x (.*) (\\S+) (?:a|b)", "loss", "^x loss ([^[:space:]]+) (a|b)");
    refuse_filter("(\\w+)=(\\d+?)", "as little as it can");
    refuse_filter("\\w+=(\\d+)", "no group for the name");
    refuse_filter("(\\w+)=\\d+", "no group for the name");
    refuse_filter("((\\w)+)=(\\d+)", "inside or before");
    refuse_filter("(?:a)(\\w+)=(\\d+)", "inside or before");
    refuse_filter("a|(\\w+)=(\\d+)", "a choice outside");
    refuse_filter("(\\w+)=(?i)(\\d+)", "inside or before");
    refuse_filter("(\\w+)=(\\d+)(?i)", "group with options");
    refuse_filter("(\\w+)=(\\pL)", "an escape");
    refuse_filter("(\\w+)=([[:alpha:]])", "a named class");
    refuse_filter("(\\w+)=([a", "does not end");
    refuse_filter("(\\w+)=(a", "no regular expression");
    rlt_buf text = {0};
    const char *why = "";
    assert_false(rlt_katib_filter("(acc)=(\\d+)", "loss", &text, &why));
    assert_null(why);
    rlt_buf_fini(&text);
}

#define WITH_COLLECTOR(text)                                                                       \
    HEAD OBJECTIVE ALGORITHM PARAMETERS                                                            \
        "  trialTemplate: {trialSpec: {containers: [{command: [a, /logs/m.log]}]}}\n"              \
        "  metricsCollectorSpec: {" text "}\n"

static void test_collectors(void **state) {
    (void)state;
    EXPECT(WITH_COLLECTOR("collector: {kind: File}, source: {fileSystemPath: {path: /logs/m.log}, "
                          "filter: {metricsFormat: ['(lr)=(.*)', '(\\w+) is (\\S+)']}}"),
           "acc = \"(^|[^A-Za-z0-9_])acc is ([^[:space:]]+)\"", "\"/dev/stdout\"");
    EXPECT(WITH_COLLECTOR("collector: {kind: File}, source: {fileSystemPath: {path: /logs/m.log, "
                          "format: JSON}}"),
           "json = false", "\\\"acc\\\" *: *\\\"?(", "\"/dev/stdout\"");
    note(WITH_COLLECTOR("source: {filter: {metricsFormat: ['(a)=(.*)']}}"),
         "no filter can find acc");
    note(WITH_COLLECTOR("source: {filter: {metricsFormat: ['(\\w+)=(.*?)']}}"),
         "takes as little as it can");
    note(WITH_COLLECTOR("source: {filter: {metricsFormat: ['(\\w+)=(.)', '(\\w+)=(.*)']}}"),
         "by the first filter that fits");
    note(WITH_COLLECTOR("collector: {kind: File}"),
         "/var/log/katib/metrics.log does not occur in the command");
    note(WITH_COLLECTOR("collector: {kind: None}"), "nothing would be collected");
    note(WITH_COLLECTOR("collector: {kind: Custom}"), "does not run");
    note(WITH_COLLECTOR("collector: {kind: Push}"), "report_metrics()");
    EXPECT(HEAD ALGORITHM PARAMETERS
           "  objective: {type: maximize, objectiveMetricName: test/acc}\n"
           "  trialTemplate: {trialSpec: {containers: [{command: "
           "[a, /logs/]}]}}\n"
           "  metricsCollectorSpec: {collector: {kind: TensorFlowEvent}, "
           "source: {fileSystemPath: {path: /logs}}}\n",
           "metric = \"acc\"", "tensorboard = \"{checkpoint}/events/test\"",
           "\"{checkpoint}/events/\"", "checkpoint = true");
}

static void test_search(void **state) {
    (void)state;
    EXPECT(HEAD ALGORITHM PARAMETERS TEMPLATE
           "  objective: {type: minimize, goal: 0.1, objectiveMetricName: 'val.loss', "
           "additionalMetricNames: [acc]}\n  parallelTrialCount: 3\n  maxTrialCount: 12\n"
           "  maxFailedTrialCount: 2\n",
           "metric = \"val.loss\"", "mode = \"min\"", "goal = 0.1", "parallel = 3", "trials = 12",
           "max_failed = 2", "val\\\\.loss *= *(", "acc = ");
    EXPECT(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE, "parallel = 3", "(^|[^A-Za-z0-9_|-])acc");
    note(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE "  maxFailedTrialCount: 0\n",
         "maxFailedTrialCount: 0");
    note(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE, "without maxTrialCount");
    EXPECT(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE
           "  earlyStopping: {algorithmName: medianstop, algorithmSettings: [{name: "
           "min_trials_required, value: '2'}, {name: start_step, value: '5'}]}\n",
           "startup_trials = 2", "grace = 5", "name = \"median\"", "stop = { steps = 1000 }");
    refuse(HEAD ALGORITHM PARAMETERS TEMPLATE "  objective: {type: best}\n", RLT_ECONFIG,
           "none of minimize, maximize");
    refuse(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE "  maxTrialCount: many\n", RLT_ECONFIG,
           "e.yaml:9: spec.maxTrialCount");
    refuse(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE "  maxTrialCount: -1\n", RLT_ECONFIG,
           "from 0 to");
    note(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE "  resumePolicy: Never\n",
         "e.yaml:9: spec.resumePolicy");
    note(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE
         "  metricsCollectorSpec: {collector: {kind: PrometheusMetric}}\n",
         "metrics of an HTTP endpoint are not read");
    EXPECT(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE
           "  metricsCollectorSpec: {collector: {kind: TensorFlowEvent}, source: {fileSystemPath: "
           "{path: /train}}}\n",
           "tensorboard = \"{checkpoint}/events\"");
}

static void test_trials(void **state) {
    (void)state;
    EXPECT(HEAD OBJECTIVE ALGORITHM PARAMETERS
           "  trialTemplate:\n    primaryContainerName: main\n    trialParameters: [{name: rate, "
           "reference: lr}]\n    trialSpec: {spec: {template: {spec: {containers: [{name: side, "
           "command: [no]}, {name: main, command: [python, '-c', 'f({1})'], args: "
           "['--lr=${trialParameters.rate}'], env: [{name: RATE, value: "
           "'${trialParameters.lr}'}]}]}}}}\n",
           "argv = { \"python\", \"-c\", \"f({{1})\", \"--lr={lr}\" }", "env = { RATE = \"{lr}\" }",
           "only the primary container is run");
    note(HEAD OBJECTIVE ALGORITHM PARAMETERS, "names no command");
    EXPECT(
        HEAD OBJECTIVE ALGORITHM PARAMETERS
        "  trialTemplate:\n    primaryContainerName: main\n    trialParameters: [{name: id, "
        "reference: '${trialSpec.Name}'}, {name: l, reference: '${trialSpec.Labels[a]}'}]\n"
        "    trialSpec: {metadata: {labels: {a: b}}, spec: {specs: {Worker: {containers: [{name: "
        "other, command: [no]}]}, Master: {containers: [{name: main, command: "
        "['${trialParameters.id}', '${trialParameters.l}']}]}}}}\n",
        "argv = { \"e-{trial}\", \"b\" }", "a job of 2 groups of containers");
    EXPECT(HEAD OBJECTIVE ALGORITHM PARAMETERS
           "  trialTemplate: {trialSpec: {kind: TrainJob, spec: {trainer: {command: [a, "
           "'${trialParameters.lr}']}}}}\n",
           "argv = { \"a\", \"{lr}\" }");
    EXPECT(HEAD OBJECTIVE ALGORITHM PARAMETERS
           "  trialTemplate: {trialSpec: {containers: [{args: ['--lr=${trialParameters.lr}']}]}}\n",
           "argv = { \"program-of-the-image\", \"--lr={lr}\" }", "the container has args only");
    note(HEAD OBJECTIVE ALGORITHM PARAMETERS "  trialTemplate: {configMap: {configMapName: a}}\n",
         "it is in a ConfigMap");
    refuse(HEAD OBJECTIVE ALGORITHM PARAMETERS
           "  trialTemplate: {trialSpec: {containers: [{command: ['${trialParameters.no}']}]}}\n",
           RLT_ECONFIG, "${trialParameters.no}");
    refuse(HEAD OBJECTIVE ALGORITHM PARAMETERS
           "  trialTemplate: {trialSpec: {containers: [{command: [[a]]}]}}\n",
           RLT_ECONFIG, "a text is expected");
}

static void test_other_texts(void **state) {
    (void)state;
    refuse("", RLT_ECONFIG, "is empty");
    refuse("a: [", RLT_ECONFIG, "e.yaml:");
    refuse("just text", RLT_ECONFIG, "no Katib Experiment");
    refuse("apiVersion: v1\nkind: Pod\n", RLT_ECONFIG, "not 'v1' and 'Pod'");
    refuse(HEAD "  a: 1\n---\nb: 2\n", RLT_ENOTSUP, "e.yaml:7: a second document");
    refuse("apiVersion: kubeflow.org/v1beta1\nkind: Experiment\n", RLT_ECONFIG,
           "spec: is expected");
    note(HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE "  nasConfig: {}\n", "of no use to random");
    /* a node that holds itself, and ten names for ten names for ... */
    note(HEAD OBJECTIVE ALGORITHM PARAMETERS "  trialTemplate: {trialSpec: &a {spec: *a}}\n",
         "names no command");
    rlt_buf deep = {0};
    rlt_buf_printf(&deep, "%s", HEAD OBJECTIVE ALGORITHM PARAMETERS "  trialTemplate:\n");
    rlt_buf_printf(&deep, "    x0: &x0 {a: 1}\n");
    for (int i = 1; i < 10; i++) {
        rlt_buf_printf(&deep, "    x%d: &x%d {", i, i);
        for (int j = 0; j < 10; j++) {
            rlt_buf_printf(&deep, "%sk%d: *x%d", j > 0 ? ", " : "", j, i - 1);
        }
        rlt_buf_printf(&deep, "}\n");
    }
    rlt_buf_printf(&deep, "    trialSpec: *x9\n");
    note(deep.data, "names no command");
    rlt_buf_fini(&deep);
    rlt_buf nested = {0};
    for (int i = 0; i < 5000; i++) {
        rlt_buf_printf(&nested, "[");
    }
    refuse(nested.data, RLT_ECONFIG, "e.yaml:");
    rlt_buf_fini(&nested);
}

/* Every text that is cut off somewhere is taken or refused, never a crash. */
static void test_cut_texts(void **state) {
    (void)state;
    static const char whole[] = HEAD OBJECTIVE ALGORITHM PARAMETERS TEMPLATE
        "  earlyStopping: {algorithmName: medianstop}\n  maxTrialCount: 4\n";
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        rlt_notes notes = {0};
        rlt_buf lua = {0};
        rlt_err err = {0};
        char *text = malloc(size + 1);
        memcpy(text, whole, size);
        text[size] = 0;
        rlt_status status = rlt_katib_convert(text, size, "e.yaml", &notes, &lua, &err);
        assert_true(status == RLT_OK || strncmp(err.message, "e.yaml", 6) == 0);
        rlt_notes_fini(&notes);
        rlt_buf_fini(&lua);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters), cmocka_unit_test(test_parameters_that_are_wrong),
        cmocka_unit_test(test_algorithms), cmocka_unit_test(test_search),
        cmocka_unit_test(test_trials),     cmocka_unit_test(test_other_texts),
        cmocka_unit_test(test_cut_texts),  cmocka_unit_test(test_populations),
        cmocka_unit_test(test_networks),   cmocka_unit_test(test_filters),
        cmocka_unit_test(test_collectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
