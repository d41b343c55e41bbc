/* analysis: interquartile means, probability of improvement, bootstrap intervals. Thread: any. */
#include "analysis/analysis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REPETITIONS = 2000 };

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Sorts `values`. */
static double trimmed_mean(double *values, int count) {
    int cut = count / 4;
    double sum = 0;
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    for (int i = cut; i < count - cut; i++) {
        sum += values[i];
    }
    return count > 0 ? sum / (count - 2 * cut) : NAN;
}

double rlt_iqm(const rlt_scores *scores) {
    int count = scores->runs * scores->tasks;
    double *copy = rlt_alloc(sizeof *copy * (size_t)(count + 1));
    memcpy(copy, scores->values, sizeof *copy * (size_t)count);
    double mean = trimmed_mean(copy, count);
    rlt_free(copy);
    return mean;
}

/* By linear interpolation between order statistics, as numpy.percentile. */
static double quantile(const double *sorted, int count, double at) {
    double place = at * (count - 1);
    int below = (int)floor(place), above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

static void set_interval(double *values, int count, double confidence, rlt_estimate *estimate) {
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    estimate->low = quantile(values, count, (1 - confidence) / 2);
    estimate->high = quantile(values, count, 1 - (1 - confidence) / 2);
}

static int repetitions_of(const rlt_bootstrap *options) {
    return options->repetitions > 0 ? options->repetitions : REPETITIONS;
}

static double confidence_of(const rlt_bootstrap *options) {
    return options->confidence > 0 ? options->confidence : 0.95;
}

typedef struct placed {
    double value;
    int index;
} placed;

static int compare_placed(const void *a, const void *b) {
    return compare_doubles(&((const placed *)a)->value, &((const placed *)b)->value);
}

/* place[i]: how many different values are below values[i]. So samples drawn from them can be
 * counted instead of sorted. distinct[] (may be NULL) gets those values; returns how many there
 * are. */
static int place_values(const double *values, int count, int *place, double *distinct) {
    placed *sorted = rlt_alloc(sizeof *sorted * (size_t)(count + 1));
    int kinds = 0;
    for (int i = 0; i < count; i++) {
        sorted[i] = (placed){values[i], i};
    }
    qsort(sorted, (size_t)count, sizeof *sorted, compare_placed);
    for (int i = 0; i < count; i++) {
        kinds += i == 0 || sorted[i].value != sorted[i - 1].value;
        place[sorted[i].index] = kinds - 1;
        if (distinct != NULL) {
            distinct[kinds - 1] = sorted[i].value;
        }
    }
    rlt_free(sorted);
    return kinds;
}

static double counted_trimmed_mean(const double *distinct, const int *counts, int kinds,
                                   int count) {
    int cut = count / 4, below = 0;
    double sum = 0;
    for (int i = 0; i < kinds; i++) {
        int from = below < cut ? cut : below, to = below + counts[i];
        to = to > count - cut ? count - cut : to;
        sum += to > from ? (to - from) * distinct[i] : 0;
        below += counts[i];
    }
    return sum / (count - 2 * cut);
}

rlt_estimate rlt_iqm_estimate(const rlt_scores *scores, const rlt_bootstrap *options) {
    rlt_estimate estimate = {rlt_iqm(scores), NAN, NAN};
    if (scores->runs < 2) {
        return estimate;
    }
    int count = scores->runs * scores->tasks, times = repetitions_of(options);
    rlt_rng rng = rlt_rng_make(options->seed, RLT_STREAM_SHUFFLE, 0);
    int *place = rlt_alloc(sizeof *place * (size_t)count);
    int *counts = rlt_alloc(sizeof *counts * (size_t)count);
    double *distinct = rlt_alloc(sizeof *distinct * (size_t)count);
    double *means = rlt_alloc(sizeof *means * (size_t)times);
    int kinds = place_values(scores->values, count, place, distinct);
    for (int i = 0; i < times; i++) {
        memset(counts, 0, sizeof *counts * (size_t)kinds);
        for (int k = 0; k < count; k++) { /* runs drawn anew within each task: tasks are strata */
            int run = (int)rlt_rng_below(&rng, (uint32_t)scores->runs);
            counts[place[run * scores->tasks + k % scores->tasks]]++;
        }
        means[i] = counted_trimmed_mean(distinct, counts, kinds, count);
    }
    set_interval(means, times, confidence_of(options), &estimate);
    rlt_free(place);
    rlt_free(counts);
    rlt_free(distinct);
    rlt_free(means);
    return estimate;
}

/* One task of both: its runs' values as places. */
typedef struct duel {
    int *place; /* [x_runs + y_runs] */
    int kinds, x_runs, y_runs;
    int *x_counts, *y_counts; /* [kinds] */
} duel;

static duel make_duel(const rlt_scores *x, const rlt_scores *y, int task) {
    int count = x->runs + y->runs;
    duel d = {.x_runs = x->runs, .y_runs = y->runs};
    double *values = rlt_alloc(sizeof *values * (size_t)(count + 1));
    d.place = rlt_alloc(sizeof(int) * (size_t)(count + 1));
    for (int i = 0; i < count; i++) {
        values[i] = i < x->runs ? x->values[i * x->tasks + task]
                                : y->values[(i - x->runs) * y->tasks + task];
    }
    d.kinds = place_values(values, count, d.place, NULL);
    d.x_counts = rlt_alloc(sizeof(int) * (size_t)(d.kinds + 1));
    d.y_counts = rlt_alloc(sizeof(int) * (size_t)(d.kinds + 1));
    rlt_free(values);
    return d;
}

static void end_duel(duel *d) {
    rlt_free(d->place);
    rlt_free(d->x_counts);
    rlt_free(d->y_counts);
}

/* Of the runs as they are (rng NULL), or drawn anew. */
static double improvement_in(duel *d, rlt_rng *rng) {
    memset(d->x_counts, 0, sizeof(int) * (size_t)d->kinds);
    memset(d->y_counts, 0, sizeof(int) * (size_t)d->kinds);
    for (int i = 0; i < d->x_runs; i++) {
        int run = rng != NULL ? (int)rlt_rng_below(rng, (uint32_t)d->x_runs) : i;
        d->x_counts[d->place[run]]++;
    }
    for (int i = 0; i < d->y_runs; i++) {
        int run = rng != NULL ? (int)rlt_rng_below(rng, (uint32_t)d->y_runs) : i;
        d->y_counts[d->place[d->x_runs + run]]++;
    }
    double won = 0, below = 0;
    for (int i = 0; i < d->kinds; i++) {
        won += d->x_counts[i] * (below + d->y_counts[i] / 2.0);
        below += d->y_counts[i];
    }
    return won / ((double)d->x_runs * d->y_runs);
}

static double improvement_over(duel *duels, int tasks, rlt_rng *rng) {
    double sum = 0;
    for (int k = 0; k < tasks; k++) {
        sum += improvement_in(&duels[k], rng);
    }
    return sum / tasks;
}

double rlt_improvement(const rlt_scores *x, const rlt_scores *y) {
    return rlt_improvement_estimate(x, y, &(rlt_bootstrap){.repetitions = 1}).value;
}

rlt_estimate rlt_improvement_estimate(const rlt_scores *x, const rlt_scores *y,
                                      const rlt_bootstrap *options) {
    RLT_ASSERT(x->tasks == y->tasks && x->tasks > 0);
    if (x->runs < 1 || y->runs < 1) {
        return (rlt_estimate){NAN, NAN, NAN};
    }
    duel *duels = rlt_alloc(sizeof *duels * (size_t)x->tasks);
    for (int k = 0; k < x->tasks; k++) {
        duels[k] = make_duel(x, y, k);
    }
    rlt_estimate estimate = {improvement_over(duels, x->tasks, NULL), NAN, NAN};
    if (x->runs > 1 && y->runs > 1) {
        int times = repetitions_of(options);
        rlt_rng rng = rlt_rng_make(options->seed, RLT_STREAM_SHUFFLE, 1);
        double *found = rlt_alloc(sizeof *found * (size_t)times);
        for (int i = 0; i < times; i++) {
            found[i] = improvement_over(duels, x->tasks, &rng);
        }
        set_interval(found, times, confidence_of(options), &estimate);
        rlt_free(found);
    }
    for (int k = 0; k < x->tasks; k++) {
        end_duel(&duels[k]);
    }
    rlt_free(duels);
    return estimate;
}
