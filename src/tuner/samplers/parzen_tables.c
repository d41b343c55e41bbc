/* tuner: what kernels add to the log density in dimensions of cells and choices. Kernels of equal
 * place and width are one class and share a row of a table, [class, lane].
 * Thread: one. Owner: see parzen.h. */
#include "tuner/samplers/parzen_forms.h"

#include <math.h>

static void reserve_rows(rlt_parzen *parzen, int64_t rows, int lanes) {
    parzen->rows =
        rlt_tuner_grow(parzen->rows, &parzen->rows_capacity, rows * lanes, sizeof(double));
}

/* ---- cells ---- */

static double edge(const rlt_parzen_dim *dim, double cell) {
    double at = dim->first + cell * dim->step;
    return dim->log ? log(at) : at;
}

static void add_kind(rlt_parzen *parzen, int64_t class, double mu, double sigma) {
    parzen->kinds =
        rlt_tuner_grow(parzen->kinds, &parzen->kinds_capacity, 2 * (class + 1), sizeof(double));
    parzen->kinds[2 * class] = mu;
    parzen->kinds[2 * class + 1] = sigma;
}

/* As points are sorted, equal places stand together, and have few widths. Returns the number of
 * classes; class 0 is the prior. */
static int64_t classify(rlt_parzen *parzen, int d) {
    const int width = parzen->dim_count;
    const rlt_parzen_place *sorted = parzen->sorted[d];
    int64_t count = 1, group = 1; /* the first class of this place */
    add_kind(parzen, 0, parzen->prior[d], parzen->prior[width + d]);
    for (int64_t i = 0; i < parzen->count; i++) {
        int64_t cell = sorted[i].slot * width + d, class = count - 1;
        double sigma = parzen->sigma[cell];
        group = i > 0 && sorted[i - 1].mu == sorted[i].mu ? group : count;
        while (class >= group && parzen->kinds[2 * class + 1] != sigma) {
            class --;
        }
        if (class < group) {
            class = count++;
            add_kind(parzen, class, parzen->mu[cell], sigma);
        }
        parzen->classes[cell] = (uint32_t) class;
    }
    return count;
}

static int64_t fill_cells(rlt_parzen *parzen, int d, int64_t start, const double *x, int lanes) {
    int64_t classes = classify(parzen, d);
    const rlt_parzen_dim *dim = &parzen->dims[d];
    reserve_rows(parzen, start + classes, lanes);
    parzen->edges =
        rlt_tuner_grow(parzen->edges, &parzen->edges_capacity, 2 * lanes, sizeof(double));
    double *left = parzen->edges, *right = left + lanes;
    for (int l = 0; l < lanes; l++) {
        left[l] = edge(dim, x[l] - 0.5);
        right[l] = edge(dim, x[l] + 0.5);
    }
    parzen->form->fill_rows(&(rlt_parzen_cells){.left = left,
                                                .right = right,
                                                .kinds = parzen->kinds,
                                                .classes = classes,
                                                .lanes = lanes,
                                                .rows = parzen->rows + start * lanes});
    return classes;
}

/* ---- choices ---- */

/* Row 1 + k: of kernels at choice k: one-hot plus prior_weight / kernels, normalised. */
static int64_t fill_choices(rlt_parzen *parzen, int d, int64_t start, const double *x, int lanes) {
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

void rlt_parzen_fill_tables(rlt_parzen *parzen, int first, int last, const double *x, int lanes) {
    int64_t rows = 0;
    for (int d = first > parzen->real_count ? first : parzen->real_count; d < last; d++) {
        parzen->row_start[d] = rows * lanes;
        rows += parzen->dims[d].kind == RLT_PARZEN_CELLS
                    ? fill_cells(parzen, d, rows, x + d * lanes, lanes)
                    : fill_choices(parzen, d, rows, x + d * lanes, lanes);
    }
}
