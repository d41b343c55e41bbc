/* ls: the experiments of a database. Thread: main only. */
#include "cli/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const rlt_cli_option rlt_cli_ls_options[] = {RLT_CLI_DB_OPTION, RLT_CLI_JSON_OPTION, {0}};

/* 0 id, 1 name, 2 state, 3 metric, 4 maximise, 5-10 trials by state in the order of
 * rlt_report_states, 11 best, 12 created, 13 ended or the newest sign of life, 14 steps, 15 trials
 * with a value, 16 objectives, 17 constraints, 18 tune.seeds */
static const char sql[] =
    "SELECT e.id, e.name, e.state, (SELECT group_concat(p.metric, ', ') FROM objectives p"
    "  WHERE p.experiment = e.id), o.maximise,"
    " count(*) FILTER (WHERE t.state = 'completed'), count(*) FILTER (WHERE t.state = 'stopped'),"
    " count(*) FILTER (WHERE t.state = 'failed'), count(*) FILTER (WHERE t.state = 'running'),"
    " count(*) FILTER (WHERE t.state = 'paused'), count(*) FILTER (WHERE t.state = 'pending'),"
    " printf('%!.17g', CASE WHEN o.maximise = 0"
    "  THEN min(t.value) FILTER (WHERE t.state <> 'failed')"
    "  ELSE max(t.value) FILTER (WHERE t.state <> 'failed') END),"
    " e.created_ms, coalesce(e.ended_ms, (SELECT max(r.wall_ms) FROM trials u"
    "  JOIN transitions r ON r.trial = u.id WHERE u.experiment = e.id)), sum(t.steps),"
    " count(t.value) FILTER (WHERE t.state <> 'failed'),"
    " (SELECT count(*) FROM objectives p WHERE p.experiment = e.id),"
    " json_array_length(e.config_json, '$.tune.constraints'),"
    " json_extract(e.config_json, '$.tune.seeds')"
    " FROM experiments e LEFT JOIN objectives o ON o.experiment = e.id AND o.position = 0"
    " LEFT JOIN trials t ON t.experiment = e.id AND t.role = 'search'"
    " GROUP BY e.id ORDER BY e.id";

typedef struct listing {
    rlt_store *store;
    rlt_table table;
    json_t *list; /* NULL: a table is made */
} listing;

static int64_t integer_of(const char *text) {
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

/* Where there are several objectives, constraints or seeds: the size of the front (-1: one
 * objective) and the best value that is feasible. */
static rlt_status look_closer(rlt_store *store, int64_t id, int *front, double *best,
                              rlt_err *err) {
    rlt_report report = {0};
    rlt_status status = rlt_report_load(&report, store, id, err);
    if (status == RLT_OK && report.objective_count > 1) {
        *front = rlt_report_front_size(&report);
        *best = NAN;
    } else if (status == RLT_OK) {
        const rlt_report_trial *first = rlt_report_best(&report);
        const rlt_seed_group *r = first != NULL ? rlt_report_replicates(&report, first) : NULL;
        *best = first == NULL ? NAN : r != NULL ? r->value : first->value;
    }
    report.store = NULL;
    rlt_report_close(&report);
    return status;
}

static json_t *row_json(const char *const *v, const char *state, double best, int front) {
    json_t *trials = json_object();
    for (int i = 0; rlt_report_states[i] != NULL; i++) {
        json_object_set_new(trials, rlt_report_states[i], json_integer(integer_of(v[5 + i])));
    }
    json_t *ended = strcmp(v[2], "running") == 0 || v[13] == NULL ? json_null()
                                                                  : json_integer(integer_of(v[13]));
    json_t *row = json_pack(
        "{s:I, s:s, s:s, s:s?, s:s?, s:o, s:o, s:I, s:I, s:o}", "id", (json_int_t)integer_of(v[0]),
        "name", v[1], "state", state, "metric", v[3], "mode",
        v[4] == NULL       ? NULL
        : integer_of(v[4]) ? "max"
                           : "min",
        "trials", trials, "best", rlt_report_real(best), "steps", (json_int_t)integer_of(v[14]),
        "created_ms", (json_int_t)integer_of(v[12]), "ended_ms", ended);
    if (front >= 0) {
        json_object_set_new(row, "front", json_integer(front));
    }
    return row;
}

static rlt_status visit(void *user, int columns, const char *const *names,
                        const char *const *values, rlt_err *err) {
    (void)columns, (void)names;
    listing *l = user;
    bool alive = rlt_store_experiment_is_owned(l->store, integer_of(values[0]));
    const char *state = rlt_report_state(values[2], alive);
    double best = integer_of(values[15]) > 0 ? strtod(values[11], NULL) : NAN;
    int front = -1;
    if (integer_of(values[16]) > 1 || integer_of(values[17]) > 0 || integer_of(values[18]) > 1) {
        RLT_TRY(look_closer(l->store, integer_of(values[0]), &front, &best, err));
    }
    if (l->list != NULL) {
        json_array_append_new(l->list, row_json(values, state, best, front));
        return RLT_OK;
    }
    int64_t counts[6], until = alive ? rlt_wall_ms() : integer_of(values[13]);
    for (int i = 0; i < 6; i++) {
        counts[i] = integer_of(values[5 + i]);
    }
    char text[32];
    rlt_buf trials = {0};
    rlt_report_counts(counts, &trials);
    rlt_table_cell(&l->table, values[0]);
    rlt_table_cell(&l->table, values[1]);
    rlt_table_cell(&l->table, state);
    rlt_table_cell(&l->table, trials.data);
    if (front >= 0) {
        snprintf(text, sizeof text, "front of %d", front);
    }
    rlt_table_cell(&l->table, front >= 0 ? text : rlt_report_value(best, text));
    rlt_table_cell(&l->table, values[3]);
    rlt_table_cell(&l->table, rlt_report_time(integer_of(values[12]), text));
    double seconds = (double)(until - integer_of(values[12])) / 1e3;
    rlt_table_cell(&l->table, rlt_report_duration(seconds, text));
    rlt_buf_fini(&trials);
    return RLT_OK;
}

static void name_columns(rlt_table *table) {
    rlt_table_column(table, "id", true);
    rlt_table_column(table, "name", false);
    rlt_table_column(table, "state", false);
    rlt_table_column(table, "trials", false);
    rlt_table_column(table, "best", true);
    rlt_table_column(table, "metric", false);
    rlt_table_column(table, "created", false);
    rlt_table_column(table, "duration", true);
}

rlt_status rlt_cli_ls(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    RLT_TRY(rlt_cli_parse("ls", 0, 0, argc, argv, &args, err));
    listing l = {.list = rlt_cli_flag(&args, "--json") ? json_array() : NULL};
    rlt_status status = rlt_store_open(rlt_report_db(&args), RLT_STORE_READ, &l.store, err);
    if (status == RLT_OK) {
        name_columns(&l.table);
        status = rlt_store_query(l.store, sql, NULL, 0, visit, &l, err);
        rlt_store_close(&l.store);
    }
    if (status != RLT_OK) {
        json_decref(l.list);
        rlt_table_fini(&l.table);
        return status;
    }
    if (l.list != NULL) {
        rlt_table_fini(&l.table);
        return rlt_report_print_json(l.list, err);
    }
    rlt_table_print(&l.table, stdout);
    return RLT_OK;
}
