/* driver: how the program of a trial is started: folder, arguments, environment, input.
 * Thread: the driver's. Owner: the driver. */
#include "driver/wire.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct program_task {
    const rlt_objective_fields *fields;
    const json_t *objective; /* of run */
    json_t *run, *values;    /* owned: the trial's configuration, the texts of {names} */
    rlt_program_paths paths;
    char *line; /* a function's task, owned */
    rlt_texts argv, environment;
    rlt_buf where, tensorboard;
} program_task;

static void task_fini(program_task *task) {
    json_decref(task->run);
    json_decref(task->values);
    free(task->line);
    rlt_texts_fini(&task->argv);
    rlt_texts_fini(&task->environment);
    rlt_buf_fini(&task->where);
    rlt_buf_fini(&task->tensorboard);
}

static void set_integer(json_t *values, const char *name, int64_t x) {
    json_object_set_new(values, name, json_sprintf("%lld", (long long)x));
}

/* What {name} may be; the user's own names win. */
static json_t *make_values(const json_t *run, const program_task *task, int64_t trial,
                           int64_t attempt) {
    json_t *values = json_object(), *value;
    const char *name;
    set_integer(values, "trial", trial);
    set_integer(values, "attempt", attempt);
    set_integer(values, "seed", json_integer_value(json_object_get(run, "seed")));
    json_object_set_new(values, "params_file", json_string(task->paths.params));
    json_object_set_new(values, "checkpoint", json_string(task->paths.checkpoint));
    json_object_foreach(json_object_get(run, "params"), name, value) {
        json_object_set_new(values, name, rlt_driver_value_text(value));
    }
    return values;
}

/* ---- arguments and environment ---- */

static rlt_status add_filled(rlt_texts *texts, const char *prefix, const char *field,
                             const char *text, const json_t *values, rlt_err *err) {
    rlt_buf filled = {0};
    rlt_buf_printf(&filled, "%s", prefix);
    rlt_status status = rlt_driver_fill(field, text, values, &filled, err);
    if (status == RLT_OK) {
        rlt_texts_add(texts, strdup(filled.data));
    }
    rlt_buf_fini(&filled);
    return status;
}

static rlt_status fill_argv(program_task *task, rlt_err *err) {
    size_t i;
    json_t *text;
    json_array_foreach(json_object_get(task->objective, "argv"), i, text) {
        RLT_TRY(add_filled(&task->argv, "", "objective.argv", json_string_value(text), task->values,
                           err));
    }
    return RLT_OK;
}

static rlt_status fill_environment(program_task *task, rlt_err *err) {
    const char *name;
    json_t *text;
    char prefix[256];
    json_object_foreach(json_object_get(task->objective, "env"), name, text) {
        if (*name == 0 || strchr(name, '=') != NULL || strlen(name) + 2 > sizeof prefix) {
            return rlt_fail(err, RLT_ECONFIG,
                            "objective.env: '%.60s' is no name for an environment variable", name);
        }
        snprintf(prefix, sizeof prefix, "%s=", name);
        RLT_TRY(add_filled(&task->environment, prefix, "objective.env", json_string_value(text),
                           task->values, err));
    }
    return RLT_OK;
}

static rlt_status fill_texts(program_task *task, rlt_err *err) {
    RLT_TRY(fill_argv(task, err));
    RLT_TRY(fill_environment(task, err));
    RLT_TRY(
        rlt_driver_fill("objective.folder", task->fields->folder, task->values, &task->where, err));
    return rlt_driver_fill("objective.tensorboard", task->fields->tensorboard, task->values,
                           &task->tensorboard, err);
}

static void add_variable(program_task *task, const char *name, const char *value) {
    char *text = NULL;
    int length = asprintf(&text, "%s=%s", name, value);
    RLT_ASSERT(length >= 0);
    rlt_texts_add(&task->environment, text);
}

/* Those that every program has. */
static void add_variables(program_task *task, int64_t experiment) {
    static const struct {
        const char *variable, *value;
    } rows[] = {{"RLTUNE_TRIAL", "trial"}, {"RLTUNE_ATTEMPT", "attempt"}, {"RLTUNE_SEED", "seed"}};
    char number[32];
    char *params = json_dumps(json_object_get(task->run, "params"), JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(number, sizeof number, "%lld", (long long)experiment);
    add_variable(task, "RLTUNE_EXPERIMENT", number);
    add_variable(task, "RLTUNE_PARAMS", params);
    free(params);
    for (size_t i = 0; i < RLT_COUNT(rows); i++) {
        add_variable(task, rows[i].variable,
                     json_string_value(json_object_get(task->values, rows[i].value)));
    }
    if (task->fields->params_file) {
        add_variable(task, "RLTUNE_PARAMS_FILE", task->paths.params);
    }
    if (task->fields->checkpoint) {
        add_variable(task, "RLTUNE_CHECKPOINT_DIR", task->paths.checkpoint);
    }
}

/* ---- checks ---- */

rlt_status rlt_driver_make_patterns(const json_t *objective, rlt_patterns **patterns,
                                    rlt_err *err) {
    const char *names[RLT_REPORT_METRICS_MAX + 1], *texts[RLT_REPORT_METRICS_MAX + 1], *name;
    json_t *text;
    int count = 0;
    *patterns = NULL;
    json_object_foreach(json_object_get(objective, "metrics"), name, text) {
        if (count <= RLT_REPORT_METRICS_MAX && json_is_string(text)) {
            names[count] = name;
            texts[count++] = json_string_value(text);
        }
    }
    rlt_err inner = {0};
    rlt_status status =
        count > 0 ? rlt_patterns_create(names, texts, count, patterns, &inner) : RLT_OK;
    return status == RLT_OK ? RLT_OK
                            : rlt_fail(err, status, "objective.metrics: %s", inner.message);
}

static rlt_status check_task(program_task *task, rlt_err *err) {
    char path[PATH_MAX];
    rlt_err inner = {0};
    struct stat info;
    RLT_TRY(fill_texts(task, err));
    if (stat(task->where.data, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return rlt_fail(err, RLT_ECONFIG, "objective.folder: '%.200s' is no folder",
                        task->where.data);
    }
    if (rlt_job_find(task->argv.items[0], task->where.data, path, &inner) != RLT_OK) {
        return rlt_fail(err, RLT_ECONFIG, "objective.argv: %s", inner.message);
    }
    return RLT_OK;
}

rlt_status rlt_driver_check_program(const rlt_run_config *config, const json_t *run, rlt_err *err) {
    program_task task = {.fields = &config->objective};
    rlt_patterns *patterns;
    if (config->objective.kind != RLT_OBJECTIVE_COMMAND) {
        return RLT_OK;
    }
    task.run = json_incref((json_t *)run);
    task.objective = json_object_get(run, "objective");
    task.values = make_values(run, &task, 0, 1);
    rlt_status status = rlt_driver_make_patterns(task.objective, &patterns, err);
    if (status == RLT_OK) {
        status = check_task(&task, err);
    }
    rlt_patterns_destroy(&patterns);
    task_fini(&task);
    return status;
}

/* ---- start ---- */

/* What all trials have in common: standard input of their processes. */
static char *function_setup(const rlt_driver *d) {
    json_t *setup = json_pack("{s:s, s:s, s:s}", "script", d->script_text, "script_name",
                              d->script_path, "metric", d->config.tune.metric);
    char *text = json_dumps(setup, JSON_COMPACT);
    json_decref(setup);
    return text;
}

rlt_status rlt_driver_open_programs(rlt_driver *d, rlt_err *err) {
    char folder[PATH_MAX];
    int length = snprintf(folder, sizeof folder, "%s-trials", d->o->db_path);
    if (length < 0 || (size_t)length >= sizeof folder) {
        return rlt_fail(err, RLT_EINVAL, "%.100s…: the database's path is too long", d->o->db_path);
    }
    RLT_TRY(rlt_mkdirs(folder, err));
    d->programs_folder = realpath(folder, NULL); /* programs run in folders of their own */
    if (d->programs_folder == NULL) {
        return rlt_fail(err, RLT_EIO, "%.200s: %s", folder, strerror(errno));
    }
    RLT_TRY(
        rlt_driver_make_patterns(json_object_get(d->config.json, "objective"), &d->patterns, err));
    if (d->config.run.objective.kind == RLT_OBJECTIVE_FUNCTION) {
        d->function_setup = function_setup(d);
    }
    return rlt_command_host_create(&d->host, err);
}

void rlt_driver_close_programs(rlt_driver *d) {
    rlt_command_host_destroy(&d->host);
    rlt_patterns_destroy(&d->patterns);
    if (d->programs_folder != NULL) {
        rmdir(d->programs_folder); /* if nothing is in it */
    }
    free(d->programs_folder);
    free(d->function_setup);
    d->programs_folder = d->function_setup = NULL;
}

static rlt_status make_folders(const program_task *task, rlt_err *err) {
    return task->fields->checkpoint    ? rlt_mkdirs(task->paths.checkpoint, err)
           : task->fields->params_file ? rlt_mkdirs(task->paths.folder, err)
                                       : RLT_OK;
}

/* Not flushed to the disk: each attempt writes it anew. */
static rlt_status write_file(const char *path, const char *text, rlt_err *err) {
    FILE *file = fopen(path, "we");
    bool written = file != NULL && fputs(text, file) >= 0;
    if (file != NULL && fclose(file) != 0) {
        written = false;
    }
    return written ? RLT_OK : rlt_fail(err, RLT_EIO, "%.200s: %s", path, strerror(errno));
}

static rlt_status write_params(const program_task *task, rlt_err *err) {
    if (!task->fields->params_file) {
        return RLT_OK;
    }
    char *text = json_dumps(json_object_get(task->run, "params"), JSON_INDENT(2) | JSON_SORT_KEYS);
    rlt_status status = write_file(task->paths.params, text, err);
    free(text);
    return status;
}

/* Functions run in processes of this very binary, which do one trial after another. */
static void set_function(const rlt_driver *d, const rlt_driver_entry *t, program_task *task) {
    rlt_texts_add(&task->argv, strdup("/proc/self/exe"));
    rlt_texts_add(&task->argv, strdup("function"));
    json_t *line = json_pack("{s:O, s:I, s:I, s:I}", "params", json_object_get(task->run, "params"),
                             "seed", (json_int_t)t->seed, "trial", (json_int_t)t->number,
                             "milestone", (json_int_t)rlt_driver_asks_at(t));
    double asks_in_s = rlt_driver_asks_at_s(d, t) - rlt_driver_ran_s(t);
    if (isfinite(asks_in_s)) {
        json_object_set_new(line, "asks_in_s", json_real(asks_in_s));
    }
    task->line = json_dumps(line, JSON_COMPACT);
    json_decref(line);
}

/* The copy that its newest exploit speaks of, if there is one. */
static rlt_status use_taken(rlt_driver *d, const rlt_driver_entry *t,
                            const rlt_program_paths *paths, rlt_err *err) {
    char *params = NULL;
    int64_t step, source;
    RLT_TRY(rlt_store_params(d->store, t->id, INT64_MAX, &params, &step, &source, err));
    rlt_free(params);
    rlt_driver_use_folder(paths, step);
    return RLT_OK;
}

static rlt_status prepare(rlt_driver *d, rlt_driver_entry *t, program_task *task, rlt_err *err) {
    task->fields = &d->config.run.objective;
    t->program.files |= task->fields->checkpoint || task->fields->params_file;
    RLT_TRY(rlt_driver_trial_config(d, t, &task->run, err));
    task->objective = json_object_get(task->run, "objective");
    RLT_TRY(rlt_driver_program_paths(d, t->id, &task->paths, err));
    if (d->copies) {
        RLT_TRY(use_taken(d, t, &task->paths, err));
    }
    RLT_TRY(make_folders(task, err));
    task->values = make_values(task->run, task, t->number, t->attempt);
    if (task->fields->kind == RLT_OBJECTIVE_FUNCTION) {
        set_function(d, t, task);
        return RLT_OK;
    }
    RLT_TRY(fill_texts(task, err));
    RLT_TRY(write_params(task, err));
    add_variables(task, d->experiment);
    return RLT_OK;
}

/* Borrows from the task, and from the driver. */
static rlt_command_options options_of(const rlt_driver *d, const rlt_driver_entry *t,
                                      const program_task *task) {
    const rlt_objective_fields *fields = task->fields;
    bool function = fields->kind == RLT_OBJECTIVE_FUNCTION;
    return (rlt_command_options){
        .id = rlt_driver_key(t),
        .argv = task->argv.items,
        .environment = task->environment.items,
        .folder = function ? NULL : task->where.data,
        .log_path = task->paths.log,
        .log_max = fields->log_max,
        .hold_log = fields->keep_logs != RLT_KEEP_ALL,
        .json = !function && fields->json,
        .patterns = d->patterns,
        .tensorboard = fields->tensorboard[0] != 0 ? task->tensorboard.data : NULL,
        .socket = !function && fields->socket,
        .task = task->line,
        .input = d->function_setup,
        .steps = fields->checkpoint ? t->steps : 0,
        .grace_s = fields->grace_s,
        .silence_s = fields->silence_s,
    };
}

rlt_status rlt_driver_begin_program(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    t->action = RLT_ACTION_CONTINUE;
    /* one that goes on from its folder may have nothing left to do: then what it had stands */
    bool has = d->config.run.objective.checkpoint && !isnan(t->last);
    t->program =
        (rlt_driver_program){.diverged_at = -1, .reported = has, .files = t->program.files};
    if (!has) {
        rlt_driver_measures_restart(d, t);
    }
    bool goes_on = d->copies || rlt_driver_follows(d, t); /* after what was asked last */
    return rlt_driver_first_milestone(d, t, goes_on ? INT64_MAX : 0, err);
}

rlt_status rlt_driver_start_program(rlt_driver *d, rlt_driver_entry *t, rlt_err *err) {
    program_task task = {0};
    RLT_TRY(rlt_driver_begin_program(d, t, err));
    rlt_status status = prepare(d, t, &task, err);
    if (status == RLT_OK) {
        const rlt_command_options options = options_of(d, t, &task);
        status = rlt_command_start(d->host, &options, err);
    }
    t->program.runs = status == RLT_OK;
    task_fini(&task);
    return status;
}

rlt_status rlt_driver_describe_program(rlt_driver *d, rlt_driver_entry *t, json_t **task,
                                       rlt_err *err) {
    program_task made = {0};
    *task = NULL;
    rlt_status status = prepare(d, t, &made, err);
    if (status == RLT_OK) {
        char folder[PATH_MAX];
        rlt_command_options options = options_of(d, t, &made);
        if (options.folder != NULL && realpath(options.folder, folder) != NULL) {
            options.folder = folder; /* of another process, which may be elsewhere */
        }
        *task = rlt_task_json(&options);
    }
    task_fini(&made);
    return status;
}
