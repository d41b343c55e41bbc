/* tuner: where CMA-ES starts when there are trials of an earlier experiment: WS-CMA-ES of Nomura,
 * Watanabe, Akimoto, Ozaki, Onishi, "Warm starting CMA-ES for hyperparameter optimization", AAAI
 * 2021 (arXiv:2012.06932), section 4.1: the normal distribution nearest to the mixture of normals
 * of width alpha around the best part gamma of them. Of fewer than 1 / gamma the best one counts.
 * Thread: the tuner's. */
#include "tuner/samplers/cmaes.h"

#include <math.h>
#include <string.h>

#define GAMMA 0.1
#define ALPHA 0.1

void rlt_cma_moments(const double *points, int n, int64_t count, double alpha, double *mean,
                     double *cov) {
    const size_t size = (size_t)n;
    memset(mean, 0, sizeof(double) * size);
    memset(cov, 0, sizeof(double) * size * size);
    for (int64_t i = 0; i < count; i++) {
        for (int j = 0; j < n; j++) {
            mean[j] += points[i * n + j] / (double)count;
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const double *x = points + i * n;
        for (size_t j = 0; j < size * size; j++) {
            size_t a = j / size, b = j % size;
            cov[j] += (x[a] - mean[a]) * (x[b] - mean[b]) / (double)count;
        }
    }
    for (size_t j = 0; j < size; j++) {
        cov[j * size + j] += alpha * alpha;
    }
}

/* Trials that count, the best first; returns how many. numbers: [history->sources] */
static int64_t rank_sources(const rlt_cmaes *at, int64_t *numbers) {
    const rlt_history *history = at->history;
    int64_t count = 0;
    for (int64_t i = 0; i < history->sources; i++) {
        bool ended =
            history->states[i] == RLT_TRIAL_COMPLETED || at->config->cmaes.consider_stopped;
        if (!ended || isnan(history->keys[i])) {
            continue;
        }
        int64_t low = 0, high = count;
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (rlt_cmaes_before(history, numbers[middle], i)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        memmove(numbers + low + 1, numbers + low, sizeof(int64_t) * (size_t)(count++ - low));
        numbers[low] = i;
    }
    return count;
}

bool rlt_cmaes_warm(const rlt_cmaes *at, double *mean, double *cov) {
    const rlt_history *history = at->history;
    int64_t *numbers = rlt_alloc(sizeof(int64_t) * (size_t)(history->sources + 1));
    const int64_t count = rank_sources(at, numbers);
    const int64_t best = (int64_t)fmax(floor((double)count * GAMMA), fmin((double)count, 1));
    double *points = rlt_alloc(sizeof(double) * (size_t)(best * at->n));
    for (int64_t i = 0; i < best; i++) {
        const rlt_value *row = history->values + numbers[i] * history->dimensions;
        for (int j = 0; j < at->n; j++) {
            points[i * at->n + j] = rlt_param_unit(rlt_cmaes_param(at, j), row[at->params[j]]);
        }
    }
    if (best > 0) {
        rlt_cma_moments(points, at->n, best, ALPHA, mean, cov);
    }
    rlt_free(numbers);
    rlt_free(points);
    return best > 0;
}
