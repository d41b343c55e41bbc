/* plot: learning curves, or another kind of picture, in the terminal or as an SVG file.
 * Thread: main only. */
#include "cli/charts.h"
#include "cli/importance.h"

#include <stdlib.h>
#include <string.h>

const rlt_cli_option rlt_cli_plot_options[] = {
    {"--kind",
     "curves|history|importance|slice|contour|parallel|edf|rungs|timeline|front|hypervolume",
     "what to draw (default: curves)"},
    RLT_REPORT_METRIC_OPTION,
    {"--param", "NAME", "slice, contour, parallel: this parameter; may be repeated"},
    RLT_IMPORTANCE_OPTIONS,
    {"--trials", "LIST", "only these trials, e.g. 0,3,7"},
    {"--top", "K", "only the K best trials"},
    {"--final", NULL, "the final runs (the winner trained again) instead of the search"},
    {"--svg", "FILE", "write an SVG file instead"},
    {"--out", "FILE", "the same"},
    {"--width", "N", "its width in pixels (default: 800)"},
    {"--height", "N", "its height in pixels (default: 450)"},
    RLT_CLI_DB_OPTION,
    RLT_CLI_JSON_OPTION,
    {0}};

typedef struct selection {
    const rlt_report_trial **trials;
    size_t count;
} selection;

static rlt_status select_listed(const rlt_report *report, const char *list, const char *role,
                                selection *chosen, rlt_err *err) {
    for (const char *at = list; at != NULL;) {
        const char *comma = strchr(at, ',');
        char word[32];
        int64_t number = 0;
        snprintf(word, sizeof word, "%.*s", (int)(comma ? comma - at : (long)strlen(at)), at);
        RLT_TRY(rlt_cli_integer(&report->args, "--trials", word, 0, INT64_MAX, &number, err));
        const rlt_report_trial *trial = NULL;
        RLT_TRY(rlt_report_find_trial(report, role, number, &trial, err));
        bool known = false;
        for (size_t i = 0; i < chosen->count; i++) {
            known |= chosen->trials[i] == trial;
        }
        if (!known) {
            chosen->trials[chosen->count++] = trial;
        }
        at = comma != NULL ? comma + 1 : NULL;
    }
    return RLT_OK;
}

static void select_best(const rlt_report *report, int64_t top, selection *chosen) {
    for (int i = 0; i < report->order_count && i < top; i++) {
        chosen->trials[chosen->count++] = &report->trials[report->order[i]];
    }
}

static rlt_status select_trials(const rlt_report *report, selection *chosen, rlt_err *err) {
    bool final = rlt_cli_flag(&report->args, "--final");
    const char *list = rlt_cli_value(&report->args, "--trials");
    int64_t top = INT64_MAX;
    RLT_TRY(rlt_cli_option_integer(&report->args, "--top", 1, INT64_MAX, &top, err));
    chosen->trials = rlt_alloc(sizeof *chosen->trials * (size_t)report->trial_count);
    if (list != NULL) {
        return select_listed(report, list, final ? "final" : "search", chosen, err);
    }
    if (!final) {
        select_best(report, top, chosen);
        return RLT_OK;
    }
    for (int i = 0; i < report->trial_count; i++) {
        if (rlt_report_is_final(report, &report->trials[i])) {
            chosen->trials[chosen->count++] = &report->trials[i];
        }
    }
    return RLT_OK;
}

static rlt_status put_json(const rlt_curve *curves, size_t count, const char *metric,
                           rlt_err *err) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const rlt_report_trial *trial = curves[i].trial;
        json_array_append_new(list, json_pack("{s:s, s:I, s:o}", "role", trial->role, "trial",
                                              (json_int_t)trial->number, "points",
                                              rlt_curve_json(&curves[i])));
    }
    return rlt_report_print_json(json_pack("{s:s, s:o}", "metric", metric, "curves", list), err);
}

static rlt_status put(const rlt_report *report, const rlt_curve *curves, size_t count,
                      const char *metric, rlt_err *err) {
    rlt_chart_target target;
    RLT_TRY(rlt_chart_target_of(report, &target, err));
    rlt_curve_style style = {.screen = target.path == NULL ? &target.screen : NULL,
                             .svg_width = target.width,
                             .svg_height = target.height};
    char title[192];
    snprintf(title, sizeof title, "%s (experiment %lld)", report->experiment.name,
             (long long)report->experiment.id);
    rlt_buf out = {0};
    rlt_curves_draw(report, curves, count, title, metric, &style, &out);
    return rlt_chart_write(&target, &out, err);
}

/* Curves without a point are left out; the winner is drawn last, in the accent colour. */
static rlt_status plot_selection(const rlt_report *report, const selection *chosen,
                                 const char *metric, rlt_err *err) {
    const rlt_report_trial *best = rlt_report_best(report);
    rlt_curve *curves = rlt_alloc(sizeof *curves * chosen->count);
    rlt_status status = RLT_OK;
    size_t count = 0;
    for (size_t i = 0; i < chosen->count && status == RLT_OK; i++) {
        status = rlt_curve_load(report->store, chosen->trials[i], metric, &curves[count], err);
        curves[count].highlight = chosen->trials[i] == best && chosen->count > 1;
        if (curves[count].count > 0) {
            count++;
        }
    }
    if (status == RLT_OK) {
        status = count == 0     ? rlt_curve_fail_empty(report, metric, err)
                 : report->json ? put_json(curves, count, metric, err)
                                : put(report, curves, count, metric, err);
    }
    for (size_t i = 0; i < count; i++) {
        rlt_curve_fini(&curves[i]);
    }
    rlt_free(curves);
    return status;
}

static rlt_status plot_curves(const rlt_report *report, rlt_err *err) {
    const char *given = rlt_cli_value(&report->args, "--metric");
    selection chosen = {0};
    rlt_status status = select_trials(report, &chosen, err);
    if (status == RLT_OK) {
        status =
            plot_selection(report, &chosen, given != NULL ? given : report->experiment.metric, err);
    }
    rlt_free(chosen.trials);
    return status;
}

rlt_status rlt_cli_plot(int argc, char **argv, rlt_err *err) {
    rlt_report report;
    bool drawn = false;
    RLT_TRY(rlt_report_open(&report, "plot", argc, argv, err));
    rlt_status status = rlt_chart_draw_kind(&report, &drawn, err);
    if (status == RLT_OK && !drawn) {
        status = plot_curves(&report, err);
    }
    rlt_report_close(&report);
    return status;
}
