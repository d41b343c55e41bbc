/* tuner: draws from a Parzen estimator and its log density at many candidates.
 * Why lanes: candidates stand side by side and kernels are summed one after the other, so every
 * vector unit computes the same IEEE operations in the same order and gives the same bits (this
 * file is compiled without contraction). log sum exp goes on by chunks of kernels with a running
 * maximum, so that a chunk stays in the first-level cache.
 * Thread: one. Owner: see parzen.h. */
#include "tuner/samplers/parzen.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 64, LANES = RLT_PARZEN_LANES };
typedef double lanes_f64 __attribute__((vector_size(sizeof(double) * LANES)));
typedef uint64_t lanes_u64 __attribute__((vector_size(sizeof(uint64_t) * LANES)));
#define LANES_FN static inline __attribute__((always_inline))

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
    lanes_f64 *peak, *sum; /* of exp(e - peak) */
} chunk;

/* *x = exp(*x) for x <= 0, exp(-700) below -700; error below 2 ulp. Argument reduction by ln 2 in
 * two parts (Cody and Waite, 1980), Taylor's polynomial of degree 12 on |r| <= ln 2 / 2. */
LANES_FN void exp_lanes(lanes_f64 *x) {
    const double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    static const double coefficients[] = {1.0 / 479001600,
                                          1.0 / 39916800,
                                          1.0 / 3628800,
                                          1.0 / 362880,
                                          1.0 / 40320,
                                          1.0 / 5040,
                                          1.0 / 720,
                                          1.0 / 120,
                                          1.0 / 24,
                                          1.0 / 6,
                                          0.5,
                                          1,
                                          1};
    lanes_u64 far = (lanes_u64)(*x < -700);
    const lanes_f64 least = (lanes_f64){0} - 700;
    lanes_f64 y = (lanes_f64)((far & (lanes_u64)least) | (~far & (lanes_u64)*x));
    lanes_f64 shifted = y * 1.4426950408889634 + shift;
    lanes_f64 k = shifted - shift;
    lanes_f64 r = (y - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
    lanes_f64 p = (lanes_f64){0} + coefficients[0];
    for (size_t i = 1; i < RLT_COUNT(coefficients); i++) {
        p = p * r + coefficients[i];
    }
    *x = (lanes_f64)(((lanes_u64)shifted << 52) + (lanes_u64)p);
}

LANES_FN void add_chunk_body(const chunk *c) {
    lanes_f64 e[CHUNK], peak = *c->peak;
    for (int k = 0; k < c->count; k++) {
        const kernel_ref *kernel = &c->kernels[k];
        lanes_f64 squares = {0};
        for (int d = c->first; d < c->real_end; d++) {
            lanes_f64 x;
            memcpy(&x, c->x + d * c->lanes + c->lane, sizeof x);
            lanes_f64 z = (x - kernel->mu[d]) * kernel->inverse[d];
            squares += z * z;
        }
        e[k] = kernel->constant - 0.5 * squares;
        for (int d = c->real_end; d < c->last; d++) {
            lanes_f64 row;
            int64_t at = c->row_start[d] + (int64_t)kernel->classes[d] * c->lanes + c->lane;
            memcpy(&row, c->rows + at, sizeof row);
            e[k] += row;
        }
        lanes_u64 higher = (lanes_u64)(e[k] > peak);
        peak = (lanes_f64)((higher & (lanes_u64)e[k]) | (~higher & (lanes_u64)peak));
    }
    lanes_f64 fall = *c->peak - peak;
    exp_lanes(&fall);
    lanes_f64 sum = *c->sum * fall;
    for (int k = 0; k < c->count; k++) {
        e[k] -= peak;
        exp_lanes(&e[k]);
        sum += e[k] * c->kernels[k].weight;
    }
    *c->peak = peak;
    *c->sum = sum;
}

static void add_chunk_plain(const chunk *c) {
    add_chunk_body(c);
}
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
__attribute__((target("avx2"))) static void add_chunk_avx2(const chunk *c) {
    add_chunk_body(c);
}
__attribute__((target("avx512f,avx512dq,prefer-vector-width=512"))) static void
add_chunk_avx512(const chunk *c) {
    add_chunk_body(c);
}
static void (*add_chunk_form(void))(const chunk *) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) {
        return add_chunk_avx512;
    }
    return __builtin_cpu_supports("avx2") ? add_chunk_avx2 : add_chunk_plain;
}
#else
static void (*add_chunk_form(void))(const chunk *) {
    return add_chunk_plain;
}
#endif

/* ---- tables ---- */

static double edge(const rlt_parzen_dim *dim, double cell) {
    double at = dim->first + cell * dim->step;
    return dim->log ? log(at) : at;
}

/* log of the mass of each lane's cell; lanes in the same cell are computed once. */
static void fill_cells(const rlt_parzen_dim *dim, double mu, double sigma, const double *x,
                       int lanes, double *row) {
    for (int l = 0; l < lanes; l++) {
        int same = 0;
        while (x[same] != x[l]) {
            same++;
        }
        row[l] = same < l ? row[same]
                          : rlt_normal_log_mass((edge(dim, x[l] - 0.5) - mu) / sigma,
                                                (edge(dim, x[l] + 0.5) - mu) / sigma);
    }
}

static void reserve_rows(rlt_parzen *parzen, int64_t rows, int lanes) {
    parzen->rows =
        rlt_tuner_grow(parzen->rows, &parzen->rows_capacity, rows * lanes, sizeof(double));
}

/* Kernels of equal place and width share a row: as points are sorted, equal places stand together,
 * and have few widths. Returns the number of rows. */
static int64_t fill_cell_table(rlt_parzen *parzen, int d, int64_t start, const double *x,
                               int lanes) {
    const rlt_parzen_dim *dim = &parzen->dims[d];
    const int width = parzen->dim_count;
    reserve_rows(parzen, start + 1, lanes);
    fill_cells(dim, parzen->prior[d], parzen->prior[width + d], x, lanes,
               parzen->rows + start * lanes);
    int64_t count = 1, group = 0; /* the group of places equal to this one starts there */
    const rlt_parzen_place *sorted = parzen->sorted[d];
    for (int64_t i = 0; i < parzen->count; i++) {
        int64_t cell = sorted[i].slot * width + d, same = i - 1;
        group = i > 0 && sorted[i - 1].mu == sorted[i].mu ? group : i;
        while (same >= group &&
               parzen->sigma[sorted[same].slot * width + d] != parzen->sigma[cell]) {
            same--;
        }
        if (same >= group) {
            parzen->classes[cell] = parzen->classes[sorted[same].slot * width + d];
            continue;
        }
        reserve_rows(parzen, start + count + 1, lanes);
        fill_cells(dim, parzen->mu[cell], parzen->sigma[cell], x, lanes,
                   parzen->rows + (start + count) * lanes);
        parzen->classes[cell] = (uint32_t)count++;
    }
    return count;
}

/* Row 1 + k: of kernels at choice k: one-hot plus prior_weight / kernels, normalised. */
static int64_t fill_choice_table(rlt_parzen *parzen, int d, int64_t start, const double *x,
                                 int lanes) {
    int64_t count = parzen->dims[d].count;
    double choices = (double)count, share = parzen->options.prior_weight;
    share /= (double)(parzen->count + 1);
    double other = log(share / (1 + choices * share));
    double own = log((1 + share) / (1 + choices * share));
    reserve_rows(parzen, start + 1 + count, lanes);
    double *row = parzen->rows + start * lanes;
    for (int l = 0; l < lanes; l++) {
        row[l] = -log(choices);
    }
    for (int64_t k = 0; k < count; k++) {
        row += lanes;
        for (int l = 0; l < lanes; l++) {
            row[l] = (double)k == x[l] ? own : other;
        }
    }
    return 1 + count;
}

static void fill_tables(rlt_parzen *parzen, int first, int last, const double *x, int lanes) {
    int64_t rows = 0;
    for (int d = first > parzen->real_count ? first : parzen->real_count; d < last; d++) {
        parzen->row_start[d] = rows * lanes;
        rows += parzen->dims[d].kind == RLT_PARZEN_CELLS
                    ? fill_cell_table(parzen, d, rows, x + d * lanes, lanes)
                    : fill_choice_table(parzen, d, rows, x + d * lanes, lanes);
    }
}

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
    RLT_ASSERT(lanes % LANES == 0 && (last - first == 1 || last - first == parzen->dim_count));
    enum { BLOCKS_MAX = 16 };
    void (*add_chunk)(const chunk *) = add_chunk_form();
    rlt_parzen_prepare(parzen);
    fill_tables(parzen, first, last, x, lanes);
    kernel_ref kernels[CHUNK];
    int real_end = last < parzen->real_count ? last : parzen->real_count;
    chunk c = {kernels, 0, first,        first > real_end ? first : real_end,
               last,    x, parzen->rows, parzen->row_start,
               lanes,   0, NULL,         NULL};
    for (int from = 0; from < lanes; from += BLOCKS_MAX * LANES) {
        int blocks = lanes - from < BLOCKS_MAX * LANES ? (lanes - from) / LANES : BLOCKS_MAX;
        lanes_f64 peaks[BLOCKS_MAX], sums[BLOCKS_MAX];
        for (int b = 0; b < blocks; b++) {
            peaks[b] = (lanes_f64){0} - INFINITY;
            sums[b] = (lanes_f64){0};
        }
        for (int64_t at = 0; at <= parzen->count; at += c.count) {
            int64_t left = parzen->count + 1 - at;
            c.count = left < CHUNK ? (int)left : CHUNK;
            for (int k = 0; k < c.count; k++) {
                kernels[k] = kernel_at(parzen, first, last, at + k);
            }
            for (int b = 0; b < blocks; b++) {
                c.lane = from + b * LANES;
                c.peak = &peaks[b];
                c.sum = &sums[b];
                add_chunk(&c);
            }
        }
        for (int l = 0; l < blocks * LANES; l++) {
            out[from + l] = peaks[l / LANES][l % LANES] + log(sums[l / LANES][l % LANES]) -
                            log(parzen->weight_sum);
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
