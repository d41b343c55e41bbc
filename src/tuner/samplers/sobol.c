/* tuner: the Sobol sequence with nested uniform scrambling.
 * Why: its points fill the unit cube more evenly than random ones, and a point is a pure function
 * of (seed, index). Directions: Joe and Kuo, "Constructing Sobol sequences with better
 * two-dimensional projections", SIAM J. Sci. Comput. 30 (2008), table new-joe-kuo-6. Order: Gray
 * code (Antonov and Saleev 1979). Scrambling: Owen, "Randomly permuted (t,m,s)-nets and
 * (t,s)-sequences" (1995); each bit is flipped by a hash of the bits above it.
 * Each parameter with more than one value is a dimension, in the order of paths; functions draw
 * independently. Thread: the tuner's. */
#include "tuner/tuner_impl.h"

#include <string.h>

/* Primitive polynomial with its leading and last coefficient, and the first direction numbers, for
 * the dimensions from the second on (the first is van der Corput's sequence). */
typedef struct sobol_row {
    uint16_t polynomial;
    uint16_t m[9];
} sobol_row;
static const sobol_row rows[RLT_SOBOL_DIMENSIONS - 1] = {
#include "tuner/samplers/sobol_directions.inc"
};

/* directions[k]: v_(k+1) as a fraction of 2^32. Recurrence (2) of Joe and Kuo. */
static void fill_directions(int dimension, uint32_t directions[RLT_SOBOL_BITS]) {
    if (dimension == 0) {
        for (int k = 0; k < RLT_SOBOL_BITS; k++) {
            directions[k] = 1u << (31 - k);
        }
        return;
    }
    const sobol_row *row = &rows[dimension - 1];
    int degree = 31 - __builtin_clz(row->polynomial);
    for (int k = 0; k < RLT_SOBOL_BITS; k++) {
        if (k < degree) {
            directions[k] = (uint32_t)row->m[k] << (31 - k);
            continue;
        }
        uint32_t v = directions[k - degree] ^ directions[k - degree] >> degree;
        for (int j = 1; j < degree; j++) {
            if (row->polynomial >> (degree - j) & 1) {
                v ^= directions[k - j];
            }
        }
        directions[k] = v;
    }
}

static uint32_t combine(const uint32_t directions[RLT_SOBOL_BITS], uint32_t index) {
    uint32_t point = 0, gray = index ^ index >> 1;
    for (int k = 0; k < RLT_SOBOL_BITS; k++) {
        point ^= gray >> k & 1 ? directions[k] : 0;
    }
    return point;
}

uint32_t rlt_sobol_point(int dimension, uint32_t index) {
    RLT_ASSERT(dimension >= 0 && dimension < RLT_SOBOL_DIMENSIONS);
    uint32_t directions[RLT_SOBOL_BITS];
    fill_directions(dimension, directions);
    return combine(directions, index);
}

uint32_t rlt_sobol_scramble(uint32_t point, int dimension, uint64_t seed) {
    uint32_t scrambled = 0;
    for (int bit = 31; bit >= 0; bit--) {
        uint32_t above = bit == 31 ? 0 : point >> (bit + 1);
        uint32_t node[3] = {(uint32_t)dimension, (uint32_t)bit, above};
        scrambled |= (point ^ (uint32_t)rlt_hash64(node, sizeof node, seed) << bit) & 1u << bit;
    }
    return scrambled;
}

typedef struct sobol_state {
    const rlt_search_space *space;
    uint64_t seed;
    uint32_t directions[RLT_SOBOL_DIMENSIONS][RLT_SOBOL_BITS];
} sobol_state;

static rlt_status sobol_check(const rlt_search_space *space, const rlt_tune_fields *config,
                              rlt_err *err) {
    (void)config;
    int dimensions = 0;
    for (int i = 0; i < space->count; i++) {
        dimensions += rlt_param_varies(&space->params[i]);
        if (dimensions > RLT_SOBOL_DIMENSIONS) {
            return rlt_fail(
                err, RLT_ECONFIG,
                "%s: is parameter %d of the search space, the sobol sampler has only %d "
                "dimensions; use sampler = \"random\"",
                space->params[i].path, dimensions, RLT_SOBOL_DIMENSIONS);
        }
    }
    return RLT_OK;
}

static void sobol_init(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                       const rlt_history *history) {
    (void)history;
    sobol_state *at = state;
    at->space = space;
    at->seed = (uint64_t)config->seed;
    for (int i = 0; i < RLT_SOBOL_DIMENSIONS; i++) {
        fill_directions(i, at->directions[i]);
    }
}

static rlt_status sobol_ask(void *state, int64_t index, rlt_value *values, rlt_err *err) {
    const sobol_state *at = state;
    if (index > UINT32_MAX) {
        return rlt_fail(err, RLT_ENOTFOUND,
                        "all 2^32 points of the Sobol sequence have been tried");
    }
    int dimension = 0;
    for (int i = 0; i < at->space->count; i++) {
        const rlt_param *param = &at->space->params[i];
        if (rlt_param_varies(param)) {
            uint32_t point = combine(at->directions[dimension], (uint32_t)index);
            point = rlt_sobol_scramble(point, dimension, at->seed);
            values[i] = rlt_param_at(param, ((double)point + 0.5) * 0x1p-32);
            dimension++;
        } else if (param->kind != RLT_DIST_FUNCTION) {
            values[i] = rlt_param_nth(param, 0);
        }
    }
    return RLT_OK;
}

const rlt_sampler_def rlt_sampler_sobol = {
    .check = sobol_check,
    .state_size = sizeof(sobol_state),
    .init = sobol_init,
    .ask = sobol_ask,
};
