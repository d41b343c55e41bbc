/* cli, reporting: plots of what happened when: rungs of a stopper, the timeline of trials.
 * Thread: main only. */
#include "cli/charts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rungs ---- */

typedef struct decision {
    double step, value, threshold; /* step: what the stopper counts */
    bool timed;                    /* that is seconds */
    int action;                    /* of actions; the rest: others, that a population makes */
} decision;
static const char *const actions[] = {"continue", "stop", "pause", "exploit", NULL};
static const char *const action_labels[] = {"went on", "stopped", "paused",
                                            "took another's weights", "other decisions"};

static rlt_status visit_decision(void *user, int columns, const char *const *names,
                                 const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    rlt_buf *list = user;
    decision made = {strtod(v[0], NULL), v[2] != NULL ? strtod(v[2], NULL) : NAN,
                     v[3] != NULL ? strtod(v[3], NULL) : NAN, v[4][0] == '1', 0};
    while (actions[made.action] != NULL && strcmp(actions[made.action], v[1]) != 0) {
        made.action++;
    }
    rlt_buf_append(list, &made, sizeof made);
    return RLT_OK;
}

static void add_decisions(rlt_chart *chart, const decision *list, size_t count) {
    for (int action = 0; action < (int)RLT_COUNT(action_labels); action++) {
        size_t these = 0;
        char label[64];
        for (size_t i = 0; i < count; i++) {
            these += list[i].action == action;
        }
        if (these == 0) {
            continue;
        }
        snprintf(label, sizeof label, "%s (%zu)", action_labels[action], these);
        rlt_series *series = rlt_chart_add(chart, label, RLT_FORM_POINTS, these);
        for (size_t i = 0; i < count; i++) {
            if (list[i].action == action) {
                rlt_chart_point(series, list[i].step, list[i].value);
            }
        }
    }
}

/* The newest threshold of each step as a short line; rows come by step, then in the order of time.
 * Half its length is a part of the axis, or of the step on a log axis. */
static void add_thresholds(rlt_chart *chart, const decision *list, size_t count) {
    static const double part = 0.015;
    bool log_x = chart->plot.x_scale.log;
    double first = list[0].step, last = list[count - 1].step, newest = NAN;
    rlt_series *series = rlt_chart_add(chart, "newest threshold", RLT_FORM_LINE, 3 * count);
    series->highlight = true;
    for (size_t i = 0; i < count; i++) {
        double step = list[i].step;
        newest = isnan(list[i].threshold) ? newest : list[i].threshold;
        if (i + 1 == count || list[i + 1].step != step) {
            double half = log_x          ? step * part * log(last / first)
                          : last > first ? part * (last - first)
                                         : fabs(step) * part / 10;
            if (!isnan(newest)) {
                rlt_chart_point(series, step - half, newest);
                rlt_chart_point(series, step + half, newest);
                rlt_chart_point(series, NAN, NAN);
            }
            newest = NAN;
        }
    }
}

static const char decisions_sql[] =
    "SELECT printf('%!.17g', coalesce(seconds, step)) AS at, action, CASE WHEN value IS NOT NULL "
    "THEN printf('%!.17g', value) END,"
    " CASE WHEN threshold IS NOT NULL THEN printf('%!.17g', threshold) END, seconds IS NOT NULL"
    " FROM (SELECT d.id, d.step, d.action, json_extract(d.numbers_json, '$.time_total_s') AS"
    " seconds, json_extract(d.numbers_json, '$.threshold') AS threshold,"
    " coalesce(json_extract(d.numbers_json, '$.value'), (SELECT m.value FROM metrics m"
    "  JOIN metric_names n ON n.id = m.name JOIN objectives o ON o.metric = n.name"
    "  WHERE m.trial = t.id AND m.step = d.step AND o.experiment = t.experiment"
    "  AND o.position = 0)) AS value"
    " FROM decisions d JOIN trials t ON t.id = d.trial WHERE t.experiment = ?1"
    " AND d.decider <> 'race')" /* it judges configurations, not steps */
    " ORDER BY coalesce(seconds, step), id";

static rlt_status draw_rungs(const rlt_report *report, const decision *list, size_t count,
                             rlt_err *err) {
    rlt_chart chart;
    rlt_chart_init(&chart, report, "rungs", "rungs");
    snprintf(chart.y_label, sizeof chart.y_label, "%s", report->experiment.metric);
    chart.plot.x_scale.log = list[0].step > 0 && list[count - 1].step > 2 * list[0].step;
    snprintf(chart.x_label, sizeof chart.x_label, "%s of the decision%s",
             list[0].timed ? "second" : "step", chart.plot.x_scale.log ? " (log scale)" : "");
    add_decisions(&chart, list, count);
    add_thresholds(&chart, list, count);
    rlt_status status = rlt_chart_put(&chart, err);
    rlt_chart_close(&chart);
    return status;
}

rlt_status rlt_chart_rungs(const rlt_report *report, const rlt_samples *samples, rlt_err *err) {
    (void)samples;
    rlt_buf rows = {0};
    rlt_status status = rlt_store_query(report->store, decisions_sql, &report->experiment.id, 1,
                                        visit_decision, &rows, err);
    const decision *list = (const decision *)(const void *)rows.data;
    size_t count = rows.size / sizeof *list;
    if (status == RLT_OK && count == 0) {
        status = rlt_fail(err, RLT_ENOTFOUND,
                          "experiment %lld has no decisions of a stopper to draw; "
                          "`rltune plot %lld` draws its curves",
                          (long long)report->experiment.id, (long long)report->experiment.id);
    }
    if (status == RLT_OK) {
        status = draw_rungs(report, list, count, err);
    }
    rlt_buf_fini(&rows);
    return status;
}

/* ---- timeline ---- */

/* While a trial ran, and how that ended (an index of rlt_report_states). */
typedef struct stretch {
    int row, end;
    double from, to;
} stretch;

typedef struct timeline {
    rlt_buf stretches;
    int64_t trial, last_ms, first_ms;
    int row, running_end;
    bool open;
    double from;
} timeline;

static int state_index(const char *state) {
    int i = 0;
    while (rlt_report_states[i + 1] != NULL && strcmp(rlt_report_states[i], state) != 0) {
        i++;
    }
    return i;
}

static void close_stretch(timeline *t, double to, int end) {
    if (t->open) {
        stretch made = {t->row, end, t->from, to};
        rlt_buf_append(&t->stretches, &made, sizeof made);
    }
    t->open = false;
}

static rlt_status visit_transition(void *user, int columns, const char *const *names,
                                   const char *const *v, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    timeline *t = user;
    int64_t trial = strtoll(v[0], NULL, 10), at = strtoll(v[2], NULL, 10);
    if (trial != t->trial) {
        close_stretch(t, NAN, t->running_end);
        t->trial = trial;
        t->row++;
    }
    close_stretch(t, (double)at, state_index(v[1]));
    t->open = strcmp(v[1], "running") == 0;
    t->from = (double)at;
    t->first_ms = t->first_ms == 0 || at < t->first_ms ? at : t->first_ms;
    t->last_ms = at > t->last_ms ? at : t->last_ms;
    return RLT_OK;
}

/* A unit in which the whole fits. */
static double unit_of(double seconds, const char **name) {
    *name = seconds < 600 ? "seconds" : seconds < 7200 ? "minutes" : "hours";
    return seconds < 600 ? 1 : seconds < 7200 ? 60 : 3600;
}

static void add_stretches(rlt_chart *chart, const timeline *t, double now) {
    const stretch *list = (const stretch *)(const void *)t->stretches.data;
    size_t count = t->stretches.size / sizeof *list;
    const char *unit_name;
    double unit = 1000 * unit_of((now - (double)t->first_ms) / 1000, &unit_name);
    snprintf(chart->x_label, sizeof chart->x_label, "%s since the first trial", unit_name);
    for (int state = 0; rlt_report_states[state] != NULL; state++) {
        rlt_series *series = NULL;
        for (size_t i = 0; i < count; i++) {
            if (list[i].end != state) {
                continue;
            }
            if (series == NULL) {
                series = rlt_chart_add(chart,
                                       strcmp(rlt_report_states[state], "pending") == 0
                                           ? "started again"
                                           : rlt_report_states[state],
                                       RLT_FORM_LINE, 3 * count);
            }
            double to = isnan(list[i].to) ? now : list[i].to;
            rlt_chart_point(series, (list[i].from - (double)t->first_ms) / unit, list[i].row);
            rlt_chart_point(series, (to - (double)t->first_ms) / unit, list[i].row);
            rlt_chart_point(series, NAN, NAN);
        }
    }
}

rlt_status rlt_chart_timeline(const rlt_report *report, const rlt_samples *samples, rlt_err *err) {
    (void)samples;
    timeline t = {.trial = -1, .row = -1, .running_end = state_index("running")};
    rlt_status status = rlt_store_query(
        report->store,
        "SELECT t.id, r.to_state, r.wall_ms FROM transitions r JOIN trials t ON t.id = r.trial"
        " WHERE t.experiment = ?1 ORDER BY t.role DESC, t.number, r.id",
        &report->experiment.id, 1, visit_transition, &t, err);
    close_stretch(&t, NAN, t.running_end);
    if (status == RLT_OK && t.stretches.size == 0) {
        status = rlt_fail(err, RLT_ENOTFOUND, "no trial of experiment %lld has been started yet",
                          (long long)report->experiment.id);
    }
    if (status == RLT_OK) {
        rlt_chart chart;
        rlt_chart_init(&chart, report, "timeline", "timeline");
        bool finals = report->trial_count > report->search_count;
        snprintf(chart.y_label, sizeof chart.y_label, "%s",
                 finals ? "trial (final runs last)" : "trial");
        chart.plot.y_scale.whole = true;
        add_stretches(&chart, &t, (double)(report->alive ? rlt_wall_ms() : t.last_ms));
        status = rlt_chart_put(&chart, err);
        rlt_chart_close(&chart);
    }
    rlt_buf_fini(&t.stretches);
    return status;
}
