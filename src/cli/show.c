/* show: one experiment as a leaderboard with its parameters, its finals and newest events.
 * Thread: main only. */
#include "cli/show.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const rlt_cli_option rlt_cli_show_options[] = {
    {"--trial", "N", "show this trial: its parameters, history and curve"},
    {"--final", "N", "the same for a final run, the winner trained again"},
    {"--why", NULL, "with --trial or --final: what was decided about it, and why"},
    {"--top", "K", "show only the K best trials"},
    RLT_REPORT_METRIC_OPTION,
    RLT_CLI_DB_OPTION,
    RLT_CLI_JSON_OPTION,
    {0}};

enum { EVENTS_SHOWN = 10, PARAMS_SHOWN_MAX = 40 };

/* Of a configuration with several seeds, where there would be a trial's. */
static void put_amounts(rlt_table *table, const rlt_seed_group *r) {
    char text[32];
    rlt_estimate interval = rlt_report_interval(r);
    rlt_table_integer(table, r->measured);
    rlt_table_cell(table, rlt_report_value(r->value, text));
    rlt_table_cell(table, rlt_report_value(interval.low, text));
    rlt_table_cell(table, rlt_report_value(interval.high, text));
    rlt_table_integer(table, r->steps);
    rlt_table_cell(table, rlt_report_duration(r->wall_s, text));
}

static void put_values(rlt_table *table, const rlt_report *report, const rlt_report_trial *trial) {
    char text[32];
    const double *values = rlt_report_values_of(report, trial);
    for (int i = 0; values != NULL && i < report->objective_count + report->constraint_count; i++) {
        rlt_table_cell(table, rlt_report_value(values[i], text));
    }
    if (values == NULL) {
        rlt_table_cell(table, rlt_report_value(trial->value, text));
        rlt_table_cell(table, rlt_report_value(trial->best, text));
    }
    rlt_table_integer(table, trial->steps);
    rlt_table_cell(table, rlt_report_duration(trial->wall_s, text));
}

static void put_params(rlt_table *table, const char *params_json, json_t *names) {
    json_t *params = rlt_report_parse(params_json), *ignored;
    const char *name;
    int column = 0;
    json_object_foreach(names, name, ignored) {
        if (column++ < PARAMS_SHOWN_MAX) {
            rlt_buf value = {0};
            rlt_report_json_text(json_object_get(params, name), &value);
            rlt_table_cell(table, value.data);
            rlt_buf_fini(&value);
        }
    }
    json_decref(params);
}

/* What the columns after the values hold. */
typedef struct param_columns {
    json_t *names;
    bool origins; /* some trials did not get theirs from the sampler */
} param_columns;

static rlt_status put_trial_row(rlt_table *table, const rlt_report *report,
                                const rlt_report_trial *trial, const param_columns *columns,
                                rlt_err *err) {
    char text[32];
    rlt_trial_texts texts;
    RLT_TRY(rlt_report_texts(report, trial, &texts, err));
    const rlt_seed_group *r = rlt_report_replicates(report, trial);
    int rank = rlt_report_rank(report, trial);
    snprintf(text, sizeof text, "%d", rank);
    rlt_table_cell(table, rank > 0 ? text : "-");
    rlt_table_integer(table, trial->number);
    rlt_table_cell(table, r != NULL ? r->state : trial->state);
    if (r != NULL) {
        put_amounts(table, r);
    } else {
        put_values(table, report, trial);
    }
    put_params(table, texts.params_json, columns->names);
    if (columns->origins) {
        rlt_table_cell(table, texts.origin);
    }
    rlt_trial_texts_fini(&texts);
    return RLT_OK;
}

/* Of the values: those of every objective and constraint where there are several. */
static void name_columns(const rlt_report *report, rlt_table *table) {
    rlt_table_column(table, report->objective_count > 1 ? "front" : "rank", true);
    rlt_table_column(table, "trial", true);
    rlt_table_column(table, "state", false);
    static const char *const amounts[] = {"seeds", "value", "low", "high"};
    for (size_t i = 0; report->replicates != NULL && i < RLT_COUNT(amounts); i++) {
        rlt_table_column(table, amounts[i], true);
    }
    bool several = report->values != NULL && report->replicates == NULL;
    for (int i = 0; several && i < report->objective_count; i++) {
        rlt_table_column(table, report->objectives[i].metric, true);
    }
    for (int i = 0; several && i < report->constraint_count; i++) {
        rlt_table_column(table, report->constraints[i], true);
    }
    if (!several && report->replicates == NULL) {
        rlt_table_column(table, "value", true);
        rlt_table_column(table, "best", true);
    }
    rlt_table_column(table, "steps", true);
    rlt_table_column(table, "time", true);
}

/* What the columns of configurations mean, and how sure it is which is best. */
static void print_amounts(const rlt_report *report) {
    const rlt_seed_group *pair[2];
    rlt_estimate p;
    char low[32], high[32];
    if (report->replicates == NULL) {
        return;
    }
    printf("value: the %s of all seeds; low, high: 95 %% bootstrap interval of the iqm\n",
           report->aggregate);
    if (rlt_report_improvement(report, pair, &p)) {
        printf("P(a seed of trial %" PRId64 " is better than one of trial %" PRId64 ") = %.3g",
               pair[0]->configuration, pair[1]->configuration, p.value);
        if (!isnan(p.low)) {
            printf(", 95 %% interval %s to %s", rlt_report_value(p.low, low),
                   rlt_report_value(p.high, high));
        }
        printf(" (%d and %d seeds)\n", pair[0]->measured, pair[1]->measured);
    }
}

static rlt_status note_origins(void *user, int columns, const char *const *names,
                               const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    *(bool *)user = strcmp(values[0], "0") != 0;
    return RLT_OK;
}

static rlt_status name_params(const rlt_report *report, rlt_table *table, param_columns *columns,
                              rlt_err *err) {
    static const char sql[] =
        "SELECT EXISTS (SELECT 1 FROM parameters_in_force WHERE experiment = ?1 AND role = "
        "'search' AND (since > 0 OR (origin <> 'sampler' AND origin NOT LIKE 'trial %')))";
    RLT_TRY(rlt_store_query(report->store, sql, &report->experiment.id, 1, note_origins,
                            &columns->origins, err));
    RLT_TRY(rlt_report_param_names(report, &columns->names, err));
    const char *name;
    json_t *ignored;
    int count = 0;
    json_object_foreach(columns->names, name, ignored) {
        if (count++ < PARAMS_SHOWN_MAX) {
            rlt_table_column(table, name, true);
        }
    }
    if (columns->origins) {
        rlt_table_column(table, "from", false);
    }
    return RLT_OK;
}

rlt_status rlt_show_leaderboard(const rlt_report *report, int count, rlt_err *err) {
    rlt_table table = {0};
    param_columns columns = {0};
    name_columns(report, &table);
    rlt_status status = name_params(report, &table, &columns, err);
    for (int i = 0; i < count && status == RLT_OK; i++) {
        status = put_trial_row(&table, report, &report->trials[report->order[i]], &columns, err);
    }
    json_decref(columns.names);
    if (status != RLT_OK) {
        rlt_table_fini(&table);
        return status;
    }
    printf("\n");
    rlt_table_print(&table, stdout);
    print_amounts(report);
    return RLT_OK;
}

static void print_head(const rlt_report *report) {
    const rlt_experiment_row *e = &report->experiment;
    int64_t counts[6] = {0};
    for (int i = 0; i < report->trial_count; i++) {
        for (int s = 0; s < 6; s++) {
            counts[s] += strcmp(report->trials[i].role, "search") == 0 &&
                         strcmp(report->trials[i].state, rlt_report_states[s]) == 0;
        }
    }
    rlt_buf trials = {0}, name = {0};
    char text[32];
    rlt_report_counts(counts, &trials);
    rlt_buf_text(&name, e->name, 200, RLT_TEXT_UTF8);
    printf("experiment %" PRId64 "  %s  %s\n", e->id, name.data,
           rlt_report_state(e->state, report->alive));
    for (int i = 0; i < report->objective_count; i++) {
        printf(i == 0 ? "  metric    %s (%s)" : ", %s (%s)", report->objectives[i].metric,
               report->objectives[i].maximise ? "max" : "min");
    }
    printf("%s", report->objective_count > 0 ? "\n" : "");
    for (int i = 0; i < report->constraint_count; i++) {
        printf(i == 0 ? "  limits    %s" : ", %s", report->constraints[i]);
    }
    printf("%s", report->constraint_count > 0 ? " at most 0\n" : "");
    if (report->replicates != NULL) {
        printf("  seeds     up to %" PRId64 " for each of %d configurations\n", report->seeds,
               report->replicates_count);
    }
    printf("  trials    %s\n  started   %s", trials.data, rlt_report_time(e->created_ms, text));
    if (e->ended_ms > 0 || report->alive) {
        double seconds = (double)((e->ended_ms > 0 ? e->ended_ms : rlt_wall_ms()) - e->created_ms);
        printf(", %s %s", e->ended_ms > 0 ? "took" : "for",
               rlt_report_duration(seconds / 1e3, text));
    }
    if (report->objective_count > 1) {
        rlt_buf front = {0};
        rlt_report_front_text(report, &front);
        printf("\n  front     %s", front.data);
        rlt_buf_fini(&front);
    }
    printf("\n  script    %s\n  database  %s\n",
           e->script_path != NULL && e->script_path[0] != 0 ? e->script_path : "-", report->path);
    rlt_buf_fini(&trials);
    rlt_buf_fini(&name);
}

static void print_finals(const rlt_report *report) {
    rlt_table table = {0};
    static const char *const columns[] = {"final", "seed", "state", "value", "steps", "time"};
    int count = 0, earlier = 0;
    for (int i = 0; i < report->trial_count; i++) {
        const rlt_report_trial *trial = &report->trials[i];
        char text[32];
        if (!rlt_report_is_final(report, trial)) {
            earlier += strcmp(trial->role, "final") == 0;
            continue;
        }
        for (size_t c = 0; count == 0 && c < RLT_COUNT(columns); c++) {
            rlt_table_column(&table, columns[c], c != 2);
        }
        count++;
        rlt_table_integer(&table, trial->number);
        rlt_table_integer(&table, trial->seed);
        rlt_table_cell(&table, trial->state);
        rlt_table_cell(&table, rlt_report_value(trial->value, text));
        rlt_table_integer(&table, trial->steps);
        rlt_table_cell(&table, rlt_report_duration(trial->wall_s, text));
    }
    if (count > 0) {
        double mean, deviation;
        int scored = rlt_report_finals(report, &mean, &deviation);
        printf("\nthe winner trained again, with other seeds:\n");
        rlt_table_print(&table, stdout);
        char left[32], right[32];
        printf("mean %s, standard deviation %s, n = %d\n", rlt_report_value(mean, left),
               rlt_report_value(deviation, right), scored);
        if (earlier > 0) {
            printf("of earlier winners there are %d more: --final N, --json\n", earlier);
        }
    }
}

typedef struct event_list {
    rlt_table table;
    json_t *list;
} event_list;

static rlt_status visit_event(void *user, int columns, const char *const *names,
                              const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    event_list *events = user;
    int64_t wall_ms = strtoll(v[0], NULL, 10);
    if (events->list != NULL) {
        json_array_append_new(events->list,
                              json_pack("{s:I, s:s?, s:s, s:s}", "wall_ms", (json_int_t)wall_ms,
                                        "trial", v[1], "kind", v[2], "text", v[3]));
        return RLT_OK;
    }
    char text[32];
    rlt_table_cell(&events->table, rlt_report_time(wall_ms, text));
    rlt_table_cell(&events->table, v[1]);
    rlt_table_cell(&events->table, v[2]);
    rlt_table_cell(&events->table, v[3]);
    return RLT_OK;
}

/* list NULL: prints them; else appends them there. */
static rlt_status put_events(const rlt_report *report, json_t *list, rlt_err *err) {
    event_list events = {.list = list};
    rlt_table_column(&events.table, "time", false);
    rlt_table_column(&events.table, "trial", false);
    rlt_table_column(&events.table, "event", false);
    rlt_table_column(&events.table, "text", false);
    const int64_t args[] = {report->experiment.id, EVENTS_SHOWN};
    rlt_status status = rlt_store_query(
        report->store,
        "SELECT wall_ms, trial, kind, text FROM (SELECT v.id, v.wall_ms, v.kind, v.text,"
        " CASE t.role WHEN 'final' THEN 'final ' ELSE '' END || t.number AS trial"
        " FROM events v LEFT JOIN trials t ON t.id = v.trial WHERE v.experiment = ?1"
        " AND v.kind <> 'trial.unasked' AND NOT (v.kind = 'study.attr' AND v.text LIKE"
        " '{\"name\":\"rltune:%')" /* of the Python package */
        " ORDER BY v.id DESC LIMIT ?2) ORDER BY id",
        args, 2, visit_event, &events, err);
    if (status == RLT_OK && list == NULL && events.table.count > events.table.columns) {
        printf("\nnewest events:\n");
        rlt_table_print(&events.table, stdout);
    }
    rlt_table_fini(&events.table);
    return status;
}

/* Where there are several seeds. */
static rlt_status add_configurations(const rlt_report *report, int count, json_t *all,
                                     rlt_err *err) {
    const rlt_seed_group *pair[2];
    rlt_estimate p;
    if (report->replicates == NULL) {
        return RLT_OK;
    }
    json_t *list = json_array(), *object;
    json_object_set_new(all, "configurations", list);
    for (int i = 0; i < count; i++) {
        const rlt_report_trial *first = &report->trials[report->order[i]];
        RLT_TRY(
            rlt_report_replicates_json(report, rlt_report_replicates(report, first), &object, err));
        json_array_append_new(list, object);
    }
    if (rlt_report_improvement(report, pair, &p)) {
        json_object_set_new(all, "improvement",
                            json_pack("{s:I, s:I, s:o, s:o, s:o}", "best",
                                      (json_int_t)pair[0]->configuration, "second",
                                      (json_int_t)pair[1]->configuration, "probability",
                                      rlt_report_real(p.value), "low", rlt_report_real(p.low),
                                      "high", rlt_report_real(p.high)));
    }
    return RLT_OK;
}

static rlt_status add_finals(const rlt_report *report, json_t *all, rlt_err *err) {
    json_t *finals = json_array(), *object;
    json_object_set_new(all, "finals", finals);
    for (int i = 0; i < report->trial_count; i++) {
        if (strcmp(report->trials[i].role, "final") == 0) {
            RLT_TRY(rlt_report_trial_json(report, &report->trials[i], false, &object, err));
            json_array_append_new(finals, object);
        }
    }
    return RLT_OK;
}

static rlt_status add_all(const rlt_report *report, int count, json_t *all, rlt_err *err) {
    RLT_TRY(add_finals(report, all, err));
    json_t *events = json_array();
    json_object_set_new(all, "events", events);
    RLT_TRY(put_events(report, events, err));
    if (report->values != NULL) {
        json_object_set_new(all, "metrics", rlt_report_metrics_json(report));
    }
    if (report->objective_count > 1) {
        json_object_set_new(all, "front", rlt_report_front_json(report));
    }
    return add_configurations(report, count, all, err);
}

/* Best first; with several seeds in the order of number, as `configurations` has the ranks. */
static rlt_status print_trials(const rlt_report *report, int count, rlt_err *err) {
    bool several = report->replicates != NULL;
    int printed = 0;
    for (int i = 0; i < (several ? report->trial_count : count); i++) {
        const rlt_report_trial *trial = &report->trials[several ? i : report->order[i]];
        json_t *object;
        if (strcmp(trial->role, "search") == 0) {
            RLT_TRY(rlt_report_trial_json(report, trial, false, &object, err));
            printf(printed++ > 0 ? ",\n    " : "\n    ");
            json_dumpf(object, stdout, JSON_COMPACT);
            json_decref(object);
        }
    }
    printf(printed > 0 ? "\n  " : "");
    return RLT_OK;
}

/* Trials go out one by one, where the rest has an empty list of them. */
static rlt_status print_json(const rlt_report *report, int count, rlt_err *err) {
    static const char key[] = "\n  \"trials\": [";
    const rlt_experiment_row *e = &report->experiment;
    json_t *all = json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:[]}", "id", (json_int_t)e->id, "name",
        e->name, "state", rlt_report_state(e->state, report->alive), "metric", e->metric, "mode",
        e->maximise ? "max" : "min", "created_ms", (json_int_t)e->created_ms, "ended_ms",
        e->ended_ms > 0 ? json_integer(e->ended_ms) : json_null(), "config",
        rlt_report_parse(e->config_json), "facts", rlt_report_parse(e->facts_json), "trials");
    rlt_status status = add_all(report, count, all, err);
    char *text = status == RLT_OK ? json_dumps(all, JSON_INDENT(2)) : NULL;
    const char *list = text != NULL ? strstr(text, key) : NULL;
    json_decref(all);
    if (status == RLT_OK && list == NULL) {
        status = rlt_fail(err, RLT_ECORRUPT, "%s: experiment %lld holds text that is no JSON",
                          report->path, (long long)e->id);
    }
    if (status == RLT_OK) {
        const char *rest = list + sizeof key - 1;
        printf("%.*s", (int)(rest - text), text);
        status = print_trials(report, count, err);
        printf("%s\n", rest);
    }
    free(text);
    return status == RLT_OK && ferror(stdout)
               ? rlt_fail(err, RLT_EIO, "cannot write to standard output")
               : status;
}

static rlt_status show_experiment(const rlt_report *report, rlt_err *err) {
    int64_t top = report->order_count;
    RLT_TRY(rlt_cli_option_integer(&report->args, "--top", 1, INT64_MAX, &top, err));
    int count = top < report->order_count ? (int)top : report->order_count;
    if (report->json) {
        return print_json(report, count, err);
    }
    print_head(report);
    RLT_TRY(rlt_show_leaderboard(report, count, err));
    print_finals(report);
    return put_events(report, NULL, err);
}

static rlt_status show(rlt_report *report, rlt_err *err) {
    int64_t number = -1;
    const rlt_report_trial *trial = NULL;
    static const char *const roles[][2] = {{"--trial", "search"}, {"--final", "final"}};
    for (size_t i = 0; i < RLT_COUNT(roles); i++) {
        if (rlt_cli_flag(&report->args, roles[i][0])) {
            RLT_TRY(rlt_cli_option_integer(&report->args, roles[i][0], 0, INT64_MAX, &number, err));
            RLT_TRY(rlt_report_find_trial(report, roles[i][1], number, &trial, err));
            return rlt_cli_flag(&report->args, "--why") ? rlt_show_why(report, trial, err)
                                                        : rlt_show_trial(report, trial, err);
        }
    }
    if (rlt_cli_flag(&report->args, "--why")) {
        return rlt_fail(err, RLT_EINVAL, "--why is about one trial; add --trial N");
    }
    return show_experiment(report, err);
}

rlt_status rlt_cli_show(int argc, char **argv, rlt_err *err) {
    rlt_report report;
    RLT_TRY(rlt_report_open(&report, "show", argc, argv, err));
    rlt_status status = show(&report, err);
    rlt_report_close(&report);
    return status;
}
