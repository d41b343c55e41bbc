/* tuner: maximises log expected improvement: see gp_search.h.
 * As Optuna's GPSampler: preliminary candidates, the best of them, the incumbent and some drawn in
 * proportion to their improvement are starts of local searches. More: candidates around the
 * incumbents, without which nothing near them is seen in many dimensions.
 * Thread: the tuner's. */
#include "tuner/samplers/gp_search.h"
#include "tuner/minimise.h"

#include <math.h>
#include <string.h>

enum { EVEN = 768, NEAR = 256, CANDIDATES = EVEN + NEAR, STARTS = 8, LANES = 8 };
enum { FEW = 16 };     /* so many values are tried one by one; more are searched as if continuous */
enum { CHOICES = 64 }; /* of more categories so many are tried */
enum { ROUNDS = 4, CALLS = 25 };

double rlt_gp_place(const rlt_gp_dim *dim, rlt_value value) {
    return dim->categorical ? value.choice : rlt_param_unit(dim->param, value);
}

rlt_value rlt_gp_value(const rlt_gp_dim *dim, double place) {
    return dim->categorical ? rlt_param_nth(dim->param, (int64_t)place)
                            : rlt_param_place(dim->param, place);
}

/* The place that a u in [0, 1) stands for. */
static double place_at(const rlt_gp_dim *dim, double u) {
    if (dim->categorical) {
        return fmin(floor(u * (double)dim->count), (double)dim->count - 1);
    }
    return dim->count > 0 ? rlt_param_unit(dim->param, rlt_gp_value(dim, u)) : u;
}

static bool is_discrete(const rlt_gp_dim *dim) {
    return dim->categorical || (dim->count > 0 && dim->count <= FEW);
}

static uint64_t draw_seed(const rlt_gp_search *at) {
    return rlt_hash64(&at->index, sizeof at->index, at->seed);
}

/* Candidate `from` to `from` + 7 of the even ones: a Sobol sequence, digitally shifted. */
static void even_places(const rlt_gp_search *at, rlt_rng *rng, int from, double *x) {
    for (int j = 0; j < at->gp->d; j++) {
        uint32_t shift = (uint32_t)rlt_hash64(&j, sizeof j, draw_seed(at));
        for (int i = 0; i < LANES; i++) {
            double u = j < RLT_SOBOL_DIMENSIONS
                           ? (rlt_sobol_point(j, (uint32_t)(from + i)) ^ shift) * 0x1p-32
                           : rlt_rng_f64(rng);
            x[j * LANES + i] = place_at(&at->dims[j], u);
        }
    }
}

/* Around the incumbents: each number is moved by a normal step with a chance of one half or, in
 * many dimensions, less; each category is drawn again with a chance of a fifth. */
static void near_places(const rlt_gp_search *at, rlt_rng *rng, int from, double *x) {
    int d = at->gp->d;
    double chance = fmax(fmin(0.5, 10.0 / d), 1.0 / d);
    for (int i = 0; i < LANES; i++) {
        const double *base = at->incumbents + (size_t)((from + i) % at->incumbent_count) * d;
        double reach = pow(10, -0.5 - 2 * rlt_rng_f64(rng));
        for (int j = 0; j < d; j++) {
            const rlt_gp_dim *dim = &at->dims[j];
            double place = base[j], step = reach * rlt_rng_normal(rng), u = rlt_rng_f64(rng);
            if (dim->categorical) {
                place = u < 0.2 ? place_at(dim, 5 * u) : place;
            } else if (u < chance) {
                place = place_at(dim, fmin(fmax(place + step, 0), 1 - 0x1p-53));
            }
            x[j * LANES + i] = place;
        }
    }
}

typedef struct candidates {
    double *places; /* [CANDIDATES][d] */
    double improvements[CANDIDATES];
} candidates;

static void fill_candidates(const rlt_gp_search *at, rlt_rng *rng, candidates *out) {
    int d = at->gp->d;
    double *x = rlt_alloc(sizeof(double) * LANES * (size_t)d);
    for (int from = 0; from < CANDIDATES; from += LANES) {
        if (from < EVEN) {
            even_places(at, rng, from, x);
        } else {
            near_places(at, rng, from - EVEN, x);
        }
        rlt_gp_acquisition8(at, x, out->improvements + from);
        for (int i = 0; i < LANES; i++) {
            for (int j = 0; j < d; j++) {
                out->places[(size_t)(from + i) * d + j] = x[j * LANES + i];
            }
        }
    }
    rlt_free(x);
}

/* The best candidate, then others drawn with chances in proportion to their improvement. */
static int choose_starts(candidates *all, rlt_rng *rng, int starts[STARTS]) {
    int count = 0, best = 0;
    for (int i = 1; i < CANDIDATES; i++) {
        best = all->improvements[i] > all->improvements[best] ? i : best;
    }
    double peak = all->improvements[best], sum = 0, weights[CANDIDATES];
    starts[count++] = best;
    for (int i = 0; i < CANDIDATES; i++) {
        weights[i] = i == best ? 0 : exp(all->improvements[i] - peak);
        sum += weights[i];
    }
    while (count < STARTS - 1 && sum > 1e-300) {
        double left = rlt_rng_f64(rng) * sum;
        int taken = -1;
        for (int i = 0; i < CANDIDATES && left >= 0; i++) {
            taken = weights[i] > 0 ? i : taken;
            left -= weights[i];
        }
        if (taken < 0) {
            break;
        }
        starts[count++] = taken;
        weights[taken] = 0;
        sum = 0;
        for (int i = 0; i < CANDIDATES; i++) {
            sum += weights[i];
        }
    }
    return count;
}

typedef struct climb {
    const rlt_gp_search *at;
    double *x; /* [d] */
    int free_count;
    int *free;        /* [free_count] dimensions that are searched by gradient */
    double *lengths;  /* [free_count] x = length z, so that all z matter alike */
    double *slopes;   /* [2 objectives d] scratch */
    double *gradient; /* [d] */
    double *z, *low, *high;
} climb;

static double downhill(void *user, const double *z, double *gradient) {
    climb *up = user;
    for (int f = 0; f < up->free_count; f++) {
        up->x[up->free[f]] = z[f] * up->lengths[f];
    }
    double value = rlt_gp_acquisition(up->at, up->x, up->gradient, up->slopes);
    for (int f = 0; f < up->free_count; f++) {
        gradient[f] = -up->lengths[f] * up->gradient[up->free[f]];
    }
    return -value;
}

static double climb_numbers(climb *up) {
    for (int f = 0; f < up->free_count; f++) {
        up->z[f] = up->x[up->free[f]] / up->lengths[f];
    }
    rlt_minimise_options options = {up->low, up->high, 1e-2, 1e-6, CALLS};
    double value = -rlt_minimise(downhill, up, up->free_count, &options, up->z);
    for (int f = 0; f < up->free_count; f++) {
        up->x[up->free[f]] = fmin(fmax(up->z[f] * up->lengths[f], 0), 1);
    }
    return value;
}

/* Tries places for dimension j; takes the best when it is better than *value. */
static bool try_places(const rlt_gp_search *at, double *x, int j, const double *places, int count,
                       double *value) {
    int d = at->gp->d;
    double *eight = rlt_alloc(sizeof(double) * LANES * (size_t)d), before = *value;
    for (int from = 0; from < count; from += LANES) {
        double found[LANES];
        for (int i = 0; i < LANES; i++) {
            for (int k = 0; k < d; k++) {
                eight[k * LANES + i] = k == j ? places[from + i < count ? from + i : from] : x[k];
            }
        }
        rlt_gp_acquisition8(at, eight, found);
        for (int i = 0; i < LANES && from + i < count; i++) {
            if (found[i] > *value) {
                *value = found[i];
                x[j] = places[from + i];
            }
        }
    }
    rlt_free(eight);
    return *value > before;
}

/* All values of a dimension that has few; of categories at most CHOICES, from a drawn one on. */
static bool try_values(const rlt_gp_search *at, rlt_rng *rng, double *x, int j, double *value) {
    const rlt_gp_dim *dim = &at->dims[j];
    double places[CHOICES];
    int count = dim->count < CHOICES ? (int)dim->count : CHOICES;
    int64_t first = dim->count > CHOICES ? (int64_t)(rlt_rng_f64(rng) * (double)dim->count) : 0;
    for (int i = 0; i < count; i++) {
        double n = (double)((first + i) % dim->count);
        places[i] = dim->categorical ? n : place_at(dim, (n + 0.5) / (double)dim->count);
    }
    return try_places(at, x, j, places, count, value);
}

/* Numbers with many steps: from where the gradient led to a value, and to better ones beside it. */
static double settle(const rlt_gp_search *at, double *x) {
    double value = -INFINITY;
    for (int j = 0; j < at->gp->d; j++) {
        if (at->dims[j].count > 0) {
            x[j] = at->dims[j].categorical ? x[j] : place_at(&at->dims[j], fmin(x[j], 1 - 0x1p-53));
        }
    }
    double none = x[0];
    try_places(at, x, 0, &none, 1, &value);
    for (int j = 0; j < at->gp->d; j++) {
        const rlt_gp_dim *dim = &at->dims[j];
        for (bool better = true; better && dim->count > FEW && !dim->categorical;) {
            double low, high, beside[2];
            rlt_param_cell(dim->param, fmin(x[j], 1 - 0x1p-53), &low, &high);
            beside[0] = isinf(low) ? x[j] : place_at(dim, low - 1e-9 * (x[j] - low));
            beside[1] =
                isinf(high) ? x[j] : place_at(dim, fmin(high + 1e-9 * (high - x[j]), 1 - 0x1p-53));
            better = try_places(at, x, j, beside, 2, &value);
        }
    }
    return value;
}

/* The mean of the objectives', as Optuna's GPSampler. */
static double length_of(const rlt_gp_search *at, int j) {
    double sum = 0;
    for (int k = 0; k < rlt_gp_objectives(at); k++) {
        sum += 1 / sqrt(fmin(fmax(at->gp[k].weights[j], 1e-2), 1e6));
    }
    return sum / rlt_gp_objectives(at);
}

static void init_climb(climb *up, const rlt_gp_search *at) {
    size_t d = (size_t)at->gp->d;
    *up = (climb){.at = at};
    up->free = rlt_alloc(sizeof(int) * d);
    size_t slopes = 2 * d * (size_t)rlt_gp_objectives(at);
    up->x = rlt_alloc(sizeof(double) * (6 * d + slopes));
    up->lengths = up->x + d;
    up->slopes = up->lengths + d;
    up->z = up->slopes + slopes;
    up->low = up->z + d;
    up->high = up->low + d;
    up->gradient = up->high + d;
    for (int j = 0; j < at->gp->d; j++) {
        if (!is_discrete(&at->dims[j])) {
            double length = length_of(at, j);
            up->lengths[up->free_count] = length;
            up->high[up->free_count] = 1 / length;
            up->free[up->free_count++] = j;
        }
    }
}

/* From up->x to the top of its hill; returns the value there. */
static double climb_hill(climb *up, rlt_rng *rng) {
    const rlt_gp_search *at = up->at;
    for (int round = 0; round < ROUNDS; round++) {
        double value = -INFINITY, here = up->x[0];
        bool changed = false;
        if (up->free_count > 0) {
            climb_numbers(up);
        }
        here = up->x[0];
        try_places(at, up->x, 0, &here, 1, &value);
        for (int j = 0; j < at->gp->d; j++) {
            changed |= is_discrete(&at->dims[j]) && try_values(at, rng, up->x, j, &value);
        }
        if (!changed) {
            break;
        }
    }
    return settle(at, up->x);
}

double rlt_gp_search_run(const rlt_gp_search *at, double *x) {
    size_t d = (size_t)at->gp->d;
    rlt_rng rng = rlt_rng_make(draw_seed(at), RLT_STREAM_SAMPLER, (uint32_t)at->index);
    candidates *all = rlt_alloc(sizeof(*all));
    int starts[STARTS];
    climb up;
    all->places = rlt_alloc(sizeof(double) * CANDIDATES * d);
    init_climb(&up, at);
    fill_candidates(at, &rng, all);
    int count = choose_starts(all, &rng, starts);
    double best = -INFINITY;
    for (int i = 0; i <= count; i++) {
        const double *from = i < count ? all->places + (size_t)starts[i] * d : at->incumbents;
        memcpy(up.x, from, sizeof(double) * d);
        double value = climb_hill(&up, &rng);
        if (value > best || i == 0) {
            best = value;
            memcpy(x, up.x, sizeof(double) * d);
        }
    }
    rlt_free(up.free);
    rlt_free(up.x);
    rlt_free(all->places);
    rlt_free(all);
    return best;
}
