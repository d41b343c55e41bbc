/* tuner: the bodies behind gp_lanes.h; the including file sets RLT_LANES and RLT_GP_FORM, and is
 * compiled for a vector unit. Thread: pure functions. */
#include "tuner/samplers/gp_lanes.h"
#include "tuner/samplers/lanes.h"

/* PARTS vectors are eight doubles. */
enum { ROWS = 4, EIGHT = 8, PARTS = EIGHT / RLT_LANES };

RLT_LANES_FN void store(double *to, const rlt_lanes *from) {
    memcpy(to, from, sizeof *from);
}

/* The sum of eight partial ones, in a fixed order. */
RLT_LANES_FN double total(const rlt_lanes parts[PARTS]) {
    double x[EIGHT];
    memcpy(x, parts, sizeof x);
    return ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
}

/* *r := exp(-sqrt(5 r)), *u := sqrt(5 r) */
RLT_LANES_FN void decay(rlt_lanes *r, rlt_lanes *u) {
    *u = 5 * *r;
    for (int i = 0; i < RLT_LANES; i++) {
        (*u)[i] = __builtin_sqrt((*u)[i]);
    }
    *r = -*u;
    rlt_lanes_exp(r);
}

/* *r += weight times the squared or Hamming distance */
RLT_LANES_FN void add_distance(rlt_lanes *r, const rlt_lanes *difference, double weight,
                               bool categorical) {
    if (categorical) {
        rlt_lanes_bits differ = (rlt_lanes_bits)(*difference != 0);
        rlt_lanes one = (rlt_lanes){0} + weight;
        *r += (rlt_lanes)(differ & (rlt_lanes_bits)one);
    } else {
        *r += weight * *difference * *difference;
    }
}

static void kernel_row(const rlt_gp_kernel *a) {
    for (int p = 0; p < (a->count + EIGHT - 1) / EIGHT * EIGHT; p += RLT_LANES) {
        rlt_lanes r = {0}, x, u;
        for (int j = 0; j < a->d; j++) {
            rlt_lanes_load(&x, a->x + (size_t)j * a->stride + p);
            x = a->query[j] - x;
            add_distance(&r, &x, a->weights[j], a->categorical[j]);
        }
        rlt_lanes third = r * (5.0 / 3);
        decay(&r, &u);
        for (int i = a->count > p ? a->count - p : 0; i < RLT_LANES; i++) {
            r[i] = 0;
        }
        r *= a->scale;
        rlt_lanes k = r * (1 + u + third);
        store(a->k + p, &k);
        if (a->slope != 0) {
            rlt_lanes slope = r * (-5.0 / 6) * (1 + u);
            store(a->slope + p, &slope);
        }
    }
}

static void times(const rlt_gp_product *a) {
    for (int i = 0; i < a->n; i += ROWS) {
        int rows = a->n - i < ROWS ? a->n - i : ROWS;
        rlt_lanes sums[ROWS][PARTS] = {{{0}}}, v, m;
        for (int k = 0; k < i + rows; k += EIGHT) {
            for (int q = 0; q < PARTS; q++) {
                rlt_lanes_load(&v, a->v + k + q * RLT_LANES);
                for (int r = 0; r < ROWS; r++) { /* a row too many is read again, not used */
                    size_t row = (size_t)(r < rows ? i + r : i);
                    rlt_lanes_load(&m, a->lower + row * a->stride + k + q * RLT_LANES);
                    sums[r][q] += m * v;
                }
            }
        }
        for (int r = 0; r < rows; r++) {
            a->out[i + r] = total(sums[r]);
        }
    }
}

static void transposed_times(const rlt_gp_product *a) {
    memset(a->out, 0, sizeof(double) * (size_t)((a->n + EIGHT - 1) / EIGHT * EIGHT));
    for (int i = 0; i < a->n; i += ROWS) {
        int rows = a->n - i < ROWS ? a->n - i : ROWS;
        for (int k = 0; k < i + rows; k += RLT_LANES) {
            rlt_lanes out, m;
            rlt_lanes_load(&out, a->out + k);
            for (int r = 0; r < ROWS; r++) {
                size_t row = (size_t)(r < rows ? i + r : i);
                rlt_lanes_load(&m, a->lower + row * a->stride + k);
                out += m * (r < rows ? a->v[i + r] : 0);
            }
            store(a->out + k, &out);
        }
    }
}

/* Rows of the result four at a time: those of `lower` from there on, weighted. */
static void gram(const rlt_gp_gram_of *a) {
    for (int i = 0; i < a->n; i += ROWS) {
        int rows = a->n - i < ROWS ? a->n - i : ROWS;
        for (int k = 0; k < i + rows; k += RLT_LANES) {
            rlt_lanes sums[ROWS] = {{0}}, m;
            for (int p = i; p < a->n; p++) {
                const double *row = a->lower + (size_t)p * a->stride;
                rlt_lanes_load(&m, row + k);
                for (int r = 0; r < ROWS; r++) {
                    sums[r] += m * row[r < rows ? i + r : i];
                }
            }
            for (int r = 0; r < rows; r++) {
                store(a->out + (size_t)(i + r) * a->stride + k, &sums[r]);
            }
        }
    }
}

static void pull(const rlt_gp_pull_of *a) {
    for (int j = 0; j < a->d; j++) {
        const double *x = a->x + (size_t)j * a->stride;
        rlt_lanes sums[PARTS] = {{0}}, c, difference;
        for (int p = 0; p < a->count; p += EIGHT) {
            for (int q = 0; q < PARTS; q++) {
                rlt_lanes_load(&difference, x + p + q * RLT_LANES);
                rlt_lanes_load(&c, a->c + p + q * RLT_LANES);
                difference = a->query[j] - difference;
                if (a->squared) {
                    rlt_lanes square = {0};
                    add_distance(&square, &difference, 1, a->categorical[j]);
                    difference = square;
                }
                sums[q] += c * difference;
            }
        }
        a->out[j] = a->categorical[j] && !a->squared ? 0 : total(sums);
    }
}

static void eight_kernels(const rlt_gp_eight *a) {
    rlt_lanes sums[PARTS] = {{0}}, x;
    for (int p = 0; p < a->count; p++) {
        for (int q = 0; q < PARTS; q++) {
            rlt_lanes r = {0}, u;
            for (int j = 0; j < a->d; j++) {
                rlt_lanes_load(&x, a->queries + (size_t)j * EIGHT + q * RLT_LANES);
                x -= a->x[(size_t)j * a->stride + p];
                add_distance(&r, &x, a->weights[j], a->categorical[j]);
            }
            rlt_lanes third = r * (5.0 / 3);
            decay(&r, &u);
            r *= a->scale * (1 + u + third);
            sums[q] += a->alpha[p] * r;
            store(a->k + (size_t)p * EIGHT + q * RLT_LANES, &r);
        }
    }
    memcpy(a->sum, sums, sizeof sums);
}

static void eight_queries(const rlt_gp_eight *a) {
    rlt_lanes squares[PARTS] = {{0}}, k;
    eight_kernels(a);
    for (int i = 0; i < a->count; i += ROWS) {
        int rows = a->count - i < ROWS ? a->count - i : ROWS;
        rlt_lanes parts[ROWS][PARTS] = {{{0}}};
        const double *row[ROWS];
        for (int r = 0; r < ROWS; r++) {
            row[r] = a->lower + (size_t)(r < rows ? i + r : i) * a->stride;
        }
        for (int p = 0; p < i + rows; p++) {
            for (int q = 0; q < PARTS; q++) {
                rlt_lanes_load(&k, a->k + (size_t)p * EIGHT + q * RLT_LANES);
                for (int r = 0; r < ROWS; r++) {
                    parts[r][q] += row[r][p] * k;
                }
            }
        }
        for (int r = 0; r < rows; r++) {
            for (int q = 0; q < PARTS; q++) {
                squares[q] += parts[r][q] * parts[r][q];
            }
        }
    }
    memcpy(a->squares, squares, sizeof squares);
}

/* *q := log(h(-z) / (phi(z) t^2)), t = 2 / (2 + z / sqrt 2), for z >= 0: scripts/gen_log_h_lanes.py
 */
RLT_LANES_FN void log_h_part(const rlt_lanes *t, rlt_lanes *q) {
    static const double terms[] = {
#include "tuner/samplers/log_h_coefficients.inc"
    };
    rlt_lanes y = 2 * *t - 1;
    *q = (rlt_lanes){0} + terms[0];
    for (size_t i = 1; i < sizeof terms / sizeof *terms; i++) {
        *q = *q * y + terms[i];
    }
}

/* With g = h(-|z|) / phi(z) and Mills' ratio r at |z|: below 0 log h = log phi + log g and its
 * slope Phi / h = r / g; above, h = z + phi g and Phi = 1 - phi r. Nothing cancels. */
static void log_h(const rlt_gp_log_h_of *a) {
    const double log_sqrt_2pi = 0.91893853320467274178, root_half_pi = 1.25331413731550025121;
    for (int i = 0; i < a->count; i += RLT_LANES) {
        rlt_lanes z, g, r;
        rlt_lanes_load(&z, a->z + i);
        rlt_lanes_bits below = (rlt_lanes_bits)(z < 0);
        rlt_lanes x = (rlt_lanes)((rlt_lanes_bits)z & 0x7fffffffffffffffu), most = {0};
        rlt_lanes_bits far = (rlt_lanes_bits)(x < 1e100);
        most += 1e100;
        rlt_lanes_select(&x, &far, &most);
        rlt_lanes t = 2 / (2 + x * 0.70710678118654752), log_phi = -0.5 * x * x - log_sqrt_2pi;
        rlt_lanes_erfc_part(&t, &r);
        rlt_lanes_exp(&r);
        r *= root_half_pi * t;
        log_h_part(&t, &g);
        rlt_lanes_exp(&g);
        g *= t * t;
        rlt_lanes phi = log_phi;
        rlt_lanes_exp(&phi);
        rlt_lanes h = x + phi * g, slope = r / g, above = (1 - phi * r) / h, value = g;
        const rlt_lanes zero = {0};
        rlt_lanes_select(&slope, &below, &above);
        rlt_lanes_select(&value, &below, &h);
        rlt_lanes_select(&log_phi, &below, &zero);
        rlt_lanes_log(&value);
        value += log_phi;
        store(a->value + i, &value);
        store(a->slope + i, &slope);
    }
}

static void gaps(const rlt_gp_gap_of *a) {
    for (int i = 0; i < a->count; i += RLT_LANES) {
        rlt_lanes low, ratio, most = {0};
        rlt_lanes_load(&low, a->low + i);
        rlt_lanes_load(&ratio, a->high + i);
        ratio -= low;
        rlt_lanes_exp(&ratio);
        most += 1 - 0x1p-53;
        rlt_lanes_bits fits = (rlt_lanes_bits)(ratio <= most);
        rlt_lanes_select(&ratio, &fits, &most);
        rlt_lanes rest = 1 - ratio;
        rlt_lanes_log(&rest);
        rest += low;
        store(a->ratio + i, &ratio);
        store(a->gap + i, &rest);
    }
}

static void exps(int count, double *x) {
    for (int i = 0; i < count; i += RLT_LANES) {
        rlt_lanes v;
        rlt_lanes_load(&v, x + i);
        rlt_lanes_exp(&v);
        store(x + i, &v);
    }
}

const rlt_gp_form RLT_GP_FORM = {
    kernel_row, times, transposed_times, gram, pull, eight_queries, log_h, gaps, exps};
