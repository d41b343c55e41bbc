/* tuner: draws from a Parzen estimator and its log density at many candidates.
 * Why lanes: candidates stand side by side and kernels are summed one after the other, so every
 * vector unit computes the same IEEE operations in the same order and gives the same bits. log sum
 * exp goes on by chunks of kernels with a running maximum, so that a chunk stays in the cache.
 * Thread: one. Owner: see parzen.h. */
#include "tuner/samplers/parzen_forms.h"

#include <math.h>

const rlt_parzen_form *rlt_parzen_form_at(int i) {
#ifdef RLT_PARZEN_VECTOR_FORMS
    if (i == 1) {
        return __builtin_cpu_supports("avx2") ? &rlt_parzen_avx2 : NULL;
    }
    if (i == 2) {
        bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
        return has ? &rlt_parzen_avx512 : NULL;
    }
#endif
    return i == 0 ? &rlt_parzen_plain : NULL;
}

/* ---- the density ---- */

static double prior_constant(const rlt_parzen *parzen, int first, int last) {
    double constant = 0;
    for (int d = first; d < last; d++) {
        constant += parzen->prior[3 * parzen->dim_count + d];
    }
    return constant;
}

static rlt_parzen_kernel kernel_at(const rlt_parzen *parzen, int first, int last, int64_t at) {
    const int width = parzen->dim_count;
    if (at == parzen->count) {
        return (rlt_parzen_kernel){parzen->prior, parzen->prior + 2 * width, parzen->prior_classes,
                                   prior_constant(parzen, first, last), parzen->weights[at]};
    }
    int64_t slot = parzen->order[at];
    double constant =
        last - first == 1 ? parzen->constant[slot * width + first] : parzen->total[slot];
    return (rlt_parzen_kernel){parzen->mu + slot * width, parzen->inverse + slot * width,
                               parzen->classes + slot * width, constant, parzen->weights[at]};
}

void rlt_parzen_log_pdf(rlt_parzen *parzen, int first, int last, const double *x, int lanes,
                        double *out) {
    RLT_ASSERT(lanes % RLT_PARZEN_LANES == 0 && first < last);
    RLT_ASSERT(last - first == 1 || last - first == parzen->dim_count);
    rlt_parzen_prepare(parzen);
    rlt_parzen_fill_tables(parzen, first, last, x, lanes);
    parzen->sums =
        rlt_tuner_grow(parzen->sums, &parzen->sums_capacity, lanes, sizeof(*parzen->sums));
    rlt_parzen_kernel kernels[RLT_PARZEN_CHUNK];
    int real_end = last < parzen->real_count ? last : parzen->real_count;
    rlt_parzen_chunk c = {.kernels = kernels,
                          .first = first,
                          .real_end = first > real_end ? first : real_end,
                          .last = last,
                          .x = x,
                          .rows = parzen->rows,
                          .row_start = parzen->row_start,
                          .lanes = lanes,
                          .peak = out,
                          .sum = parzen->sums};
    for (int l = 0; l < lanes; l++) {
        out[l] = -INFINITY;
        parzen->sums[l] = 0;
    }
    for (int64_t at = 0; at <= parzen->count; at += c.count) {
        int64_t left = parzen->count + 1 - at;
        c.count = left < RLT_PARZEN_CHUNK ? (int)left : RLT_PARZEN_CHUNK;
        for (int k = 0; k < c.count; k++) {
            kernels[k] = kernel_at(parzen, first, last, at + k);
        }
        parzen->form->add_chunk(&c);
    }
    for (int l = 0; l < lanes; l++) {
        out[l] += log(parzen->sums[l]) - log(parzen->weight_sum);
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
