/* tuner: the kernels of a Parzen estimator: what comes, what goes, how wide each is.
 * Thread: one. Owner: see parzen.h. */
#include "tuner/samplers/parzen_forms.h"

#include <math.h>
#include <string.h>

static const double log_sqrt_2pi = 0.9189385332046727;
static const double sigma_least = 1e-12; /* without magic_clip, as Optuna's EPS */

/* log erfc(z) for z >= 20, by the asymptotic series (DLMF 7.12.1); error below 1e-9. */
static double log_erfc_far(double z) {
    double t = 1 / (2 * z * z);
    return -z * z - log(z * sqrt(M_PI)) + log1p(-t * (1 - 3 * t * (1 - 5 * t)));
}

/* What is wanted is a small absolute error of the logarithm. */
double rlt_normal_log_mass(double a, double b) {
    if (b <= 0) {
        return rlt_normal_log_mass(-b, -a);
    }
    a *= M_SQRT1_2;
    b *= M_SQRT1_2;
    if (a <= 0) {
        return log(0.5 * (erf(b) - erf(a)));
    }
    if (a < 20) { /* erfc(20) is 5e-176 */
        return log(0.5 * (erfc(a) - erfc(b)));
    }
    double from = log_erfc_far(a), to = log_erfc_far(b);
    return from + log(-expm1(to - from)) - M_LN2;
}

static bool is_numeric(const rlt_parzen *parzen, int dim) {
    return parzen->dims[dim].kind != RLT_PARZEN_CHOICE;
}

static double middle_of(const rlt_parzen_dim *dim, double x) {
    if (dim->kind != RLT_PARZEN_CELLS) {
        return x;
    }
    double middle = dim->first + x * dim->step;
    return dim->log ? log(middle) : middle;
}

/* What a kernel's log density has besides -z^2 / 2; for cells, whose mass a table holds, only what
 * the truncation adds. */
static void fill_kernel(const rlt_parzen_dim *dim, double mu, double sigma, double *inverse,
                        double *constant) {
    double wide = sigma;
    *constant = -rlt_normal_log_mass((dim->low - mu) / sigma, (dim->high - mu) / sigma);
    if (dim->kind == RLT_PARZEN_REAL) {
        wide = dim->step > 0 ? sqrt(sigma * sigma + dim->step * dim->step / 12) : sigma;
        *constant += (dim->step > 0 ? log(dim->step) : 0) - log(wide) - log_sqrt_2pi;
    }
    *inverse = 1 / wide;
}

void rlt_parzen_init(rlt_parzen *parzen, const rlt_parzen_dim *dims, int dim_count,
                     rlt_parzen_options options) {
    size_t width = (size_t)dim_count;
    *parzen = (rlt_parzen){.dims = dims, .dim_count = dim_count, .options = options};
    parzen->sorted = rlt_alloc(width * sizeof(*parzen->sorted));
    parzen->sorted_capacity = rlt_alloc(width * sizeof(int64_t));
    parzen->row_start = rlt_alloc(width * sizeof(int64_t));
    parzen->prior_classes = rlt_alloc(width * sizeof(uint32_t));
    parzen->prior = rlt_alloc(4 * width * sizeof(double));
    parzen->changed = true;
    for (int i = 0; i < 3; i++) {
        parzen->form = rlt_parzen_form_at(i) != NULL ? rlt_parzen_form_at(i) : parzen->form;
    }
    for (int i = 0; i < dim_count; i++) {
        RLT_ASSERT(dims[i].kind != RLT_PARZEN_REAL || parzen->real_count == i);
        parzen->real_count += dims[i].kind == RLT_PARZEN_REAL;
        if (is_numeric(parzen, i)) {
            double *prior = parzen->prior + i;
            prior[0] = dims[i].prior_mu;
            prior[width] = dims[i].prior_sigma;
            fill_kernel(&dims[i], prior[0], prior[width], &prior[2 * width], &prior[3 * width]);
        }
    }
}

void rlt_parzen_fini(rlt_parzen *parzen) {
    for (int i = 0; parzen->sorted != NULL && i < parzen->dim_count; i++) {
        rlt_free(parzen->sorted[i]);
    }
    void *const owned[] = {parzen->sorted,
                           parzen->sorted_capacity,
                           parzen->prior,
                           parzen->present,
                           parzen->x,
                           parzen->mu,
                           parzen->sigma,
                           parzen->inverse,
                           parzen->constant,
                           parzen->total,
                           parzen->given,
                           parzen->classes,
                           parzen->rows,
                           parzen->row_start,
                           parzen->prior_classes,
                           parzen->kinds,
                           parzen->sums,
                           parzen->edges,
                           parzen->order,
                           parzen->weights};
    for (size_t i = 0; i < RLT_COUNT(owned); i++) {
        rlt_free(owned[i]);
    }
    *parzen = (rlt_parzen){0};
}

void rlt_parzen_clear(rlt_parzen *parzen) {
    if (parzen->capacity > 0) {
        memset(parzen->present, 0, (size_t)parzen->capacity * sizeof(bool));
    }
    parzen->count = 0;
    parzen->changed = true;
}

static void *grown(void *items, int64_t capacity, int64_t needed, size_t size) {
    return rlt_tuner_grow(items, &capacity, needed, size);
}

static void reserve(rlt_parzen *parzen, int64_t slots) {
    if (slots <= parzen->capacity) {
        return;
    }
    int64_t had = parzen->capacity;
    int64_t needed = slots > 2 * had ? slots + 64 : 2 * had;
    size_t row = (size_t)parzen->dim_count * sizeof(double);
    parzen->present = grown(parzen->present, had, needed, sizeof(bool));
    parzen->x = grown(parzen->x, had, needed, row);
    parzen->mu = grown(parzen->mu, had, needed, row);
    parzen->sigma = grown(parzen->sigma, had, needed, row);
    parzen->inverse = grown(parzen->inverse, had, needed, row);
    parzen->constant = grown(parzen->constant, had, needed, row);
    parzen->total = grown(parzen->total, had, needed, sizeof(double));
    parzen->given = grown(parzen->given, had, needed, sizeof(double));
    parzen->classes =
        grown(parzen->classes, had, needed, (size_t)parzen->dim_count * sizeof(uint32_t));
    parzen->capacity = needed;
}

/* ---- how wide ---- */

static double least_sigma(const rlt_parzen *parzen, const rlt_parzen_dim *dim, int64_t count) {
    if (!parzen->options.magic_clip) {
        return sigma_least;
    }
    double factor = parzen->options.narrow > 0 ? parzen->options.narrow : 1;
    return factor * ((dim->high - dim->low) / fmin(100, 2 + (double)count));
}

/* The larger gap to a neighbour; a missing one does not count, unless the point is alone. */
static double gap_at(const rlt_parzen *parzen, int dim_index, int64_t at) {
    const rlt_parzen_dim *dim = &parzen->dims[dim_index];
    const rlt_parzen_place *sorted = parzen->sorted[dim_index];
    bool ends_count = parzen->options.endpoints || parzen->count == 1;
    double mu = sorted[at].mu, left = 0, right = 0;
    if (at > 0) {
        left = mu - sorted[at - 1].mu;
    } else if (ends_count) {
        left = mu - dim->low;
    }
    if (at + 1 < parzen->count) {
        right = sorted[at + 1].mu - mu;
    } else if (ends_count) {
        right = dim->high - mu;
    }
    return fmax(left, right);
}

static void update_total(rlt_parzen *parzen, int64_t slot) {
    const double *constant = parzen->constant + slot * parzen->dim_count;
    double total = 0;
    for (int i = 0; i < parzen->dim_count; i++) {
        total += constant[i];
    }
    parzen->total[slot] = total;
}

static void update_width(rlt_parzen *parzen, int dim_index, int64_t at) {
    if (at < 0 || at >= parzen->count) {
        return;
    }
    const rlt_parzen_dim *dim = &parzen->dims[dim_index];
    int64_t slot = parzen->sorted[dim_index][at].slot;
    int64_t cell = slot * parzen->dim_count + dim_index;
    double least = least_sigma(parzen, dim, parzen->count);
    double sigma = fmin(fmax(gap_at(parzen, dim_index, at), least), dim->high - dim->low);
    if (sigma != parzen->sigma[cell]) {
        parzen->sigma[cell] = sigma;
        fill_kernel(dim, parzen->mu[cell], sigma, &parzen->inverse[cell], &parzen->constant[cell]);
        update_total(parzen, slot);
    }
}

/* After a point has come to, or gone from, place `at` of the dimension. */
static void update_around(rlt_parzen *parzen, int dim, int64_t at, int64_t count_before) {
    parzen->stale |= least_sigma(parzen, &parzen->dims[dim], parzen->count) !=
                     least_sigma(parzen, &parzen->dims[dim], count_before);
    for (int64_t i = at - 1; i <= at + 1; i++) {
        update_width(parzen, dim, i);
    }
}

/* ---- coming and going ---- */

/* The first place that is not before (mu, slot). */
static int64_t find_place(const rlt_parzen *parzen, int dim, double mu, int64_t slot,
                          int64_t count) {
    const rlt_parzen_place *sorted = parzen->sorted[dim];
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        const rlt_parzen_place *place = &sorted[middle];
        if (place->mu < mu || (place->mu == mu && place->slot < slot)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void rlt_parzen_insert(rlt_parzen *parzen, int64_t slot, const double *x) {
    reserve(parzen, slot + 1);
    RLT_ASSERT(!parzen->present[slot]);
    parzen->present[slot] = true;
    parzen->given[slot] = 0;
    parzen->changed = true;
    int64_t before = parzen->count++;
    for (int i = 0; i < parzen->dim_count; i++) {
        int64_t cell = slot * parzen->dim_count + i;
        parzen->x[cell] = x[i];
        parzen->sigma[cell] = 0;
        parzen->constant[cell] = 0;
        parzen->classes[cell] = is_numeric(parzen, i) ? 0 : 1 + (uint32_t)x[i];
    }
    for (int i = 0; i < parzen->dim_count; i++) {
        if (!is_numeric(parzen, i)) {
            continue;
        }
        double mu = middle_of(&parzen->dims[i], x[i]);
        parzen->mu[slot * parzen->dim_count + i] = mu;
        parzen->sorted[i] = rlt_tuner_grow(parzen->sorted[i], &parzen->sorted_capacity[i],
                                           parzen->count, sizeof(rlt_parzen_place));
        int64_t at = find_place(parzen, i, mu, slot, before);
        rlt_parzen_place *place = parzen->sorted[i] + at;
        memmove(place + 1, place, (size_t)(before - at) * sizeof(*place));
        *place = (rlt_parzen_place){mu, slot};
        update_around(parzen, i, at, before);
    }
    update_total(parzen, slot);
}

void rlt_parzen_remove(rlt_parzen *parzen, int64_t slot) {
    RLT_ASSERT(slot < parzen->capacity && parzen->present[slot]);
    parzen->present[slot] = false;
    parzen->changed = true;
    int64_t before = parzen->count--;
    for (int i = 0; i < parzen->dim_count; i++) {
        if (is_numeric(parzen, i)) {
            double mu = parzen->mu[slot * parzen->dim_count + i];
            int64_t at = find_place(parzen, i, mu, slot, before);
            rlt_parzen_place *place = parzen->sorted[i] + at;
            RLT_ASSERT(at < before && place->slot == slot);
            memmove(place, place + 1, (size_t)(before - at - 1) * sizeof(*place));
            update_around(parzen, i, at, before);
        }
    }
}

void rlt_parzen_weigh(rlt_parzen *parzen, int64_t slot, double weight) {
    RLT_ASSERT(slot < parzen->capacity && parzen->present[slot] && weight > 0);
    parzen->given[slot] = weight;
    parzen->changed = true;
}

void rlt_parzen_narrow(rlt_parzen *parzen, double factor) {
    if (parzen->options.narrow != factor) {
        parzen->options.narrow = factor;
        parzen->stale = parzen->changed = true;
    }
}

/* 1 for the newest 25, the older ones fall linearly to 1 / points (Optuna's default_weights). */
static double weight_at(int64_t at, int64_t count) {
    enum { FLAT = 25 };
    int64_t ramp = count - FLAT;
    if (at >= ramp) {
        return 1;
    }
    double least = 1 / (double)count;
    return ramp == 1 ? least : least + (1 - least) * ((double)at / (double)(ramp - 1));
}

void rlt_parzen_prepare(rlt_parzen *parzen) {
    if (!parzen->changed) {
        return;
    }
    for (int i = 0; parzen->stale && i < parzen->dim_count; i++) {
        for (int64_t at = 0; is_numeric(parzen, i) && at < parzen->count; at++) {
            update_width(parzen, i, at);
        }
    }
    parzen->stale = false;
    int64_t count = parzen->count;
    parzen->order = rlt_tuner_grow(parzen->order, &parzen->order_capacity, count, sizeof(int64_t));
    parzen->weights =
        rlt_tuner_grow(parzen->weights, &parzen->weights_capacity, count + 1, sizeof(double));
    double sum = 0;
    for (int64_t slot = 0, at = 0; at < count; slot++) {
        if (parzen->present[slot]) {
            parzen->order[at] = slot;
            parzen->weights[at] = parzen->given[slot] > 0 ? parzen->given[slot]
                                  : parzen->options.flat  ? 1
                                                          : weight_at(at, count);
            sum += parzen->weights[at++];
        }
    }
    parzen->weights[count] = count == 0 ? 1 : parzen->options.prior_weight;
    parzen->weight_sum = sum + parzen->weights[count];
    parzen->changed = false;
}
