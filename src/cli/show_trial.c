/* show --trial: one trial from its parameters to its curve. Thread: main only. */
#include "cli/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The histories of a trial: what is asked, how it is headed, what the columns are. The first
 * column is wall-clock time. */
typedef struct history {
    const char *key, *title, *sql;
} history;
static const history histories[] = {
    {"transitions", "transitions",
     "SELECT wall_ms, attempt, from_state AS \"from\", to_state AS \"to\", reason"
     " FROM transitions WHERE trial = ?1 ORDER BY id"},
    {"decisions", "decisions",
     "SELECT wall_ms, step, decider, action, reason FROM decisions WHERE trial = ?1 ORDER BY step"},
    {"exploits", "parameters that changed",
     "SELECT d.wall_ms, x.step, s.number AS source, x.source_step, x.params_json AS parameters"
     " FROM exploits x JOIN decisions d ON d.id = x.decision"
     " LEFT JOIN trials s ON s.id = x.source WHERE x.trial = ?1 ORDER BY x.step, x.decision"},
    {"checkpoints", "checkpoints",
     "SELECT created_ms AS wall_ms, step, attempt, size, path, sha256 FROM checkpoints"
     " WHERE trial = ?1 ORDER BY step, id"},
};

typedef struct history_rows {
    rlt_table table;
    json_t *list; /* NULL: a table is made */
} history_rows;

static bool is_number(const char *name) {
    static const char *const numbers[] = {"wall_ms", "attempt", "step",
                                          "size",    "source",  "source_step"};
    for (size_t i = 0; i < RLT_COUNT(numbers); i++) {
        if (strcmp(name, numbers[i]) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *history_json(int columns, const char *const *names, const char *const *values) {
    json_t *row = json_object();
    for (int i = 0; i < columns; i++) {
        json_t *value = values[i] == NULL     ? json_null()
                        : is_number(names[i]) ? json_integer(strtoll(values[i], NULL, 10))
                                              : json_string(values[i]);
        json_object_set_new(row, names[i], value);
    }
    return row;
}

static rlt_status visit(void *user, int columns, const char *const *names,
                        const char *const *values, rlt_err *err) {
    (void)err;
    history_rows *rows = user;
    if (rows->list != NULL) {
        json_array_append_new(rows->list, history_json(columns, names, values));
        return RLT_OK;
    }
    for (int i = 0; rows->table.columns == 0 && i < columns; i++) {
        for (int j = 0; j < columns; j++) { /* all names, before the first cell */
            rlt_table_column(&rows->table, j == 0 ? "time" : names[j],
                             j > 0 && is_number(names[j]));
        }
    }
    char text[32];
    rlt_table_cell(&rows->table, rlt_report_time(strtoll(values[0], NULL, 10), text));
    for (int i = 1; i < columns; i++) {
        rlt_table_cell(&rows->table, values[i]);
    }
    return RLT_OK;
}

static rlt_status put_history(const rlt_report *report, const rlt_report_trial *trial,
                              const history *what, json_t *object, rlt_err *err) {
    history_rows rows = {.list = object != NULL ? json_array() : NULL};
    if (object != NULL) {
        json_object_set_new(object, what->key, rows.list);
    }
    rlt_status status = rlt_store_query(report->store, what->sql, &trial->id, 1, visit, &rows, err);
    if (status == RLT_OK && rows.table.count > 0) {
        printf("\n%s:\n", what->title);
        rlt_table_print(&rows.table, stdout);
    }
    rlt_table_fini(&rows.table);
    return status;
}

static void print_head(const rlt_report *report, const rlt_report_trial *trial,
                       const rlt_trial_texts *texts) {
    char text[32], best[32];
    int rank = rlt_report_rank(report, trial);
    printf("%s %" PRId64 " of experiment %" PRId64 "  %s\n",
           strcmp(trial->role, "final") == 0 ? "final" : "trial", trial->number,
           report->experiment.id, trial->state);
    if (texts->reason[0] != 0) {
        rlt_buf reason = {0};
        rlt_buf_text(&reason, texts->reason, 300, RLT_TEXT_UTF8);
        printf("  reason    %s\n", reason.data);
        rlt_buf_fini(&reason);
    }
    const double *values = rlt_report_values_of(report, trial);
    const int objectives = report->objective_count;
    for (int i = 0; values != NULL && i < objectives + report->constraint_count; i++) {
        const char *name =
            i < objectives ? report->objectives[i].metric : report->constraints[i - objectives];
        printf("%s%s %s", i == 0 ? "  values    " : ", ", name, rlt_report_value(values[i], text));
    }
    if (values == NULL) {
        printf("  value     %s (best %s)", rlt_report_value(trial->value, text),
               rlt_report_value(trial->best, best));
    }
    if (rlt_report_violation(report, trial) > 0) {
        printf(", not feasible");
    } else if (rank > 0) {
        printf(", %s %d", objectives > 1 ? "front" : "rank", rank);
    }
    printf("\n  steps     %" PRId64 " in %s\n", trial->steps,
           rlt_report_duration(trial->wall_s, text));
    const rlt_seed_group *r = rlt_report_replicates(report, trial);
    if (r != NULL) {
        rlt_buf seeds = {0};
        rlt_report_replicates_text(report, r, &seeds);
        printf("  replicate %" PRId64 " of trial %" PRId64 ": %s (%s)\n", trial->replicate,
               r->configuration, rlt_report_value(r->value, text), seeds.data);
        rlt_buf_fini(&seeds);
    }
    printf("  seed      %" PRId64 "\n  attempts  %" PRId64 "\n", trial->seed, trial->attempt);
}

static void print_params(const rlt_trial_texts *texts) {
    json_t *params = rlt_report_parse(texts->params_json);
    const char *name;
    json_t *value;
    if (json_object_size(params) > 0) {
        rlt_table table = {0};
        rlt_table_column(&table, "parameter", false);
        rlt_table_column(&table, "value", true);
        json_object_foreach(params, name, value) {
            rlt_buf text = {0};
            rlt_report_json_text(value, &text);
            rlt_table_cell(&table, name);
            rlt_table_cell(&table, text.data);
            rlt_buf_fini(&text);
        }
        printf("\n");
        rlt_table_print(&table, stdout);
    }
    json_decref(params);
}

/* ---- where its weights come from ---- */

typedef struct lineage_rows {
    rlt_table table;
    json_t *list;
} lineage_rows;

static rlt_status visit_part(void *user, const rlt_lineage_part *part, rlt_err *err) {
    (void)err;
    lineage_rows *rows = user;
    json_t *params = rlt_report_parse(part->params_json);
    const json_int_t numbers[] = {part->number, part->from, part->to};
    json_array_append_new(rows->list, json_pack("{s:I, s:I, s:I, s:O}", "trial", numbers[0], "from",
                                                numbers[1], "to", numbers[2], "params", params));
    for (int i = 0; i < 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, (int64_t)numbers[i]);
        rlt_table_cell(&rows->table, text);
    }
    rlt_buf shown = {0};
    const char *name, *lead = "";
    json_t *value;
    json_object_foreach(params, name, value) {
        rlt_buf text = {0};
        rlt_report_json_text(value, &text);
        rlt_buf_printf(&shown, "%s%s %s", lead, name, text.data);
        rlt_buf_fini(&text);
        lead = ", ";
    }
    rlt_table_cell(&rows->table, shown.data);
    rlt_buf_fini(&shown);
    json_decref(params);
    return RLT_OK;
}

/* Of a trial that has copied another, or whose parameters have changed. */
static rlt_status put_lineage(const rlt_report *report, const rlt_report_trial *trial,
                              json_t *object, rlt_err *err) {
    static const char *const columns[] = {"trial", "from step", "to step", "parameters"};
    lineage_rows rows = {.list = json_array()};
    for (size_t i = 0; i < RLT_COUNT(columns); i++) {
        rlt_table_column(&rows.table, columns[i], i < 3);
    }
    rlt_status status = rlt_store_lineage(report->store, trial->id, visit_part, &rows, err);
    if (status == RLT_OK && json_array_size(rows.list) > 1 && object != NULL) {
        json_object_set(object, "lineage", rows.list);
    } else if (status == RLT_OK && json_array_size(rows.list) > 1) {
        printf("\nits weights were trained in\n");
        rlt_table_print(&rows.table, stdout);
    }
    rlt_table_fini(&rows.table);
    json_decref(rows.list);
    return status;
}

static void print_curve(const rlt_report *report, const rlt_curve *curve, const char *metric) {
    rlt_screen screen = rlt_screen_of_stdout();
    rlt_buf out = {0};
    rlt_curves_draw(report, curve, 1, NULL, metric, &(rlt_curve_style){.screen = &screen}, &out);
    printf("\n%s", out.data);
    rlt_buf_fini(&out);
}

static rlt_status show_json(const rlt_report *report, const rlt_report_trial *trial,
                            const rlt_curve *curve, const char *metric, rlt_err *err) {
    json_t *object;
    RLT_TRY(rlt_report_trial_json(report, trial, true, &object, err));
    for (size_t i = 0; i < RLT_COUNT(histories); i++) {
        rlt_status status = put_history(report, trial, &histories[i], object, err);
        if (status != RLT_OK) {
            json_decref(object);
            return status;
        }
    }
    rlt_status status = put_lineage(report, trial, object, err);
    if (status != RLT_OK) {
        json_decref(object);
        return status;
    }
    json_object_set_new(object, "metric", json_string(metric));
    json_object_set_new(object, "curve", rlt_curve_json(curve));
    return rlt_report_print_json(object, err);
}

static rlt_status show_text(const rlt_report *report, const rlt_report_trial *trial,
                            const rlt_curve *curve, const char *metric, rlt_err *err) {
    rlt_trial_texts texts;
    RLT_TRY(rlt_report_texts(report, trial, &texts, err));
    print_head(report, trial, &texts);
    print_params(&texts);
    rlt_trial_texts_fini(&texts);
    RLT_TRY(put_lineage(report, trial, NULL, err));
    for (size_t i = 0; i < RLT_COUNT(histories); i++) {
        RLT_TRY(put_history(report, trial, &histories[i], NULL, err));
    }
    if (curve->count > 0) {
        print_curve(report, curve, metric);
    }
    return RLT_OK;
}

rlt_status rlt_show_trial(const rlt_report *report, const rlt_report_trial *trial, rlt_err *err) {
    const char *given = rlt_cli_value(&report->args, "--metric");
    const char *metric = given != NULL ? given : report->experiment.metric;
    rlt_curve curve;
    rlt_status status = rlt_curve_load(report->store, trial, metric, &curve, err);
    if (status == RLT_OK && given != NULL && curve.count == 0) {
        status = rlt_curve_fail_empty(report, metric, err);
    }
    if (status == RLT_OK) {
        status = report->json ? show_json(report, trial, &curve, metric, err)
                              : show_text(report, trial, &curve, metric, err);
    }
    rlt_curve_fini(&curve);
    return status;
}
