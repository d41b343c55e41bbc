/* tuner: draws from a Parzen estimator and its log density at many candidates.
 * Why lanes: candidates stand side by side and kernels are summed one after the other, so every
 * vector unit computes the same IEEE operations in the same order and gives the same bits (this
 * file is compiled without contraction). log sum exp goes on by chunks of kernels with a running
 * maximum, so that a chunk stays in the first-level cache.
 * Thread: one. Owner: see parzen.h. */
#include "tuner/samplers/lanes.h"
#include "tuner/samplers/parzen.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 64 };
typedef struct kernel_ref {
    const double *mu, *inverse;
    const uint32_t *classes;
    double constant, weight;
} kernel_ref;
typedef struct chunk {
    const kernel_ref *kernels;
    int count;
    int first, real_end, last; /* dimensions: real ones, then those with a table */
    const double *x;           /* [dim_count, lanes] */
    const double *rows;
    const int64_t *row_start;
    int lanes, lane;       /* of the block's first */
    rlt_lanes *peak, *sum; /* of exp(e - peak) */
} chunk;

RLT_LANES_FN void add_chunk_body(const chunk *c) {
    rlt_lanes e[CHUNK], peak = *c->peak;
    for (int k = 0; k < c->count; k++) {
        const kernel_ref *kernel = &c->kernels[k];
        rlt_lanes squares = {0};
        for (int d = c->first; d < c->real_end; d++) {
            rlt_lanes x;
            rlt_lanes_load(&x, c->x + d * c->lanes + c->lane);
            rlt_lanes z = (x - kernel->mu[d]) * kernel->inverse[d];
            squares += z * z;
        }
        e[k] = kernel->constant - 0.5 * squares;
        for (int d = c->real_end; d < c->last; d++) {
            rlt_lanes row;
            int64_t at = c->row_start[d] + (int64_t)kernel->classes[d] * c->lanes + c->lane;
            rlt_lanes_load(&row, c->rows + at);
            e[k] += row;
        }
        rlt_lanes_bits lower = (rlt_lanes_bits)(e[k] <= peak);
        rlt_lanes_select(&peak, &lower, &e[k]);
    }
    rlt_lanes fall = *c->peak - peak;
    rlt_lanes_exp(&fall);
    rlt_lanes sum = *c->sum * fall;
    for (int k = 0; k < c->count; k++) {
        e[k] -= peak;
        rlt_lanes_exp(&e[k]);
        sum += e[k] * c->kernels[k].weight;
    }
    *c->peak = peak;
    *c->sum = sum;
}

RLT_LANES_FORMS(add_chunk, chunk)

/* ---- the density ---- */

static double prior_constant(const rlt_parzen *parzen, int first, int last) {
    double constant = 0;
    for (int d = first; d < last; d++) {
        constant += parzen->prior[3 * parzen->dim_count + d];
    }
    return constant;
}

static kernel_ref kernel_at(const rlt_parzen *parzen, int first, int last, int64_t at) {
    const int width = parzen->dim_count;
    if (at == parzen->count) {
        return (kernel_ref){parzen->prior, parzen->prior + 2 * width, parzen->prior_classes,
                            prior_constant(parzen, first, last), parzen->weights[at]};
    }
    int64_t slot = parzen->order[at];
    double constant =
        last - first == 1 ? parzen->constant[slot * width + first] : parzen->total[slot];
    return (kernel_ref){parzen->mu + slot * width, parzen->inverse + slot * width,
                        parzen->classes + slot * width, constant, parzen->weights[at]};
}

void rlt_parzen_log_pdf(rlt_parzen *parzen, int first, int last, const double *x, int lanes,
                        double *out) {
    RLT_ASSERT(lanes % RLT_LANES == 0 && (last - first == 1 || last - first == parzen->dim_count));
    enum { BLOCKS_MAX = 16 };
    rlt_parzen_prepare(parzen);
    rlt_parzen_fill_tables(parzen, first, last, x, lanes);
    kernel_ref kernels[CHUNK];
    int real_end = last < parzen->real_count ? last : parzen->real_count;
    chunk c = {kernels, 0, first,        first > real_end ? first : real_end,
               last,    x, parzen->rows, parzen->row_start,
               lanes,   0, NULL,         NULL};
    for (int from = 0; from < lanes; from += BLOCKS_MAX * RLT_LANES) {
        int blocks =
            lanes - from < BLOCKS_MAX * RLT_LANES ? (lanes - from) / RLT_LANES : BLOCKS_MAX;
        rlt_lanes peaks[BLOCKS_MAX], sums[BLOCKS_MAX];
        for (int b = 0; b < blocks; b++) {
            peaks[b] = (rlt_lanes){0} - INFINITY;
            sums[b] = (rlt_lanes){0};
        }
        for (int64_t at = 0; at <= parzen->count; at += c.count) {
            int64_t left = parzen->count + 1 - at;
            c.count = left < CHUNK ? (int)left : CHUNK;
            for (int k = 0; k < c.count; k++) {
                kernels[k] = kernel_at(parzen, first, last, at + k);
            }
            for (int b = 0; b < blocks; b++) {
                c.lane = from + b * RLT_LANES;
                c.peak = &peaks[b];
                c.sum = &sums[b];
                add_chunk(&c);
            }
        }
        for (int l = 0; l < blocks * RLT_LANES; l++) {
            out[from + l] = peaks[l / RLT_LANES][l % RLT_LANES] +
                            log(sums[l / RLT_LANES][l % RLT_LANES]) - log(parzen->weight_sum);
        }
    }
}

/* ---- draws ---- */

static double draw_normal(const rlt_parzen_dim *dim, double mu, double sigma, double u) {
    double below = 0.5 * erfc((mu - dim->low) / sigma * M_SQRT1_2);
    double above = 0.5 * erfc((dim->high - mu) / sigma * M_SQRT1_2);
    double y = mu + sigma * rlt_normal_quantile(below + u * (1 - above - below));
    y = fmin(fmax(y, dim->low), dim->high);
    if (dim->kind == RLT_PARZEN_REAL && dim->step == 0) {
        return y;
    }
    double cell = round(((dim->log ? exp(y) : y) - dim->first) / dim->step);
    cell = fmin(fmax(cell, 0), (double)dim->count - 1);
    return dim->kind == RLT_PARZEN_CELLS ? cell : dim->first + cell * dim->step;
}

static double draw_choice(const rlt_parzen *parzen, int d, int64_t slot, double u) {
    double count = (double)parzen->dims[d].count;
    if (slot < 0) {
        return fmin(floor(u * count), count - 1);
    }
    double share = parzen->options.prior_weight / (double)(parzen->count + 1);
    double own = parzen->x[slot * parzen->dim_count + d];
    u *= 1 + count * share; /* choices before `own` have share each, then it has 1 + share */
    if (u < own * share) {
        return fmin(floor(u / share), own - 1);
    }
    u -= own * share;
    return u < 1 + share ? own : fmin(own + 1 + floor((u - 1 - share) / share), count - 1);
}

/* The slot of a component, or -1 for the prior. */
static int64_t draw_component(const rlt_parzen *parzen, double u) {
    double left = u * parzen->weight_sum;
    for (int64_t at = 0; at < parzen->count; at++) {
        left -= parzen->weights[at];
        if (left < 0) {
            return parzen->order[at];
        }
    }
    return -1;
}

void rlt_parzen_sample(rlt_parzen *parzen, rlt_rng *rng, int first, int last, double *x,
                       int lanes) {
    const int width = parzen->dim_count;
    rlt_parzen_prepare(parzen);
    for (int l = 0; l < lanes; l++) {
        int64_t slot = draw_component(parzen, rlt_rng_f64(rng));
        for (int d = first; d < last; d++) {
            double u = rlt_rng_f64(rng);
            const double *mu = slot < 0 ? parzen->prior : parzen->mu + slot * width;
            const double *sigma = slot < 0 ? parzen->prior + width : parzen->sigma + slot * width;
            x[d * lanes + l] = parzen->dims[d].kind == RLT_PARZEN_CHOICE
                                   ? draw_choice(parzen, d, slot, u)
                                   : draw_normal(&parzen->dims[d], mu[d], sigma[d], u);
        }
    }
}
