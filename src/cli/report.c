/* cli, reporting: finds the experiment and loads its trials. Thread: main only. */
#include "cli/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *rlt_report_db(const rlt_cli_args *args) {
    const char *given = rlt_cli_value(args, "--db"), *set = getenv("RLTUNE_DB");
    return given != NULL ? given : set != NULL && set[0] != 0 ? set : "rltune.db";
}

typedef struct name_search {
    const char *wanted; /* NULL: whatever is newest */
    int64_t id;
    char *names[64]; /* the newest, for "did you mean" */
    size_t count;
} name_search;

static rlt_status visit_name(void *user, int columns, const char *const *names,
                             const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    name_search *search = user;
    if (search->id == 0 && (search->wanted == NULL || strcmp(values[1], search->wanted) == 0)) {
        search->id = strtoll(values[0], NULL, 10);
    }
    if (search->count < RLT_COUNT(search->names)) {
        size_t size = strlen(values[1]) + 1;
        search->names[search->count] = rlt_alloc(size);
        memcpy(search->names[search->count++], values[1], size);
    }
    return RLT_OK;
}

static rlt_status find_by_name(rlt_store *store, const char *path, const char *word, int64_t *id,
                               rlt_err *err) {
    name_search search = {.wanted = strcmp(word, "last") == 0 ? NULL : word};
    rlt_status status = rlt_store_query(store, "SELECT id, name FROM experiments ORDER BY id DESC",
                                        NULL, 0, visit_name, &search, err);
    if (status == RLT_OK && search.id == 0) {
        const char *nearest =
            rlt_str_nearest(word, (const char *const *)search.names, search.count);
        status = rlt_fail(err, RLT_ENOTFOUND,
                          "%s: no experiment '%.64s'%s%s%s; give an ID, a name or 'last'; "
                          "`rltune ls --db %s` lists what there is",
                          path, word, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                          nearest ? "'?)" : "", path);
    }
    *id = search.id;
    for (size_t i = 0; i < search.count; i++) {
        rlt_free(search.names[i]);
    }
    return status;
}

rlt_status rlt_report_find(rlt_store *store, const rlt_cli_args *args, const char *word,
                           int64_t *id, rlt_err *err) {
    if (word[0] != 0 && strspn(word, "0123456789") == strlen(word)) {
        return rlt_cli_integer(args, "ID", word, 0, INT64_MAX, id, err);
    }
    return find_by_name(store, rlt_report_db(args), word, id, err);
}

static char *copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(rlt_alloc(size), text, size);
}

/* With the newest parameters of a trial whose parameters have changed on the way; owned. */
static char *config_with(const char *config_json, const char *params_json) {
    json_t *config = rlt_report_parse(config_json), *params = rlt_report_parse(params_json), *value;
    const char *path;
    rlt_err ignored;
    json_object_foreach(params, path, value) {
        rlt_config_set_json(config, path, value, &ignored);
    }
    char *text = json_dumps(config, JSON_COMPACT), *copy = copy_text(text);
    free(text);
    json_decref(config);
    json_decref(params);
    return copy;
}

rlt_status rlt_report_texts(const rlt_report *report, const rlt_report_trial *trial,
                            rlt_trial_texts *texts, rlt_err *err) {
    RLT_TRY(rlt_store_trial_texts(report->store, trial->id, texts, err));
    if (texts->since > 0) {
        char *config = config_with(texts->config_json, texts->params_json);
        rlt_free(texts->config_json);
        texts->config_json = config;
    }
    return RLT_OK;
}

rlt_status rlt_report_params(const rlt_report *report, const rlt_report_trial *trial,
                             json_t **params, rlt_err *err) {
    rlt_trial_texts texts;
    *params = NULL;
    RLT_TRY(rlt_store_trial_texts(report->store, trial->id, &texts, err));
    *params = rlt_report_parse(texts.params_json);
    rlt_trial_texts_fini(&texts);
    return RLT_OK;
}

static rlt_status add_name(void *user, int columns, const char *const *names,
                           const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    json_object_set_new(user, values[0], json_true());
    return RLT_OK;
}

rlt_status rlt_report_param_names(const rlt_report *report, json_t **names, rlt_err *err) {
    static const char sql[] = /* no sort of all rows */
        "SELECT path FROM (SELECT p.path FROM trials t JOIN trial_params p ON p.trial = t.id WHERE "
        "t.experiment = ?1 UNION SELECT j.key FROM trials t JOIN exploits x ON x.trial = t.id, "
        "json_each(x.params_json) j WHERE t.experiment = ?1) ORDER BY path";
    *names = json_object();
    rlt_status status =
        rlt_store_query(report->store, sql, &report->experiment.id, 1, add_name, *names, err);
    if (status != RLT_OK) {
        json_decref(*names);
        *names = NULL;
    }
    return status;
}

static const char *state_of(const char *name) {
    for (int i = 0; rlt_report_states[i] != NULL; i++) {
        if (strcmp(rlt_report_states[i], name) == 0) {
            return rlt_report_states[i];
        }
    }
    return "unknown"; /* not one that the schema allows */
}

static rlt_status visit_trial(void *user, const rlt_trial_row *row, rlt_err *err) {
    (void)err;
    rlt_report *report = user;
    if (report->trial_count == report->trial_room) { /* it has come since they were counted */
        return RLT_OK;
    }
    report->trials[report->trial_count++] =
        (rlt_report_trial){.id = row->id,
                           .number = row->number,
                           .seed = row->seed,
                           .attempt = row->attempt,
                           .configuration = row->configuration,
                           .replicate = row->replicate,
                           .steps = row->steps,
                           .value = row->value,
                           .best = row->best,
                           .wall_s = row->wall_s,
                           .role = strcmp(row->role, "final") == 0 ? "final" : "search",
                           .state = state_of(row->state)};
    return RLT_OK;
}

static rlt_status note_count(void *user, int columns, const char *const *names,
                             const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    ((rlt_report *)user)->trial_room = (int)strtol(values[0], NULL, 10);
    return RLT_OK;
}

static rlt_status load_trials(rlt_report *report, rlt_err *err) {
    RLT_TRY(rlt_store_query(report->store, "SELECT count(*) FROM trials WHERE experiment = ?1",
                            &report->experiment.id, 1, note_count, report, err));
    report->trials = rlt_alloc(sizeof *report->trials * (size_t)(report->trial_room + 1));
    return rlt_store_trials(report->store, report->experiment.id, visit_trial, report, err);
}

rlt_status rlt_report_load(rlt_report *report, rlt_store *store, int64_t id, rlt_err *err) {
    report->store = store;
    RLT_TRY(rlt_store_experiment_get(store, id, &report->experiment, err));
    report->alive = rlt_store_experiment_is_owned(store, id);
    rlt_status status = load_trials(report, err);
    if (status == RLT_OK) {
        status = rlt_report_load_objectives(report, err);
    }
    if (status == RLT_OK) {
        rlt_report_rank_all(report);
    }
    return status;
}

static rlt_status load(rlt_report *report, rlt_err *err) {
    int64_t id = 0;
    report->path = rlt_report_db(&report->args);
    report->json = rlt_cli_flag(&report->args, "--json");
    RLT_TRY(rlt_store_open(report->path, RLT_STORE_READ, &report->store, err));
    RLT_TRY(rlt_report_find(report->store, &report->args, report->args.words[0], &id, err));
    return rlt_report_load(report, report->store, id, err);
}

rlt_status rlt_report_open(rlt_report *report, const char *command, int argc, char **argv,
                           rlt_err *err) {
    *report = (rlt_report){0};
    RLT_TRY(rlt_cli_parse(command, 1, 1, argc, argv, &report->args, err));
    rlt_status status = load(report, err);
    if (status != RLT_OK) {
        rlt_report_close(report);
    }
    return status;
}

void rlt_report_close(rlt_report *report) {
    rlt_free(report->trials);
    rlt_free(report->order);
    rlt_free(report->ranks);
    rlt_report_close_replicates(report);
    rlt_free(report->values);
    rlt_experiment_row_fini(&report->experiment);
    rlt_store_close(&report->store);
    *report = (rlt_report){0};
}
