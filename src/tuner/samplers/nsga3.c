/* tuner: NSGA-III: of the front that does not fit into the parents those near reference directions
 * that few others are near to. Formulas: Optuna 5.0.0 (samplers/_nsgaiii), after Deb and Jain, "An
 * evolutionary many-objective optimization algorithm using reference-point-based nondominated
 * sorting", IEEE Trans. Evol. Comput. 2014. See nsga.h. Thread: the tuner's. */
#include "tuner/samplers/nsga.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 100000 };

/* ---- reference points ---- */

/* How many ways there are to share `divisions` out among `objectives`; more than POINTS_MAX: that
 * + 1.
 */
static int64_t point_count(int objectives, int64_t divisions) {
    double ways = 1;
    for (int i = 1; i < objectives; i++) {
        ways = ways * (double)(divisions + i) / i;
    }
    return ways > POINTS_MAX ? POINTS_MAX + 1 : (int64_t)(ways + 0.5);
}

double *rlt_nsga3_points(int objectives, int divisions, int64_t *count) {
    *count = point_count(objectives, divisions);
    double *points = rlt_alloc(sizeof(double) * (size_t)(*count * objectives));
    int shares[RLT_OBJECTIVES_MAX] = {divisions};
    for (int64_t i = 0; i < *count; i++) {
        for (int k = 0; k < objectives; k++) {
            points[i * objectives + k] = shares[k];
        }
        int last = objectives - 2; /* the last but one that can give something on */
        while (last >= 0 && shares[last] == 0) {
            last--;
        }
        if (last >= 0) {
            int rest = shares[objectives - 1];
            shares[objectives - 1] = 0;
            shares[last]--;
            shares[last + 1] = rest + 1;
        }
    }
    return points;
}

/* ---- normalisation ---- */

/* Infinite losses come within three ranges of the finite ones. */
static void limit_infinite(double *losses, int64_t count, int objectives) {
    for (int k = 0; k < objectives; k++) {
        double low = INFINITY, high = -INFINITY;
        for (int64_t i = 0; i < count; i++) {
            double loss = losses[i * objectives + k];
            low = isfinite(loss) ? fmin(low, loss) : low;
            high = isfinite(loss) ? fmax(high, loss) : high;
        }
        if (low > high) {
            low = high = 0;
        }
        double margin = 3 * (high - low);
        for (int64_t i = 0; i < count; i++) {
            double *loss = &losses[i * objectives + k];
            *loss = fmin(fmax(*loss, low - margin), high + margin);
        }
    }
}

/* The row with the least largest weighted loss: along axis k the losses count once, across it a
 * million times. */
static int64_t extreme_of(const double *losses, int64_t count, int objectives, int axis) {
    int64_t best = 0;
    double least = INFINITY;
    for (int64_t i = 0; i < count; i++) {
        double most = -INFINITY;
        for (int k = 0; k < objectives; k++) {
            most = fmax(most, losses[i * objectives + k] * (k == axis ? 1 : 1e6));
        }
        if (most < least) {
            least = most;
            best = i;
        }
    }
    return best;
}

/* Solves a x = 1 by elimination with pivots; false: the rows are not independent. */
static bool solve_ones(int n, double a[][RLT_OBJECTIVES_MAX], double *x) {
    double scale = 0;
    for (int i = 0; i < n; i++) {
        x[i] = 1;
        for (int j = 0; j < n; j++) {
            scale = fmax(scale, fabs(a[i][j]));
        }
    }
    for (int c = 0; c < n; c++) {
        int pivot = c;
        for (int r = c + 1; r < n; r++) {
            pivot = fabs(a[r][c]) > fabs(a[pivot][c]) ? r : pivot;
        }
        if (!(fabs(a[pivot][c]) > 1e-14 * scale)) {
            return false;
        }
        for (int j = 0; j < n; j++) {
            double kept = a[c][j];
            a[c][j] = a[pivot][j];
            a[pivot][j] = kept;
        }
        double kept = x[c];
        x[c] = x[pivot];
        x[pivot] = kept;
        for (int r = c + 1; r < n; r++) {
            double factor = a[r][c] / a[c][c];
            for (int j = c; j < n; j++) {
                a[r][j] -= factor * a[c][j];
            }
            x[r] -= factor * x[c];
        }
    }
    for (int r = n - 1; r >= 0; r--) {
        for (int j = r + 1; j < n; j++) {
            x[r] -= a[r][j] * x[j];
        }
        x[r] /= a[r][r];
    }
    return true;
}

/* One over the intercepts of the plane through the extreme points, or over the largest losses. */
static void scales_of(const double *losses, int64_t count, int objectives, double *scales) {
    double extremes[RLT_OBJECTIVES_MAX][RLT_OBJECTIVES_MAX];
    for (int k = 0; k < objectives; k++) {
        memcpy(extremes[k], losses + extreme_of(losses, count, objectives, k) * objectives,
               sizeof(double) * (size_t)objectives);
    }
    if (!solve_ones(objectives, extremes, scales)) {
        for (int k = 0; k < objectives; k++) {
            double most = 0;
            for (int64_t i = 0; i < count; i++) {
                most = fmax(most, losses[i * objectives + k]);
            }
            scales[k] = 1 / (most == 0 ? 1 : most);
        }
    }
    for (int k = 0; k < objectives; k++) {
        scales[k] = isfinite(scales[k]) ? scales[k] : 1;
    }
}

void rlt_nsga3_normalise(double *losses, int64_t count, int objectives) {
    double scales[RLT_OBJECTIVES_MAX];
    limit_infinite(losses, count, objectives);
    for (int k = 0; k < objectives; k++) {
        double ideal = INFINITY;
        for (int64_t i = 0; i < count; i++) {
            ideal = fmin(ideal, losses[i * objectives + k]);
        }
        for (int64_t i = 0; i < count; i++) {
            losses[i * objectives + k] -= ideal;
        }
    }
    scales_of(losses, count, objectives, scales);
    for (int64_t i = 0; i < count * objectives; i++) {
        losses[i] *= scales[i % objectives];
    }
}

void rlt_nsga3_associate(const double *losses, int64_t count, int objectives, const double *points,
                         int64_t point_count, int64_t *nearest, double *distances) {
    for (int64_t i = 0; i < count; i++) {
        const double *x = losses + i * objectives;
        distances[i] = INFINITY;
        nearest[i] = 0;
        for (int64_t p = 0; p < point_count; p++) {
            const double *line = points + p * objectives;
            double along = 0, length = 0, square = 0;
            for (int k = 0; k < objectives; k++) {
                along += x[k] * line[k];
                length += line[k] * line[k];
            }
            for (int k = 0; k < objectives; k++) {
                square += pow(x[k] - along / length * line[k], 2);
            }
            if (sqrt(square) < distances[i]) {
                distances[i] = sqrt(square);
                nearest[i] = p;
            }
        }
    }
}

/* ---- niches ---- */

typedef struct niches {
    int64_t points;
    const int64_t *nearest;  /* [elite + front] */
    const double *distances; /* the same */
    int64_t elite, front;    /* those chosen already, then those to choose from */
    int64_t *members;        /* [points] how many chosen ones are near each */
    bool *taken;             /* [front] */
    rlt_rng rng;
} niches;

/* A point with the fewest members among those that have somebody to choose; ties are drawn. */
static int64_t least_point(niches *at) {
    int64_t best = -1, ties = 0;
    bool *has = rlt_alloc((size_t)at->points);
    for (int64_t i = 0; i < at->front; i++) {
        has[at->nearest[at->elite + i]] |= !at->taken[i];
    }
    for (int64_t p = 0; p < at->points; p++) {
        if (!has[p] || (best >= 0 && at->members[p] > at->members[best])) {
            continue;
        }
        ties = best >= 0 && at->members[p] == at->members[best] ? ties + 1 : 1;
        if (ties == 1 || rlt_rng_below(&at->rng, (uint32_t)ties) == 0) {
            best = p;
        }
    }
    rlt_free(has);
    return best;
}

/* Nobody is there yet: the nearest one; else any. */
static int64_t choose_near(niches *at, int64_t point) {
    int64_t best = -1, seen = 0;
    for (int64_t i = 0; i < at->front; i++) {
        if (at->taken[i] || at->nearest[at->elite + i] != point) {
            continue;
        }
        seen++;
        bool better = at->members[point] > 0 ? rlt_rng_below(&at->rng, (uint32_t)seen) == 0
                                             : best < 0 || at->distances[at->elite + i] <
                                                               at->distances[at->elite + best];
        best = better ? i : best;
    }
    return best;
}

static void fill_niches(niches *at, const int64_t *front, int64_t size, int64_t *chosen) {
    at->members = rlt_alloc(sizeof(int64_t) * (size_t)at->points);
    at->taken = rlt_alloc((size_t)at->front);
    for (int64_t i = 0; i < at->elite; i++) {
        at->members[at->nearest[i]]++;
    }
    for (int64_t n = 0; n < size; n++) {
        int64_t point = least_point(at), one = choose_near(at, point);
        at->taken[one] = true;
        at->members[point]++;
        chosen[n] = front[one];
    }
    rlt_free(at->members);
    rlt_free(at->taken);
}

/* group [count]: `elite` trials that are in, then a front of which `size` are to be chosen. */
static void add_by_niche(const rlt_nsga *at, const int64_t *group, int64_t count, int64_t elite,
                         int64_t size, int64_t generation, int64_t *chosen) {
    const int objectives = at->history->objectives;
    double *losses = rlt_alloc(sizeof(double) * (size_t)(count * objectives));
    int64_t *nearest = rlt_alloc(sizeof(int64_t) * (size_t)count), points;
    double *distances = rlt_alloc(sizeof(double) * (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        rlt_history_point(at->history, group[i], losses + i * objectives);
    }
    for (int64_t i = 0; i < count * objectives; i++) {
        losses[i] = -losses[i];
    }
    double *lines = rlt_nsga3_points(objectives, (int)at->config->nsga.dividing_parameter, &points);
    rlt_nsga3_normalise(losses, count, objectives);
    rlt_nsga3_associate(losses, count, objectives, lines, points, nearest, distances);
    uint64_t seed = rlt_hash64("nsga3", 5, (uint64_t)at->config->seed);
    niches all = {.points = points,
                  .nearest = nearest,
                  .distances = distances,
                  .elite = elite,
                  .front = count - elite,
                  .rng = rlt_rng_make(seed, RLT_STREAM_SAMPLER, (uint32_t)generation)};
    fill_niches(&all, group + elite, size, chosen);
    rlt_free(losses);
    rlt_free(nearest);
    rlt_free(distances);
    rlt_free(lines);
}

static void select_niches(const rlt_nsga *at, const int64_t *pool, int64_t count, int64_t size,
                          int64_t generation, int64_t *chosen) {
    double *keys = rlt_alloc(sizeof(double) * (size_t)(count * at->history->objectives));
    int64_t *ranks = rlt_alloc(sizeof(int64_t) * (size_t)count);
    int64_t *group = rlt_alloc(sizeof(int64_t) * (size_t)count), taken = 0;
    rlt_nsga_rank(at, pool, count, keys, ranks);
    for (int64_t rank = 0; taken < size; rank++) {
        int64_t members = 0;
        for (int64_t i = 0; i < count; i++) {
            if (ranks[i] == rank) {
                group[taken + members++] = pool[i];
            }
        }
        int64_t fit = taken + members > size ? taken : taken + members;
        memcpy(chosen + taken, group + taken, sizeof(int64_t) * (size_t)(fit - taken));
        if (fit < taken + members) {
            add_by_niche(at, group, taken + members, taken, size - taken, generation,
                         chosen + taken);
        }
        taken += members;
    }
    rlt_free(keys);
    rlt_free(ranks);
    rlt_free(group);
}

static rlt_status nsga3_check(const rlt_search_space *space, const rlt_tune_fields *config,
                              rlt_err *err) {
    int64_t divisions = config->nsga.dividing_parameter;
    if (point_count(config->objectives.count, divisions) > POINTS_MAX) {
        return rlt_fail(err, RLT_ECONFIG,
                        "tune.sampler.dividing_parameter: %lld gives more than %d reference points "
                        "for %d metrics; make it smaller",
                        (long long)divisions, POINTS_MAX, config->objectives.count);
    }
    return rlt_nsga_check(space, config, err);
}

static void nsga3_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                       const rlt_history *history) {
    rlt_nsga_init(state, space, config, history, select_niches);
}

const rlt_sampler_def rlt_sampler_nsga3 = {
    .check = nsga3_check,
    .abilities = RLT_SAMPLER_SEVERAL | RLT_SAMPLER_LIMITS,
    .state_size = sizeof(rlt_nsga),
    .init = nsga3_init,
    .fini = rlt_nsga_fini,
    .ask = rlt_nsga_ask,
    .ended = rlt_nsga_ended,
};
