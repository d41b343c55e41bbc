/* tuner: tree-structured Parzen estimator, as in Optuna 5.0.0 (TPESampler with its defaults), and
 * what makes it better with one objective (docs/results.md), each an option of its own:
 * - rank_weights: the k-th best of n good trials weighs log(n + 1) - log(k), scaled to a mean of 1,
 *   as the points of CMA-ES do (Hansen, arXiv 1604.00772); Watanabe, arXiv 2304.11127, has weights
 * by improvement, which depend on the metric's scale.
 * - narrowing: the floor of the kernels' widths falls with the number of finished trials. Optuna's
 *   depends on the number of good ones, of which there are few: it stays at a 22nd of the range
 * with 200 trials.
 * - avoid_repeats: a finite space is not searched at the same place twice while there are others.
 * Finished trials are ranked; the best min(ceil(gamma n), gamma_max) make the density l, all others
 * and, with constant_liar, the running ones make g. Of n_ei_candidates draws from l the one with
 * the largest l / g is tried. Ranks: completed trials by value, those without a number last; then
 * those stopped early, by steps, then value; then those that are not feasible, by how much; equal
 * ones by number. Failed trials are left out. Several objectives: tpe_split.c.
 * Multivariate: all parameters at once, else one by one. What functions of the script return:
 * tpe_group.c.
 * What is suggested is a function of the seed, the index and the set of results, not of their
 * order. Thread: the tuner's. */
#include "tuner/samplers/tpe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the state ---- */

static void make_dims(rlt_tpe *at) {
    const rlt_search_space *space = at->space;
    at->dims = rlt_alloc(sizeof(*at->dims) * (size_t)space->count);
    at->params = rlt_alloc(sizeof(int) * (size_t)space->count);
    for (int real = 1; real >= 0; real--) { /* the real ones first */
        for (int i = 0; i < space->count; i++) {
            const rlt_param *param = &space->params[i];
            if (!rlt_param_varies(param)) {
                at->finite &= param->kind != RLT_DIST_FUNCTION;
                continue;
            }
            rlt_parzen_dim dim = rlt_parzen_dim_of(param);
            at->finite &= dim.kind != RLT_PARZEN_REAL;
            if ((dim.kind == RLT_PARZEN_REAL) == (real == 1)) {
                at->params[at->dim_count] = i;
                at->dims[at->dim_count++] = dim;
            }
        }
    }
}

static void tpe_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                     const rlt_history *history) {
    rlt_tpe *at = state;
    at->space = space;
    at->config = config;
    at->history = history;
    at->groups.drawn_first = -1;
    at->finite = true;
    make_dims(at);
    rlt_parzen_options options = {config->tpe.prior_weight, config->tpe.consider_magic_clip,
                                  config->tpe.consider_endpoints, false, 1};
    rlt_parzen_init(&at->bad, at->dims, at->dim_count, options);
    options.flat = history->objectives > 1;
    rlt_parzen_init(&at->good, at->dims, at->dim_count, options);
    int candidates = (int)config->tpe.n_ei_candidates;
    at->lanes = (candidates + RLT_PARZEN_LANES - 1) / RLT_PARZEN_LANES * RLT_PARZEN_LANES;
    size_t lane_row = sizeof(double) * (size_t)at->lanes;
    at->x = rlt_alloc(lane_row * (size_t)at->dim_count);
    at->log_good = rlt_alloc(lane_row);
    at->log_bad = rlt_alloc(lane_row);
    at->point = rlt_alloc(sizeof(double) * (size_t)at->dim_count);
    at->tried = rlt_alloc((size_t)at->lanes * sizeof(bool));
}

static void tpe_fini(void *state) {
    rlt_tpe *at = state;
    rlt_tpe_groups_fini(at);
    rlt_parzen_fini(&at->good);
    rlt_parzen_fini(&at->bad);
    void *const owned[] = {at->dims, at->params, at->rank,     at->below,   at->members,
                           at->x,    at->point,  at->log_good, at->log_bad, at->tried};
    for (size_t i = 0; i < RLT_COUNT(owned); i++) {
        rlt_free(owned[i]);
    }
}

/* ---- which trials make which density ---- */

static void add_rank(rlt_tpe *at, int64_t number) {
    at->rank = rlt_tuner_grow(at->rank, &at->rank_capacity, at->rank_count + 1, sizeof(*at->rank));
    int64_t low = 0, high = at->rank_count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (rlt_history_before(at->history, at->rank[middle], number)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    memmove(at->rank + low + 1, at->rank + low, (size_t)(at->rank_count - low) * sizeof(*at->rank));
    at->rank[low] = number;
    at->rank_count++;
}

static void fill_point(rlt_tpe *at, int64_t number) {
    const rlt_value *values = at->history->values + number * at->history->dimensions;
    for (int d = 0; d < at->dim_count; d++) {
        int i = at->params[d];
        at->point[d] = rlt_parzen_coordinate(&at->space->params[i], &at->dims[d], values[i]);
    }
}

static void set_member(rlt_tpe *at, int64_t number, rlt_tpe_member to) {
    at->members = rlt_tuner_grow(at->members, &at->member_capacity, number + 1, 1);
    rlt_tpe_member from = (rlt_tpe_member)at->members[number];
    if (from == to) {
        return;
    }
    at->members[number] = (uint8_t)to;
    at->below_changed |= from == RLT_TPE_BELOW || to == RLT_TPE_BELOW;
    if (from == RLT_TPE_ABOVE) {
        rlt_parzen_remove(&at->bad, number);
    } else if (to == RLT_TPE_ABOVE) {
        fill_point(at, number);
        rlt_parzen_insert(&at->bad, number, at->point);
    }
}

static void tpe_started(void *state, int64_t number) {
    rlt_tpe *at = state;
    at->groups.drawn_first = -1;
    set_member(at, number, at->config->tpe.constant_liar ? RLT_TPE_ABOVE : RLT_TPE_NONE);
}

static void tpe_ended(void *state, int64_t number) {
    rlt_tpe *at = state;
    rlt_tpe_groups_ended(at, number);
    if (at->history->states[number] == RLT_TRIAL_FAILED) {
        set_member(at, number, RLT_TPE_NONE);
        return;
    }
    add_rank(at, number);
    set_member(at, number, RLT_TPE_ABOVE);
    double part = ceil(at->config->tpe.gamma * (double)at->rank_count);
    int64_t before = at->below_count;
    if (at->history->objectives > 1) { /* who is below is found out when it matters */
        at->below_count = (int64_t)part;
        at->split_stale = true;
        return;
    }
    at->below_count = (int64_t)fmin(part, (double)at->config->tpe.gamma_max);
    /* only what stands at or before the cut may have changed sides */
    for (int64_t i = 0; i <= before && i < at->rank_count; i++) {
        set_member(at, at->rank[i], i < at->below_count ? RLT_TPE_BELOW : RLT_TPE_ABOVE);
    }
}

/* With several objectives those below may be any; the best ones of one objective lead the ranks. */
static void split_several(rlt_tpe *at) {
    if (!at->split_stale) {
        return;
    }
    at->below = rlt_tuner_grow(at->below, &at->below_capacity, at->below_count, sizeof(int64_t));
    rlt_tpe_split(at->history, at->rank, at->rank_count, at->below_count, at->below);
    uint8_t *to = rlt_alloc((size_t)at->member_capacity);
    for (int64_t i = 0; i < at->below_count; i++) {
        to[at->below[i]] = RLT_TPE_BELOW;
    }
    for (int64_t i = 0; i < at->rank_count; i++) {
        int64_t number = at->rank[i];
        set_member(at, number, to[number] == RLT_TPE_BELOW ? RLT_TPE_BELOW : RLT_TPE_ABOVE);
    }
    rlt_free(to);
    at->split_stale = false;
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

double rlt_tpe_narrow(const rlt_tpe *at) {
    const double from = 10, least = 0.1;
    if (at->history->objectives > 1) {
        return 1;
    }
    double part = pow(from / (double)at->rank_count, at->config->tpe.narrowing);
    return fmin(1, fmax(least, part));
}

void rlt_tpe_weigh(const rlt_tpe *at, rlt_parzen *good, const int64_t *numbers, int64_t count) {
    if (!at->config->tpe.rank_weights || at->history->objectives > 1) {
        return;
    }
    double mean = 0;
    for (int64_t k = 1; k <= count; k++) {
        mean += (log((double)count + 1) - log((double)k)) / (double)count;
    }
    for (int64_t i = 0, k = 0; i < at->below_count; i++) { /* from the best on */
        for (int64_t slot = 0; slot < count; slot++) {
            if (numbers[slot] == at->rank[i]) {
                double weight = log((double)count + 1) - log((double)++k);
                rlt_parzen_weigh(good, slot, weight / mean);
            }
        }
    }
}

static void rebuild_below(rlt_tpe *at) {
    rlt_parzen_narrow(&at->good, rlt_tpe_narrow(at));
    if (!at->below_changed) {
        return;
    }
    int64_t *numbers = rlt_alloc(sizeof(int64_t) * (size_t)at->below_count);
    memcpy(numbers, at->history->objectives > 1 ? at->below : at->rank,
           sizeof(int64_t) * (size_t)at->below_count);
    qsort(numbers, (size_t)at->below_count, sizeof(int64_t), by_number);
    rlt_parzen_clear(&at->good);
    for (int64_t i = 0; i < at->below_count; i++) {
        fill_point(at, numbers[i]);
        rlt_parzen_insert(&at->good, i, at->point);
    }
    rlt_tpe_weigh(at, &at->good, numbers, at->below_count);
    rlt_free(numbers);
    at->below_changed = false;
}

/* ---- asking ---- */

/* skip (NULL: none): [n_ei_candidates] lanes that do not count; -1: all of them. */
static int best_of(const rlt_tpe *at, const bool *skip) {
    int best = -1;
    for (int l = 0; l < at->config->tpe.n_ei_candidates; l++) {
        bool better =
            best < 0 || at->log_good[l] - at->log_bad[l] > at->log_good[best] - at->log_bad[best];
        best = better && (skip == NULL || !skip[l]) ? l : best;
    }
    return best;
}

int rlt_tpe_best_lane(const rlt_tpe *at) {
    return best_of(at, NULL);
}

/* The best of the lanes that stand where no trial has been; of all of them if there is none. */
static int best_new_lane(rlt_tpe *at) {
    const int count = (int)at->config->tpe.n_ei_candidates;
    memset(at->tried, 0, (size_t)count);
    for (int64_t i = 0; i < at->history->count; i++) {
        fill_point(at, i);
        for (int l = 0; l < count; l++) {
            bool same = !at->tried[l];
            for (int d = 0; same && d < at->dim_count; d++) {
                same = at->x[d * at->lanes + l] == at->point[d];
            }
            at->tried[l] |= same;
        }
    }
    int best = best_of(at, at->tried);
    return best >= 0 ? best : rlt_tpe_best_lane(at);
}

/* Draws the candidates over dimensions first .. last - 1 and takes the best of them. */
static void choose(rlt_tpe *at, rlt_rng *rng, int first, int last, rlt_value *values) {
    rlt_parzen_sample(&at->good, rng, first, last, at->x, at->lanes);
    rlt_parzen_log_pdf(&at->good, first, last, at->x, at->lanes, at->log_good);
    rlt_parzen_log_pdf(&at->bad, first, last, at->x, at->lanes, at->log_bad);
    bool whole = at->finite && last - first == at->dim_count;
    int best = whole && at->config->tpe.avoid_repeats ? best_new_lane(at) : rlt_tpe_best_lane(at);
    for (int d = first; d < last; d++) {
        int i = at->params[d];
        values[i] =
            rlt_parzen_value(&at->space->params[i], &at->dims[d], at->x[d * at->lanes + best]);
    }
}

static rlt_status tpe_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    rlt_tpe *at = state;
    uint64_t seed = (uint64_t)at->config->seed;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (param->kind != RLT_DIST_FUNCTION) {
            values[i] = rlt_param_at(param, rlt_tuner_draw(seed, index, param->path));
        }
    }
    if (at->rank_count < at->config->tpe.n_startup_trials) {
        return RLT_OK;
    }
    split_several(at);
    if (at->dim_count == 0) {
        return RLT_OK;
    }
    rebuild_below(at);
    /* apart from rlt_tuner_draw, whose blocks are hashes of paths */
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_SAMPLER, (uint32_t)index);
    if (at->config->tpe.multivariate) {
        choose(at, &rng, 0, at->dim_count, values);
        return RLT_OK;
    }
    for (int d = 0; d < at->dim_count; d++) {
        choose(at, &rng, d, d + 1, values);
    }
    return RLT_OK;
}

const rlt_sampler_def rlt_sampler_tpe = {
    .abilities = RLT_SAMPLER_SEVERAL | RLT_SAMPLER_LIMITS,
    .state_size = sizeof(rlt_tpe),
    .init = tpe_init,
    .fini = tpe_fini,
    .ask = tpe_ask,
    .started = tpe_started,
    .ended = tpe_ended,
    .branch = rlt_tpe_branch_value,
};
