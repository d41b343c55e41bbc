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

/* Runs drawn anew within each task: independently, so that tasks are strata. */
static void resample(const rlt_scores *scores, rlt_rng *rng, double *out) {
    for (int i = 0; i < scores->runs; i++) {
        for (int k = 0; k < scores->tasks; k++) {
            uint32_t run = rlt_rng_below(rng, (uint32_t)scores->runs);
            out[i * scores->tasks + k] = scores->values[(int)run * scores->tasks + k];
        }
    }
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

rlt_estimate rlt_iqm_estimate(const rlt_scores *scores, const rlt_bootstrap *options) {
    rlt_estimate estimate = {rlt_iqm(scores), NAN, NAN};
    if (scores->runs < 2) {
        return estimate;
    }
    int count = scores->runs * scores->tasks, times = repetitions_of(options);
    rlt_rng rng = rlt_rng_make(options->seed, RLT_STREAM_SHUFFLE, 0);
    double *drawn = rlt_alloc(sizeof *drawn * (size_t)count);
    double *means = rlt_alloc(sizeof *means * (size_t)times);
    for (int i = 0; i < times; i++) {
        resample(scores, &rng, drawn);
        means[i] = trimmed_mean(drawn, count);
    }
    set_interval(means, times, confidence_of(options), &estimate);
    rlt_free(drawn);
    rlt_free(means);
    return estimate;
}

double rlt_improvement(const rlt_scores *x, const rlt_scores *y) {
    RLT_ASSERT(x->tasks == y->tasks);
    double sum = 0;
    for (int k = 0; k < x->tasks; k++) {
        int64_t halves = 0;
        for (int i = 0; i < x->runs; i++) {
            double mine = x->values[i * x->tasks + k];
            for (int j = 0; j < y->runs; j++) {
                double other = y->values[j * y->tasks + k];
                halves += mine > other ? 2 : mine == other;
            }
        }
        sum += (double)halves / 2 / ((double)x->runs * y->runs);
    }
    return sum / x->tasks;
}

rlt_estimate rlt_improvement_estimate(const rlt_scores *x, const rlt_scores *y,
                                      const rlt_bootstrap *options) {
    rlt_estimate estimate = {rlt_improvement(x, y), NAN, NAN};
    if (x->runs < 2 || y->runs < 2) {
        return estimate;
    }
    int times = repetitions_of(options);
    rlt_rng rng = rlt_rng_make(options->seed, RLT_STREAM_SHUFFLE, 1);
    double *drawn_x = rlt_alloc(sizeof(double) * (size_t)(x->runs * x->tasks));
    double *drawn_y = rlt_alloc(sizeof(double) * (size_t)(y->runs * y->tasks));
    double *found = rlt_alloc(sizeof *found * (size_t)times);
    for (int i = 0; i < times; i++) {
        resample(x, &rng, drawn_x);
        resample(y, &rng, drawn_y);
        found[i] = rlt_improvement(&(rlt_scores){drawn_x, x->runs, x->tasks},
                                   &(rlt_scores){drawn_y, y->runs, y->tasks});
    }
    set_interval(found, times, confidence_of(options), &estimate);
    rlt_free(drawn_x);
    rlt_free(drawn_y);
    rlt_free(found);
    return estimate;
}
