/* cli, reporting: which trial is better, what the finals say. The order is that of the view
 * "leaderboard". Thread: main only. */
#include "cli/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool rlt_report_has_score(const rlt_report_trial *trial) {
    return strcmp(trial->state, "failed") != 0 && !isnan(trial->value);
}

typedef struct ranked {
    int index;
    bool scored;
    double score; /* larger is better */
    double violation;
    int64_t number;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    const ranked *left = a, *right = b;
    if (left->scored != right->scored) {
        return left->scored ? -1 : 1;
    }
    if (left->scored && left->score != right->score) {
        return left->score > right->score ? -1 : 1;
    }
    if (left->violation != right->violation) {
        return left->violation < right->violation ? -1 : 1;
    }
    return (left->number > right->number) - (left->number < right->number);
}

static double score_of(const rlt_report *report, const rlt_report_trial *trial) {
    return report->experiment.maximise ? trial->value : -trial->value;
}

/* Its place among the others: by its score, or with several objectives by its front. */
static ranked place_of(const rlt_report *report, int i, const int *fronts) {
    const rlt_report_trial *trial = &report->trials[i];
    double violation = rlt_report_violation(report, trial);
    bool several = report->objective_count > 1;
    return (ranked){.index = i,
                    .scored =
                        several ? fronts[i] > 0 : rlt_report_has_score(trial) && violation == 0,
                    .score = several ? -fronts[i] : score_of(report, trial),
                    .violation = violation,
                    .number = trial->number};
}

static void fill_fronts(rlt_report *report, const ranked *list) {
    for (int i = 0; i < report->search_count; i++) {
        report->ranks[list[i].index] = list[i].scored ? (int)-list[i].score : 0;
    }
}

void rlt_report_rank_all(rlt_report *report) {
    size_t room = (size_t)report->trial_count;
    report->order = rlt_alloc(sizeof *report->order * room);
    report->ranks = rlt_alloc(sizeof *report->ranks * room);
    if (rlt_report_rank_replicates(report)) {
        return;
    }
    ranked *list = rlt_alloc(sizeof *list * room);
    int *fronts = rlt_alloc(sizeof *fronts * room);
    int count = 0;
    if (report->objective_count > 1) {
        rlt_report_fronts(report, fronts);
    }
    for (int i = 0; i < report->trial_count; i++) {
        if (strcmp(report->trials[i].role, "search") == 0) {
            list[count++] = place_of(report, i, fronts);
        }
    }
    qsort(list, (size_t)count, sizeof *list, compare_ranked);
    for (int i = 0; i < count; i++) {
        bool tie = i > 0 && list[i].score == list[i - 1].score;
        report->order[i] = list[i].index;
        report->ranks[list[i].index] = !list[i].scored ? 0
                                       : tie           ? report->ranks[list[i - 1].index]
                                                       : i + 1;
    }
    report->search_count = report->order_count = count;
    if (report->objective_count > 1) {
        fill_fronts(report, list);
    }
    rlt_free(fronts);
    rlt_free(list);
}

int rlt_report_rank(const rlt_report *report, const rlt_report_trial *trial) {
    return report->ranks[trial - report->trials];
}

const rlt_report_trial *rlt_report_best(const rlt_report *report) {
    const rlt_report_trial *first =
        report->order_count > 0 ? &report->trials[report->order[0]] : NULL;
    return first != NULL && rlt_report_rank(report, first) == 1 ? first : NULL;
}

rlt_status rlt_report_find_trial(const rlt_report *report, const char *role, int64_t number,
                                 const rlt_report_trial **trial, rlt_err *err) {
    int count = 0;
    for (int i = 0; i < report->trial_count; i++) {
        if (strcmp(report->trials[i].role, role) != 0) {
            continue;
        }
        if (report->trials[i].number == number) {
            *trial = &report->trials[i];
            return RLT_OK;
        }
        count++;
    }
    return rlt_fail(err, RLT_ENOTFOUND,
                    "%s: experiment %lld has no %s trial %lld; it has %d, numbered from 0",
                    report->path, (long long)report->experiment.id, role, (long long)number, count);
}

bool rlt_report_is_final(const rlt_report *report, const rlt_report_trial *trial) {
    if (strcmp(trial->role, "final") != 0) {
        return false;
    }
    const rlt_report_trial *newest = trial; /* of an earlier winner there may be some as well */
    for (int i = 0; i < report->trial_count; i++) {
        const rlt_report_trial *at = &report->trials[i];
        newest = strcmp(at->role, "final") == 0 && at->number > newest->number ? at : newest;
    }
    return trial->configuration == newest->configuration;
}

int rlt_report_finals(const rlt_report *report, double *mean, double *deviation) {
    int count = 0;
    double average = 0, squares = 0; /* Welford 1962 */
    for (int i = 0; i < report->trial_count; i++) {
        const rlt_report_trial *trial = &report->trials[i];
        if (rlt_report_is_final(report, trial) && rlt_report_has_score(trial)) {
            double before = trial->value - average;
            average += before / ++count;
            squares += before * (trial->value - average);
        }
    }
    *mean = count > 0 ? average : NAN;
    *deviation = count > 1 ? sqrt(squares / (count - 1)) : NAN;
    return count;
}

rlt_status rlt_report_trial_json(const rlt_report *report, const rlt_report_trial *trial,
                                 bool with_config, json_t **object, rlt_err *err) {
    rlt_trial_texts texts;
    *object = NULL;
    RLT_TRY(rlt_report_texts(report, trial, &texts, err));
    int rank = rlt_report_rank(report, trial);
    *object =
        json_pack("{s:I, s:s, s:o, s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:s, s:I}",
                  "number", (json_int_t)trial->number, "role", trial->role, "rank",
                  rank > 0 ? json_integer(rank) : json_null(), "state", trial->state, "reason",
                  texts.reason, "seed", (json_int_t)trial->seed, "attempts",
                  (json_int_t)trial->attempt, "steps", (json_int_t)trial->steps, "value",
                  rlt_report_real(trial->value), "best", rlt_report_real(trial->best), "wall_s",
                  rlt_report_real(trial->wall_s), "params", rlt_report_parse(texts.params_json),
                  "origin", texts.origin, "since", (json_int_t)texts.since);
    rlt_report_add_values(report, trial, *object);
    if (strcmp(trial->role, "final") == 0) {
        json_object_set_new(*object, "configuration", json_integer(trial->configuration));
    } else if (report->replicates != NULL) {
        json_object_set_new(*object, "configuration", json_integer(trial->configuration));
        json_object_set_new(*object, "replicate", json_integer(trial->replicate));
    }
    if (with_config) {
        json_object_set_new(*object, "config", rlt_report_parse(texts.config_json));
    }
    rlt_trial_texts_fini(&texts);
    return RLT_OK;
}
