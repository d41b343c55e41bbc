/* cli: a trained policy. The script of a custom environment comes from the experiment's row; a
 * checkpoint's file alone serves built-in environments. Thread: main only. */
#include "cli/model.h"
#include "cli/report.h"
#include "driver/driver.h"
#include "envs/envs.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct origin { /* of a model in a database */
    char sha256[RLT_SHA256_HEX];
    char *script, *script_name;
} origin;

/* "WORD" or "WORD:TRIAL"; args: experiment and trial; *one: there is a trial. */
static rlt_status read_name(rlt_store *store, const char *name, const rlt_cli_args *cli,
                            int64_t args[2], bool *one, rlt_err *err) {
    char word[128];
    const char *colon = strrchr(name, ':');
    *one = colon != NULL;
    snprintf(word, sizeof(word), "%.*s", (int)(colon != NULL ? colon - name : 127), name);
    if (colon != NULL) {
        RLT_TRY(rlt_cli_integer(cli, "TRIAL", colon + 1, 0, INT64_MAX, &args[1], err));
    }
    return rlt_report_find(store, cli, word, &args[0], err);
}

static rlt_status find_row(rlt_store *store, const char *name, const rlt_cli_args *cli,
                           rlt_model *model, origin *from, rlt_err *err) {
    int64_t args[2] = {0};
    bool one = false;
    const char *db = rlt_report_db(cli);
    RLT_TRY(read_name(store, name, cli, args, &one, err));
    rlt_experiment_row row;
    char path[512];
    rlt_err why = {0};
    RLT_TRY(rlt_store_experiment_get(store, args[0], &row, err));
    from->script = strdup(row.script != NULL ? row.script : "");
    from->script_name = strdup(row.script_path != NULL ? row.script_path : "script");
    rlt_experiment_row_fini(&row);
    rlt_status status =
        rlt_driver_find_checkpoint(store, args[0], one ? args[1] : -1, path, from->sha256, &why);
    if (status != RLT_OK) {
        return rlt_fail(err, status, "%s: no checkpoint of '%s': %.300s", db, name, why.message);
    }
    RLT_TRY(rlt_driver_checkpoint_path(db, path, model->path, sizeof(model->path), err));
    if (access(model->path, R_OK) != 0) {
        return rlt_fail(
            err, RLT_ENOTFOUND,
            "%s: the checkpoint of '%s' cannot be read: %s; checkpoints lie in the folder "
            "%s-checkpoints and move with the database",
            model->path, name, strerror(errno), db);
    }
    return RLT_OK;
}

static bool is_file(const char *name) {
    const char *dot = strrchr(name, '.');
    return strchr(name, '/') != NULL || (dot != NULL && strcmp(dot, ".safetensors") == 0);
}

static rlt_status locate(const char *name, const rlt_cli_args *cli, rlt_model *model, origin *from,
                         rlt_err *err) {
    if (is_file(name)) {
        snprintf(model->path, sizeof(model->path), "%s", name);
        return RLT_OK;
    }
    rlt_store *store = NULL;
    RLT_TRY(rlt_store_open(rlt_report_db(cli), RLT_STORE_READ, &store, err));
    rlt_status status = find_row(store, name, cli, model, from, err);
    rlt_store_close(&store);
    return status;
}

static rlt_status load(rlt_model *model, const origin *from, rlt_err *err) {
    RLT_TRY(rlt_checkpoint_read(model->path, from->sha256[0] != '\0' ? from->sha256 : NULL,
                                &model->checkpoint, err));
    const char *config = rlt_checkpoint_metadata(&model->checkpoint, "config");
    const char *steps = rlt_checkpoint_metadata(&model->checkpoint, "steps");
    if (config == NULL) {
        return rlt_fail(err, RLT_ECORRUPT, "%s: no rltune checkpoint, its metadata has no config",
                        model->path);
    }
    model->steps = steps != NULL ? strtoll(steps, NULL, 10) : 0;
    RLT_TRY(rlt_run_config_parse(config, &model->config, err));
    if (model->config.lua_env && from->script == NULL) {
        return rlt_fail(err, RLT_ENOTFOUND,
                        "%s: its environment '%s' is defined by a script; name the experiment "
                        "instead of the file",
                        model->path, model->config.env);
    }
    RLT_TRY(rlt_env_source_open(&model->config, from->script, from->script_name, rlt_envs,
                                &model->env, err));
    RLT_TRY(rlt_policy_spec_make(&model->config, model->env.def, &model->spec, err));
    RLT_TRY(rlt_policy_load(&model->checkpoint, &model->spec, &model->block, err));
    model->weights = rlt_weights_bind(&model->spec, model->block);
    return RLT_OK;
}

rlt_status rlt_model_open(const char *name, const rlt_cli_args *args, rlt_model *model,
                          rlt_err *err) {
    *model = (rlt_model){0};
    origin from = {0};
    rlt_status status = locate(name, args, model, &from, err);
    if (status == RLT_OK) {
        status = load(model, &from, err);
    }
    free(from.script);
    free(from.script_name);
    if (status != RLT_OK) {
        rlt_model_close(model);
    }
    return status;
}

void rlt_model_close(rlt_model *model) {
    rlt_checkpoint_fini(&model->checkpoint);
    rlt_env_source_close(&model->env);
    rlt_free(model->block);
    *model = (rlt_model){0};
}
