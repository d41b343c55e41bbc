#include "tests/support/searches.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

rlt_store *searches_store;
static char folder[64], db[96];
static rlt_err err;

void searches_set_up(void) {
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.40s/rlt_searchesXXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(db, sizeof db, "%s/a.db", folder);
    assert_int_equal(setenv("RLTUNE_DB", db, 1), 0);
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
}

void searches_tear_down(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

const char *searches_folder(void) {
    return folder;
}

void searches_begin(void) {
    CHECK(rlt_store_open(db, RLT_STORE_WRITE, &searches_store, &err));
    CHECK(rlt_store_begin(searches_store, &err));
}

void searches_end(void) {
    CHECK(rlt_store_commit(searches_store, &err));
    rlt_store_close(&searches_store);
}

int64_t searches_experiment(const char *name, const char *objectives, bool maximise,
                            const char *config) {
    int64_t id = 0;
    char metric[128];
    snprintf(metric, sizeof metric, "%.*s", (int)strcspn(objectives, ","), objectives);
    rlt_experiment_row row = {.maximise = maximise,
                              .config_json = (char *)(uintptr_t)config,
                              .script = "return {}",
                              .script_path = "made.lua",
                              .facts_json = "{}"};
    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(row.metric, sizeof row.metric, "%s", metric);
    CHECK(rlt_store_experiment_create(searches_store, &row, &id, &err));
    const char *next = objectives + strlen(metric);
    for (int place = 1; *next == ','; place++) {
        snprintf(metric, sizeof metric, "%.*s", (int)strcspn(next + 1, ","), next + 1);
        CHECK(rlt_store_objective_add(searches_store, id, place, metric, maximise, &err));
        next += 1 + strlen(metric);
    }
    return id;
}

int64_t searches_trial(int64_t experiment, const made_trial *made) {
    const char *state = made->state != NULL ? made->state : "completed";
    rlt_trial_row row = {.experiment = experiment,
                         .number = made->number,
                         .seed = made->number,
                         .configuration = made->configuration,
                         .replicate = made->replicate,
                         .value = NAN,
                         .best = NAN,
                         .wall_s = NAN,
                         .params_json = (char *)(uintptr_t)made->params,
                         .config_json = "{}"};
    snprintf(row.role, sizeof row.role, "%s", made->role != NULL ? made->role : "search");
    snprintf(row.state, sizeof row.state, "pending");
    int64_t id = 0;
    CHECK(rlt_store_trial_create(searches_store, &row, &id, &err));
    rlt_trial_change change = {.trial = id,
                               .from = "pending",
                               .to = "running",
                               .reason = "started",
                               .steps = 0,
                               .value = NAN,
                               .best = NAN,
                               .wall_s = NAN};
    CHECK(rlt_store_trial_change(searches_store, &change, &err));
    if (strcmp(state, "running") != 0) {
        change = (rlt_trial_change){.trial = id,
                                    .attempt = 1,
                                    .from = "running",
                                    .to = state,
                                    .reason = "made",
                                    .steps = 10,
                                    .value = made->value,
                                    .best = made->value,
                                    .wall_s = 1,
                                    .values = made->values,
                                    .constraints = made->constraints,
                                    .value_count = made->value_count,
                                    .constraint_count = made->constraint_count};
        CHECK(rlt_store_trial_change(searches_store, &change, &err));
    }
    return id;
}

int searches_run(const char *args, rlt_buf *out) {
    char command[512], chunk[4096];
    snprintf(command, sizeof command, "%s %s 2>&1", RLT_BINARY, args);
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

void searches_expect(const char *args, int code, const char *const *parts) {
    rlt_buf out = {0};
    int got = searches_run(args, &out);
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

json_t *searches_json(const char *args) {
    rlt_buf out = {0};
    char line[512];
    snprintf(line, sizeof line, "%s --json", args);
    int code = searches_run(line, &out);
    if (code != 0) {
        fail_msg("rltune %s: exit code %d\n%s", line, code, out.data);
    }
    json_error_t error;
    json_t *value = json_loads(out.data, 0, &error);
    if (value == NULL) {
        fail_msg("rltune %s: %s in\n%s", line, error.text, out.data);
    }
    rlt_buf_fini(&out);
    return value;
}

json_t *searches_field(const json_t *object, const char *name) {
    json_t *value = json_object_get(object, name);
    if (value == NULL) {
        fail_msg("there is no field '%s'", name);
    }
    return value;
}

double searches_number(const json_t *object, const char *name) {
    const json_t *value = searches_field(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}
