/* tuner: the Halton sequence with randomly permuted digits.
 * Why: fills the space evenly for any number of trials, not only powers of two as Sobol's does.
 * Dimension d: the radical inverse of the index in the d-th prime (Halton 1960); each digit, the
 * leading zeros too, goes through a permutation of its own (Owen, "A randomized Halton algorithm in
 * R", arXiv 1706.02808). Each parameter with more than one value is a dimension, in the order of
 * paths; functions draw independently. Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

enum { PRIME_MAX = 541 }; /* the 100th */

typedef struct halton_digits {
    int base, count;  /* digits, until they no longer change a double */
    uint16_t *images; /* [count, base] */
} halton_digits;
typedef struct halton_state {
    const rlt_search_space *space;
    halton_digits dimensions[RLT_HALTON_DIMENSIONS];
} halton_state;

static int next_prime(int after) {
    for (int candidate = after + 1;; candidate++) {
        int divisor = 2;
        while (divisor * divisor <= candidate && candidate % divisor != 0) {
            divisor++;
        }
        if (divisor * divisor > candidate) {
            return candidate;
        }
    }
}

double rlt_halton_point(int dimension, uint64_t index) {
    RLT_ASSERT(dimension >= 0 && dimension < RLT_HALTON_DIMENSIONS);
    int base = 2;
    for (int i = 0; i < dimension; i++) {
        base = next_prime(base);
    }
    double point = 0, unit = 1;
    for (; index > 0; index /= (uint64_t)base) {
        unit /= base;
        point += unit * (double)(index % (uint64_t)base);
    }
    return point;
}

static void make_digits(halton_digits *digits, int dimension, int base, uint64_t seed) {
    digits->base = base;
    digits->count = (int)ceil(54 * M_LN2 / log(base));
    size_t row = (size_t)base;
    digits->images = rlt_alloc(sizeof(uint16_t) * row * (size_t)digits->count);
    for (int i = 0; i < digits->count; i++) {
        uint64_t words[2] = {(uint64_t)dimension, (uint64_t)i};
        uint64_t key = rlt_hash64(words, sizeof words, seed);
        for (int k = 0; k < base; k++) {
            digits->images[(size_t)i * row + (size_t)k] = (uint16_t)rlt_shuffle(base, k, key);
        }
    }
}

static double scrambled(const halton_digits *digits, int64_t index) {
    double point = 0, unit = 1;
    for (int i = 0; i < digits->count; i++, index /= digits->base) {
        unit /= digits->base;
        point += unit * digits->images[i * digits->base + (int)(index % digits->base)];
    }
    return fmin(point, 1 - 0x1p-53);
}

static rlt_status halton_check(const rlt_search_space *space, const rlt_tune_fields *config,
                               rlt_err *err) {
    (void)config;
    int dimensions = 0;
    for (int i = 0; i < space->count; i++) {
        dimensions += rlt_param_varies(&space->params[i]);
        if (dimensions > RLT_HALTON_DIMENSIONS) {
            return rlt_fail(
                err, RLT_ECONFIG,
                "%s: is parameter %d of the search space, the halton sampler has only %d "
                "dimensions; use sampler = \"random\"",
                space->params[i].path, dimensions, RLT_HALTON_DIMENSIONS);
        }
    }
    return RLT_OK;
}

static void halton_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                        const rlt_history *history) {
    (void)history;
    halton_state *at = state;
    at->space = space;
    int dimension = 0, base = 2;
    for (int i = 0; i < space->count; i++) {
        if (rlt_param_varies(&space->params[i])) {
            RLT_ASSERT(base <= PRIME_MAX);
            make_digits(&at->dimensions[dimension], dimension, base, (uint64_t)config->seed);
            base = next_prime(base);
            dimension++;
        }
    }
}

static void halton_fini(void *state) {
    halton_state *at = state;
    for (int i = 0; i < RLT_HALTON_DIMENSIONS; i++) {
        rlt_free(at->dimensions[i].images);
    }
}

static rlt_status halton_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    (void)err;
    const halton_state *at = state;
    int dimension = 0;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (rlt_param_varies(param)) {
            values[i] = rlt_param_at(param, scrambled(&at->dimensions[dimension++], index));
        } else if (param->kind != RLT_DIST_FUNCTION) {
            values[i] = rlt_param_nth(param, 0);
        }
    }
    return RLT_OK;
}

const rlt_sampler_def rlt_sampler_halton = {
    .check = halton_check,
    .state_size = sizeof(halton_state),
    .init = halton_init,
    .fini = halton_fini,
    .ask = halton_ask,
};
