/* analysis: PED-ANOVA. The density of the best trials in one parameter is compared with that of all
 * by the Pearson divergence, on a grid. A conditional parameter counts where it is there
 * (arXiv 2601.20800, theorem 4.2). Thread: any, no state. */
#include "analysis/analysis_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID_MAX = 64, GRID_STEPS = 50, TRIALS_LEAST = 2 };
_Static_assert(GRID_MAX >= GRID_STEPS && GRID_MAX >= (int)RLT_ANALYSIS_CHOICES_MAX, "room");
static const double PRIOR_WEIGHT = 1, FLOOR = 1e-12;

typedef struct grid {
    int size;
    int count[GRID_MAX]; /* trials in each cell */
} grid;

static int cells_of(const rlt_analysis_param *param) {
    int steps = GRID_STEPS;
    if (param->choices > 0) {
        return param->choices;
    }
    if (param->log && param->step > 0) {
        steps = (int)fmin(ceil(log(param->high - param->low + 1) / log(2)) + 1, GRID_STEPS);
    } else if (param->step > 0) {
        steps = (int)fmin(rint((param->high - param->low) / param->step) + 1, GRID_STEPS);
    }
    return steps > 2 ? steps : 2;
}

/* A value between two cells goes to the lower one. */
static int cell_of(const rlt_analysis_param *param, int size, double x) {
    if (param->choices > 0) {
        return x >= 0 && x < size ? (int)x : 0;
    }
    double low = param->log ? log(param->low) : param->low;
    double high = param->log ? log(param->high) : param->high;
    double place = ceil(((param->log ? log(x) : x) - low) / ((high - low) / (size - 1)) - 0.5);
    return (int)fmin(fmax(place, 0), size - 1);
}

/* P(a < z < b) for a standard normal z, without loss in the tails. */
static double normal_mass(double a, double b) {
    return a > 0 ? 0.5 * (erfc(a * M_SQRT1_2) - erfc(b * M_SQRT1_2))
                 : 0.5 * (erfc(-b * M_SQRT1_2) - erfc(-a * M_SQRT1_2));
}

/* Scott's rule on counted cells (Scott: "Multivariate Density Estimation", 1992). */
static double bandwidth(const grid *g) {
    int total = 0, running = 0, q1 = -1, q3 = -1, last = 0;
    double mean = 0, squares = 0;
    for (int i = 0; i < g->size; i++) {
        total += g->count[i];
        mean += (double)i * g->count[i];
    }
    mean /= total;
    for (int i = 0; i < g->size; i++) {
        if (g->count[i] > 0) {
            running += g->count[i];
            squares += g->count[i] * (i - mean) * (i - mean);
            q1 = q1 < 0 && running >= total / 4 ? i : q1;
            q3 = q3 < 0 && running > total * 3 / 4 ? i : q3;
            last = i;
        }
    }
    double range = (q3 < 0 ? last : q3) - q1;
    double deviation = sqrt(squares / (total > 2 ? total - 1 : 1));
    double sigma = 1.059 * fmin(range / 1.34, deviation) * pow(total, -0.2);
    return fmax(sigma, 0.5 / 1.64); /* 90 % of a kernel stay in its cell */
}

/* A kernel of discrete cells: the normal's mass in a cell, within the grid. */
static double kernel_numeric(int size, double mu, double sigma, int cell) {
    return normal_mass((cell - 0.5 - mu) / sigma, (cell + 0.5 - mu) / sigma) /
           normal_mass((-0.5 - mu) / sigma, (size - 0.5 - mu) / sigma);
}

static void density(const rlt_analysis_param *param, const grid *g, double *out) {
    int kernels = 1, total = 0;
    for (int i = 0; i < g->size; i++) {
        kernels += g->count[i] > 0;
        total += g->count[i];
    }
    double sigma = param->choices > 0 ? 0 : bandwidth(g), weight = total + PRIOR_WEIGHT;
    double spread = PRIOR_WEIGHT / kernels;
    for (int cell = 0; cell < g->size; cell++) {
        double prior = param->choices > 0
                           ? 1.0 / g->size
                           : kernel_numeric(g->size, (g->size - 1) / 2.0, g->size, cell);
        double sum = PRIOR_WEIGHT * prior;
        for (int i = 0; i < g->size; i++) {
            if (g->count[i] > 0) {
                double kernel = param->choices > 0 ? (spread + (i == cell)) / (1 + spread * g->size)
                                                   : kernel_numeric(g->size, i, sigma, cell);
                sum += g->count[i] * kernel;
            }
        }
        out[cell] = sum / weight + FLOOR;
    }
}

static double divergence(const rlt_analysis_param *param, const grid *top, const grid *region,
                         bool global) {
    double above[GRID_MAX], all[GRID_MAX], sum = 0;
    density(param, top, above);
    density(param, region, all);
    for (int i = 0; i < top->size; i++) {
        double base = global ? 1.0 / top->size : all[i];
        sum += base * (above[i] / base - 1) * (above[i] / base - 1);
    }
    return sum;
}

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The loss that the best `quantile` of trials reach. */
static double cutoff(const double *sorted, int count, double quantile) {
    int index = (int)ceil(quantile * count) - 1;
    return sorted[index < 0 ? 0 : index];
}

/* The trials with a loss, and which of them count. */
typedef struct losses {
    const int *kept;
    const double *of; /* [count], smaller is better */
    int count;
    double top, region; /* what at most counts */
} losses;

static int count_up_to(const losses *l, double most) {
    int count = 0;
    for (int i = 0; i < l->count; i++) {
        count += l->of[i] <= most;
    }
    return count;
}

static double raw_of(const rlt_analysis_data *data, int param, const losses *l, bool global) {
    grid top = {.size = cells_of(&data->params[param])}, region = top;
    int top_all = count_up_to(l, l->top), region_all = count_up_to(l, l->region);
    int top_here = 0, region_here = 0;
    for (int i = 0; i < l->count; i++) {
        double x = data->x[(size_t)l->kept[i] * (size_t)data->param_count + (size_t)param];
        if (isnan(x) || l->of[i] > l->region) {
            continue;
        }
        int cell = cell_of(&data->params[param], top.size, x);
        region.count[cell]++;
        region_here++;
        top.count[cell] += l->of[i] <= l->top;
        top_here += l->of[i] <= l->top;
    }
    if (region_here < TRIALS_LEAST || top_here == 0) {
        return 0;
    }
    double alpha = (double)top_here / top_all, beta = (double)region_here / region_all;
    double ratio = (double)top_all / region_all;
    return ratio * ratio * alpha * alpha / beta *
           divergence(&data->params[param], &top, &region, global);
}

static void compute(const rlt_analysis_data *data, const int *kept, int count, double target,
                    double region, bool global, rlt_importance *out) {
    size_t size = sizeof(double) * (size_t)count;
    double *of = rlt_alloc(size), *sorted = rlt_alloc(size);
    for (int i = 0; i < count; i++) {
        of[i] = data->maximise ? -data->values[kept[i]] : data->values[kept[i]];
    }
    memcpy(sorted, of, size);
    qsort(sorted, (size_t)count, sizeof *sorted, compare_doubles);
    losses l = {kept, of, count, cutoff(sorted, count, target), cutoff(sorted, count, region)};
    for (int j = 0; j < data->param_count; j++) {
        bool crowded = rlt_param_has_too_many(&data->params[j]);
        out[j] = (rlt_importance){.param = j, .deviation = NAN, .left_out = crowded};
        if (!crowded && !rlt_param_is_single(&data->params[j])) {
            out[j].raw = raw_of(data, j, &l, global);
        }
    }
    rlt_importance_finish(out, data->param_count);
    rlt_free(of);
    rlt_free(sorted);
}

rlt_status rlt_importance_ped_anova(const rlt_analysis_data *data,
                                    const rlt_ped_anova_options *options, rlt_importance *out,
                                    rlt_err *err) {
    double target = options->target == 0 ? 0.1 : options->target;
    double region = options->region == 0 ? 1 : options->region;
    if (!(target > 0 && target < region && region <= 1)) {
        return rlt_fail(err, RLT_EINVAL,
                        "the quantiles of PED-ANOVA are %g and %g; allowed: 0 < target < region "
                        "<= 1",
                        target, region);
    }
    int count = 0, *kept = rlt_alloc(sizeof(int) * (size_t)(data->count + 1));
    rlt_status status = rlt_analysis_check(data, kept, &count, err);
    if (status == RLT_OK) {
        compute(data, kept, count, target, region, options->global, out);
    }
    rlt_free(kept);
    return status;
}
