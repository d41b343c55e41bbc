/* export: trials or metric points as CSV (RFC 4180) or JSON, row by row; or an Optuna study.
 * Thread: main only. */
#include "cli/report.h"
#include "exchange/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const rlt_cli_option rlt_cli_export_options[] = {
    {"--format", "csv|json|optuna", "the form (default: csv)"},
    {"--what", "trials|metrics", "one row per trial or per metric point (default: trials)"},
    {"--out", "FILE", "write this file instead of standard output"},
    {"--study", "NAME", "optuna: the study's name (default: the experiment's)"},
    RLT_CLI_DB_OPTION,
    {"--json", NULL, "the same as --format json"},
    {0}};

typedef struct output {
    FILE *file;
    bool json;
    int64_t rows;
    int cells; /* in this row */
    char temporary[PATH_MAX];
} output;

/* CSV: what is quoted and how is RFC 4180's, section 2. */
static void put_csv(output *out, const char *text) {
    fputs(out->cells++ > 0 ? "," : "", out->file);
    if (text[strcspn(text, "\",\r\n")] == 0) {
        fputs(text, out->file);
        return;
    }
    putc('"', out->file);
    for (; *text != 0; text++) {
        fputs(*text == '"' ? "\"\"" : (char[]){*text, 0}, out->file);
    }
    putc('"', out->file);
}

static void end_csv_row(output *out) {
    fputs("\r\n", out->file);
    out->cells = 0;
}

/* The shortest decimal that reads back as the same double. */
static void put_csv_real(output *out, double value) {
    char text[40] = "";
    for (int digits = 15; digits <= 17 && !isnan(value); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    put_csv(out, text);
}

static void put_csv_integer(output *out, int64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    put_csv(out, text);
}

static void put_json_row(output *out, json_t *row) {
    fputs(out->rows++ > 0 ? ",\n  " : "\n  ", out->file);
    json_dumpf(row, out->file, JSON_COMPACT);
    json_decref(row);
}

static void put_params_csv(output *out, const char *params_json, json_t *names) {
    json_t *params = rlt_report_parse(params_json), *ignored;
    const char *name;
    json_object_foreach(names, name, ignored) {
        const json_t *value = json_object_get(params, name);
        char *dumped = json_is_string(value) || value == NULL
                           ? NULL
                           : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        const char *text = json_string_value(value);
        put_csv(out, dumped != NULL ? dumped : text != NULL ? text : "");
        free(dumped);
    }
    json_decref(params);
}

static void put_trial_csv(output *out, const rlt_report *report, const rlt_report_trial *trial,
                          const rlt_trial_texts *texts, json_t *names) {
    int rank = rlt_report_rank(report, trial);
    put_csv(out, trial->role);
    put_csv_integer(out, trial->number);
    put_csv_real(out, rank > 0 ? rank : NAN);
    put_csv(out, trial->state);
    put_csv_real(out, trial->value);
    put_csv_real(out, trial->best);
    const double *values = rlt_report_values_of(report, trial);
    for (int i = 0; values != NULL && i < report->objective_count + report->constraint_count; i++) {
        put_csv_real(out, values[i]);
    }
    put_csv_integer(out, trial->steps);
    put_csv_real(out, trial->wall_s);
    put_csv_integer(out, trial->seed);
    put_csv_integer(out, trial->attempt);
    put_csv(out, texts->reason);
    put_csv(out, texts->origin);
    put_csv_integer(out, texts->since);
    if (report->replicates != NULL) {
        put_csv_integer(out, trial->configuration);
        put_csv_integer(out, trial->replicate);
    }
    put_params_csv(out, texts->params_json, names);
    end_csv_row(out);
}

static void name_values(output *out, const rlt_report *report) {
    for (int i = 0; i < report->objective_count; i++) {
        put_csv(out, report->objectives[i].metric);
    }
    for (int i = 0; i < report->constraint_count; i++) {
        put_csv(out, report->constraints[i]);
    }
}

static void put_names_csv(output *out, const rlt_report *report, json_t *names) {
    static const char *const fixed[] = {"role",   "trial",  "rank",   "state", "value",
                                        "best",   "steps",  "wall_s", "seed",  "attempts",
                                        "reason", "origin", "since"};
    for (size_t i = 0; i < RLT_COUNT(fixed); i++) {
        put_csv(out, fixed[i]);
        if (strcmp(fixed[i], "best") == 0 && report->values != NULL) {
            name_values(out, report);
        }
    }
    if (report->replicates != NULL) {
        put_csv(out, "configuration");
        put_csv(out, "replicate");
    }
    const char *name;
    json_t *ignored;
    json_object_foreach(names, name, ignored) {
        put_csv(out, name);
    }
    end_csv_row(out);
}

static rlt_status put_trials_csv(output *out, const rlt_report *report, rlt_err *err) {
    json_t *names = NULL;
    RLT_TRY(rlt_report_param_names(report, &names, err));
    put_names_csv(out, report, names);
    rlt_status status = RLT_OK;
    for (int i = 0; i < report->trial_count && status == RLT_OK; i++) {
        rlt_trial_texts texts;
        status = rlt_report_texts(report, &report->trials[i], &texts, err);
        if (status == RLT_OK) {
            put_trial_csv(out, report, &report->trials[i], &texts, names);
        }
        rlt_trial_texts_fini(&texts);
    }
    json_decref(names);
    return status;
}

static rlt_status put_trials(output *out, const rlt_report *report, rlt_err *err) {
    if (!out->json) {
        return put_trials_csv(out, report, err);
    }
    for (int i = 0; i < report->trial_count; i++) {
        json_t *row;
        RLT_TRY(rlt_report_trial_json(report, &report->trials[i], true, &row, err));
        put_json_row(out, row);
    }
    return RLT_OK;
}

typedef struct metric_export {
    output *out;
    const rlt_report *report;
    const rlt_report_trial *trial;
    const char *metric;
} metric_export;

static rlt_status visit_point(void *user, int64_t step, double value, rlt_err *err) {
    (void)err;
    const metric_export *m = user;
    if (m->out->json) {
        put_json_row(m->out, json_pack("{s:s, s:I, s:s, s:I, s:o}", "role", m->trial->role, "trial",
                                       (json_int_t)m->trial->number, "metric", m->metric, "step",
                                       (json_int_t)step, "value", rlt_report_real(value)));
        return RLT_OK;
    }
    put_csv(m->out, m->trial->role);
    put_csv_integer(m->out, m->trial->number);
    put_csv(m->out, m->metric);
    put_csv_integer(m->out, step);
    put_csv_real(m->out, value);
    end_csv_row(m->out);
    return RLT_OK;
}

/* One metric of all trials: the values come as doubles, not as SQL text. */
static rlt_status visit_metric(void *user, int columns, const char *const *names,
                               const char *const *values, rlt_err *err) {
    (void)columns, (void)names;
    metric_export *m = user;
    m->metric = values[0];
    for (int i = 0; i < m->report->trial_count; i++) {
        m->trial = &m->report->trials[i];
        RLT_TRY(rlt_store_curve(m->report->store, m->trial->id, m->metric, visit_point, m, err));
    }
    return RLT_OK;
}

static rlt_status put_metrics(output *out, const rlt_report *report, rlt_err *err) {
    static const char *const columns[] = {"role", "trial", "metric", "step", "value"};
    for (size_t i = 0; !out->json && i < RLT_COUNT(columns); i++) {
        put_csv(out, columns[i]);
    }
    if (!out->json) {
        end_csv_row(out);
    }
    metric_export m = {.out = out, .report = report};
    return rlt_store_query(report->store, "SELECT name FROM metric_names ORDER BY name", NULL, 0,
                           visit_metric, &m, err);
}

static rlt_status put_all(output *out, const rlt_report *report, bool metrics, rlt_err *err) {
    fputs(out->json ? "[" : "", out->file);
    RLT_TRY(metrics ? put_metrics(out, report, err) : put_trials(out, report, err));
    fputs(out->json ? (out->rows > 0 ? "\n]\n" : "]\n") : "", out->file);
    if (fflush(out->file) != 0 || ferror(out->file)) {
        return rlt_fail(err, errno == ENOSPC ? RLT_EFULL : RLT_EIO, "could not write: %s",
                        strerror(errno));
    }
    return RLT_OK;
}

/* The file appears whole or not at all, however many rows there are. */
static rlt_status put_file(output *out, const rlt_report *report, const char *path, bool metrics,
                           rlt_err *err) {
    int size = snprintf(out->temporary, sizeof out->temporary, "%s.tmp.%d", path, (int)getpid());
    out->file = size < (int)sizeof out->temporary ? fopen(out->temporary, "wb") : NULL;
    if (out->file == NULL) {
        return rlt_fail(err, RLT_EIO, "%s: could not create: %s", out->temporary, strerror(errno));
    }
    rlt_status status = put_all(out, report, metrics, err);
    if ((fclose(out->file) != 0 || (status == RLT_OK && rename(out->temporary, path) != 0)) &&
        status == RLT_OK) {
        status = rlt_fail(err, errno == ENOSPC ? RLT_EFULL : RLT_EIO, "%s: could not write: %s",
                          path, strerror(errno));
    }
    if (status != RLT_OK) {
        unlink(out->temporary);
        return status;
    }
    fprintf(stderr, "wrote %s\n", path);
    return RLT_OK;
}

static rlt_status put_study(rlt_report *report, rlt_err *err) {
    const char *path = rlt_cli_value(&report->args, "--out");
    rlt_notes notes = {0};
    if (path == NULL || rlt_cli_flag(&report->args, "--what") || report->json) {
        return rlt_fail(err, RLT_EINVAL,
                        "rltune export: --format optuna needs --out FILE, and goes without --what "
                        "and --json");
    }
    rlt_status status = rlt_optuna_export(report->store, report->experiment.id, report->alive, path,
                                          rlt_cli_value(&report->args, "--study"), &notes, err);
    if (status == RLT_OK) {
        fprintf(stderr, "wrote %s\n", path);
        rlt_cli_put_notes(&notes, "", "not taken over, or changed:");
    }
    rlt_notes_fini(&notes);
    return status;
}

rlt_status rlt_cli_export(int argc, char **argv, rlt_err *err) {
    static const char *const formats[] = {"csv", "json", "optuna", NULL};
    static const char *const kinds[] = {"trials", "metrics", NULL};
    int format = 0, what = 0;
    rlt_report report;
    RLT_TRY(rlt_report_open(&report, "export", argc, argv, err));
    rlt_status status;
    RLT_TRY_GOTO(rlt_cli_option_choice(&report.args, "--format", formats, &format, err), done);
    RLT_TRY_GOTO(rlt_cli_option_choice(&report.args, "--what", kinds, &what, err), done);
    if (format == 2) {
        status = put_study(&report, err);
        goto done;
    }
    output out = {.file = stdout, .json = format == 1 || report.json};
    const char *path = rlt_cli_value(&report.args, "--out");
    status = path != NULL ? put_file(&out, &report, path, what == 1, err)
                          : put_all(&out, &report, what == 1, err);
done:
    rlt_report_close(&report);
    return status;
}
