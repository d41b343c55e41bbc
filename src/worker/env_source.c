/* worker: the environment that a configuration names. Thread: the caller's. Owner: the caller. */
#include "worker/worker.h"

#include <string.h>

rlt_status rlt_run_config_parse(const char *text, rlt_run_config *config, rlt_err *err) {
    json_error_t where;
    json_t *raw = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (raw == NULL) {
        return rlt_fail(err, RLT_EPROTO, "the configuration is no JSON: %s", where.text);
    }
    rlt_status status = rlt_run_config_load(raw, config, err);
    json_decref(raw);
    return status;
}

rlt_status rlt_env_source_open(const rlt_run_config *config, const char *script,
                               const char *script_name, const rlt_env_def *const *table,
                               rlt_env_source *source, rlt_err *err) {
    *source = (rlt_env_source){0};
    if (!config->lua_env) {
        return rlt_env_find(table, config->env, &source->def, err);
    }
    RLT_TRY(rlt_script_create(script, strlen(script), script_name, NULL, &source->script, err));
    source->def = rlt_script_env(source->script);
    if (source->def == NULL) {
        rlt_env_source_close(source);
        return rlt_fail(err, RLT_ECONFIG, "%s: the script defines no environment", script_name);
    }
    return RLT_OK;
}

void rlt_env_source_close(rlt_env_source *source) {
    rlt_script_destroy(&source->script);
    *source = (rlt_env_source){0};
}
