/* cli, reporting: configurations with several seeds (tune.seeds): what their replicates amount to,
 * their order, how sure it is. The order is that of the view "configurations" and of the tuner.
 * Thread: main only. */
#include "cli/report.h"
#include "tuner/tuner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const aggregates[] = {
    [RLT_AGGREGATE_IQM] = "iqm",
    [RLT_AGGREGATE_MEAN] = "mean",
    [RLT_AGGREGATE_MEDIAN] = "median",
    [RLT_AGGREGATE_WORST] = "worst",
};

static int read_config(rlt_report *report) {
    json_t *config = rlt_report_parse(report->experiment.config_json);
    const json_t *tune = json_object_get(config, "tune");
    const char *name = json_string_value(json_object_get(tune, "aggregate"));
    int kind = RLT_AGGREGATE_IQM;
    for (int i = 0; name != NULL && i < (int)RLT_COUNT(aggregates); i++) {
        kind = strcmp(aggregates[i], name) == 0 ? i : kind;
    }
    report->seeds = json_integer_value(json_object_get(tune, "seeds"));
    report->aggregate = aggregates[kind];
    json_decref(config);
    return kind;
}

static bool has_ended(const rlt_report_trial *trial) {
    return strcmp(trial->state, "completed") == 0 || strcmp(trial->state, "stopped") == 0 ||
           strcmp(trial->state, "failed") == 0;
}

/* Search trials come in the order of number, so that a configuration's first one comes first. */
static rlt_seed_group *find_or_add(rlt_report *report, int i) {
    const rlt_report_trial *trial = &report->trials[i];
    int64_t low = 0, high = report->replicates_count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (report->replicates[middle].configuration < trial->configuration) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool known = low < report->replicates_count &&
                 report->replicates[low].configuration == trial->configuration;
    if (!known) {
        low = report->replicates_count++;
        report->replicates[low] = (rlt_seed_group){
            .configuration = trial->configuration, .first = i, .value = NAN, .state = "completed"};
    }
    report->replicates_of[i] = (int)low;
    return &report->replicates[low];
}

static void count_trial(const rlt_report *report, const rlt_report_trial *trial,
                        rlt_seed_group *r) {
    bool failed = strcmp(trial->state, "failed") == 0;
    r->count++;
    r->completed += strcmp(trial->state, "completed") == 0;
    r->failed += failed;
    r->measured += has_ended(trial) && !failed && !isnan(trial->value);
    r->steps += trial->steps;
    r->wall_s += isnan(trial->wall_s) ? 0 : trial->wall_s;
    r->violation =
        has_ended(trial) ? fmax(r->violation, rlt_report_violation(report, trial)) : r->violation;
    if (!has_ended(trial)) {
        r->state = "running";
    } else if (strcmp(r->state, "running") != 0 && strcmp(r->state, "failed") != 0 &&
               strcmp(trial->state, "completed") != 0) {
        r->state = failed ? "failed" : "stopped";
    }
}

static void collect_values(rlt_report *report, int kind) {
    double *next = report->replicate_values;
    for (int c = 0; c < report->replicates_count; c++) {
        report->replicates[c].values = next;
        next += report->replicates[c].measured;
        report->replicates[c].measured = 0;
    }
    for (int i = 0; i < report->trial_count; i++) {
        const rlt_report_trial *trial = &report->trials[i];
        int c = report->replicates_of[i];
        if (c >= 0 && has_ended(trial) && strcmp(trial->state, "failed") != 0 &&
            !isnan(trial->value)) {
            rlt_seed_group *r = &report->replicates[c];
            r->values[r->measured++] = trial->value;
        }
    }
    for (int c = 0; c < report->replicates_count; c++) {
        rlt_seed_group *r = &report->replicates[c];
        r->value = r->measured > 0
                       ? rlt_aggregate(kind, r->values, r->measured, report->experiment.maximise)
                       : NAN;
    }
}

static bool is_scored(const rlt_seed_group *r) {
    return r->failed == 0 && r->violation == 0 && !isnan(r->value);
}

typedef struct placed {
    const rlt_seed_group *r;
    double score;
} placed;

/* < 0: a is better; 0: as good. */
static int compare_scores(const placed *a, const placed *b) {
    if (is_scored(a->r) != is_scored(b->r)) {
        return is_scored(a->r) ? -1 : 1;
    }
    if (!is_scored(a->r)) {
        return (a->r->violation > b->r->violation) - (a->r->violation < b->r->violation);
    }
    if (a->r->completed != b->r->completed) {
        return b->r->completed - a->r->completed;
    }
    return a->r->measured != b->r->measured ? b->r->measured - a->r->measured
                                            : (a->score < b->score) - (a->score > b->score);
}

static int compare_placed(const void *a, const void *b) {
    const placed *left = a, *right = b;
    int order = compare_scores(left, right);
    return order != 0 ? order
                      : (left->r->configuration > right->r->configuration) -
                            (left->r->configuration < right->r->configuration);
}

static void fill_order(rlt_report *report) {
    int count = report->replicates_count;
    placed *list = rlt_alloc(sizeof *list * (size_t)(count + 1));
    int *ranks = rlt_alloc(sizeof *ranks * (size_t)(count + 1));
    for (int c = 0; c < count; c++) {
        double value = report->replicates[c].value;
        list[c] = (placed){&report->replicates[c], report->experiment.maximise ? value : -value};
    }
    qsort(list, (size_t)count, sizeof *list, compare_placed);
    for (int i = 0; i < count; i++) {
        long c = list[i].r - report->replicates;
        bool tie = i > 0 && compare_scores(&list[i - 1], &list[i]) == 0;
        report->order[i] = list[i].r->first;
        ranks[c] = !is_scored(list[i].r) ? 0
                   : tie                 ? ranks[list[i - 1].r - report->replicates]
                                         : i + 1;
    }
    for (int i = 0; i < report->trial_count; i++) {
        report->ranks[i] = report->replicates_of[i] < 0 ? 0 : ranks[report->replicates_of[i]];
    }
    report->order_count = count;
    rlt_free(ranks);
    rlt_free(list);
}

bool rlt_report_rank_replicates(rlt_report *report) {
    size_t room = (size_t)report->trial_count + 1;
    int kind = read_config(report);
    if (report->seeds < 2) {
        return false;
    }
    report->replicates = rlt_alloc(sizeof *report->replicates * room);
    report->replicates_of = rlt_alloc(sizeof *report->replicates_of * room);
    report->replicate_values = rlt_alloc(sizeof(double) * room);
    for (int i = 0; i < report->trial_count; i++) {
        report->replicates_of[i] = -1;
        if (strcmp(report->trials[i].role, "search") == 0) {
            count_trial(report, &report->trials[i], find_or_add(report, i));
            report->search_count++;
        }
    }
    collect_values(report, kind);
    fill_order(report);
    return true;
}

void rlt_report_close_replicates(rlt_report *report) {
    rlt_free(report->replicates);
    rlt_free(report->replicates_of);
    rlt_free(report->replicate_values);
}

const rlt_seed_group *rlt_report_replicates(const rlt_report *report,
                                            const rlt_report_trial *trial) {
    int index = report->replicates != NULL ? report->replicates_of[trial - report->trials] : -1;
    return index >= 0 ? &report->replicates[index] : NULL;
}

rlt_estimate rlt_report_interval(const rlt_seed_group *r) {
    return rlt_iqm_estimate(&(rlt_scores){r->values, r->measured, 1}, &(rlt_bootstrap){0});
}

void rlt_report_replicates_text(const rlt_report *report, const rlt_seed_group *r, rlt_buf *text) {
    char low[32], high[32];
    rlt_estimate interval = rlt_report_interval(r);
    rlt_buf_printf(text, "%s of %d seed%s", report->aggregate, r->measured,
                   r->measured == 1 ? "" : "s");
    if (!isnan(interval.low)) {
        rlt_buf_printf(text, ", 95 %% interval%s %s to %s",
                       strcmp(report->aggregate, "iqm") == 0 ? "" : " of the iqm",
                       rlt_report_value(interval.low, low), rlt_report_value(interval.high, high));
    }
}

rlt_status rlt_report_replicates_json(const rlt_report *report, const rlt_seed_group *r,
                                      json_t **object, rlt_err *err) {
    const rlt_report_trial *first = &report->trials[r->first];
    json_t *params;
    *object = NULL;
    RLT_TRY(rlt_report_params(report, first, &params, err));
    rlt_estimate interval = rlt_report_interval(r);
    json_t *values = json_array(), *trials = json_array();
    for (int i = 0; i < r->measured; i++) {
        json_array_append_new(values, rlt_report_real(r->values[i]));
    }
    for (int i = 0; i < report->trial_count; i++) {
        if (report->replicates_of[i] == r - report->replicates) {
            json_array_append_new(trials, json_integer(report->trials[i].number));
        }
    }
    int rank = rlt_report_rank(report, first);
    *object = json_pack(
        "{s:I, s:o, s:s, s:i, s:i, s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:o}",
        "configuration", (json_int_t)r->configuration, "rank",
        rank > 0 ? json_integer(rank) : json_null(), "state", r->state, "seeds", r->measured,
        "completed", r->completed, "failed", r->failed, "value", rlt_report_real(r->value),
        "aggregate", report->aggregate, "iqm", rlt_report_real(interval.value), "low",
        rlt_report_real(interval.low), "high", rlt_report_real(interval.high), "values", values,
        "trials", trials, "steps", (json_int_t)r->steps, "params", params);
    return RLT_OK;
}

bool rlt_report_improvement(const rlt_report *report, const rlt_seed_group *pair[2],
                            rlt_estimate *probability) {
    rlt_scores scores[2];
    if (report->replicates == NULL || report->order_count < 2) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        pair[i] = rlt_report_replicates(report, &report->trials[report->order[i]]);
        scores[i] = (rlt_scores){pair[i]->values, pair[i]->measured, 1};
        if (!is_scored(pair[i])) {
            return false;
        }
    }
    bool maximise = report->experiment.maximise;
    *probability = rlt_improvement_estimate(&scores[maximise ? 0 : 1], &scores[maximise ? 1 : 0],
                                            &(rlt_bootstrap){0});
    return true;
}
