/* tuner: expected hypervolume improvement: see gp_boxes.h.
 * A box that a point cuts into is replaced by what is left of it: one piece for each objective, all
 * of the box above the point there, less the pieces before. In a random order of the points that
 * is about twice as many boxes with three objectives as there could be at least (Lacour, Klamroth
 * and Fonseca 2017), but ties, points that are dominated and any number of objectives are nothing
 * special. Thread: one. Owner: see gp_boxes.h. */
#include "tuner/samplers/gp_boxes.h"
#include "tuner/pareto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EIGHT = 8 };

void rlt_gp_boxes_init(rlt_gp_boxes *boxes, int objectives) {
    *boxes = (rlt_gp_boxes){.form = rlt_gp_form_best(), .objectives = objectives};
    boxes->box = rlt_alloc(sizeof(rlt_gp_box) * RLT_GP_BOXES_MAX);
    boxes->next = rlt_alloc(sizeof(rlt_gp_box) * RLT_GP_BOXES_MAX);
    boxes->gaps = rlt_alloc(sizeof(int) * RLT_GP_BOXES_MAX * (size_t)objectives);
}

void rlt_gp_boxes_fini(rlt_gp_boxes *boxes) {
    void *const owned[] = {boxes->edges, boxes->low,  boxes->high, boxes->gaps,
                           boxes->box,   boxes->next, boxes->room};
    for (size_t i = 0; i < RLT_COUNT(owned); i++) {
        rlt_free(owned[i]);
    }
    *boxes = (rlt_gp_boxes){0};
}

/* ---- making them ---- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The points that count, [kept][objectives]: above the reference, not dominated. */
static int keep_points(const rlt_gp_boxes *at, const double *points, int count,
                       const double *reference, double *kept) {
    const int m = at->objectives;
    int above = 0, left = 0;
    for (int i = 0; i < count; i++) {
        bool counts = true;
        for (int k = 0; k < m; k++) {
            counts &= points[i * m + k] > reference[k];
        }
        if (counts) {
            memcpy(kept + (size_t)above++ * m, points + (size_t)i * m, sizeof(double) * (size_t)m);
        }
    }
    int64_t *ranks = rlt_alloc(sizeof(int64_t) * (size_t)above);
    rlt_nondomination_ranks(kept, above, m, NULL, ranks);
    for (int i = 0; i < above; i++) {
        if (ranks[i] == 0) {
            memmove(kept + (size_t)left++ * m, kept + (size_t)i * m, sizeof(double) * (size_t)m);
        }
    }
    rlt_free(ranks);
    return left;
}

/* The reference and the points' values, each once, ascending. */
static void fill_edges(rlt_gp_boxes *at, const double *points, int count, const double *reference) {
    at->edges = rlt_tuner_grow(at->edges, &at->edge_capacity, (int64_t)at->objectives * (count + 1),
                               sizeof(double));
    at->edge_first[0] = 0;
    for (int k = 0; k < at->objectives; k++) {
        double *edges = at->edges + at->edge_first[k];
        int used = 1;
        edges[0] = reference[k];
        for (int i = 0; i < count; i++) {
            edges[i + 1] = points[(size_t)i * at->objectives + k];
        }
        qsort(edges, (size_t)count + 1, sizeof(double), ascending);
        for (int i = 1; i <= count; i++) {
            if (edges[i] != edges[used - 1]) {
                edges[used++] = edges[i];
            }
        }
        at->edge_first[k + 1] = at->edge_first[k] + used;
    }
}

static int edges_of(const rlt_gp_boxes *at, int k) {
    return at->edge_first[k + 1] - at->edge_first[k];
}

static void ranks_of(const rlt_gp_boxes *at, const double *point, int *ranks) {
    for (int k = 0; k < at->objectives; k++) {
        const double *edges = at->edges + at->edge_first[k];
        const double *found =
            bsearch(point + k, edges, (size_t)edges_of(at, k), sizeof(double), ascending);
        ranks[k] = (int)(found - edges);
    }
}

static bool cuts(const rlt_gp_boxes *at, const rlt_gp_box *box, const int *point) {
    for (int k = 0; k < at->objectives; k++) {
        if (box->low[k] >= point[k]) {
            return false;
        }
    }
    return true;
}

/* Takes what the point dominates out of the boxes. false: they do not fit. */
static bool cut(rlt_gp_boxes *at, const int *point) {
    int count = 0;
    for (int i = 0; i < at->count; i++) {
        rlt_gp_box rest = at->box[i];
        int pieces = cuts(at, &rest, point) ? at->objectives : 0;
        if (count + (pieces > 0 ? pieces : 1) > RLT_GP_BOXES_MAX) {
            return false;
        }
        if (pieces == 0) {
            at->next[count++] = rest;
        }
        for (int k = 0; k < pieces; k++) {
            if (rest.high[k] > point[k]) {
                at->next[count] = rest;
                at->next[count++].low[k] = point[k];
                rest.high[k] = point[k];
            }
        }
    }
    rlt_gp_box *old = at->box;
    at->box = at->next;
    at->next = old;
    at->count = count;
    return true;
}

/* Gives every box the numbers of its gaps; each gap once. */
static void number_gaps(rlt_gp_boxes *at) {
    int used = 0;
    for (int k = 0; k < at->objectives; k++) {
        int edges = edges_of(at, k);
        int *known = rlt_alloc(sizeof(int) * (size_t)edges * (size_t)(edges + 1));
        at->gap_first[k] = used;
        for (int i = 0; i < at->count; i++) {
            int low = at->box[i].low[k], high = at->box[i].high[k];
            int *number = &known[low * (edges + 1) + high];
            if (*number == 0) {
                at->low = rlt_tuner_grow(at->low, &at->gap_capacity, used + 1, sizeof(int));
                at->high = rlt_tuner_grow(at->high, &at->high_capacity, used + 1, sizeof(int));
                at->low[used] = at->edge_first[k] + low;
                at->high[used] =
                    high < edges ? at->edge_first[k] + high : at->edge_first[at->objectives];
                *number = ++used;
            }
            at->gaps[i * at->objectives + k] = *number - 1;
        }
        rlt_free(known);
    }
    at->gap_first[at->objectives] = used;
}

/* Numbers for `queries` at a time: z, log h, slope of every edge and one more; two of every gap;
 * one of every box. Each part may be read up to a multiple of eight. */
static size_t room_for(const rlt_gp_boxes *at) {
    size_t edges = (size_t)at->edge_first[at->objectives] + 1;
    size_t gaps = (size_t)at->gap_first[at->objectives];
    return EIGHT * (3 * edges + 2 * gaps + (size_t)at->count + 6);
}

bool rlt_gp_boxes_make(rlt_gp_boxes *at, const double *points, int count, const double *reference) {
    double *kept = rlt_alloc(sizeof(double) * (size_t)count * (size_t)at->objectives);
    int left = keep_points(at, points, count, reference, kept), point[RLT_OBJECTIVES_MAX];
    bool fits = true;
    fill_edges(at, kept, left, reference);
    at->count = 1;
    at->box[0] = (rlt_gp_box){0};
    for (int k = 0; k < at->objectives; k++) {
        at->box[0].high[k] = edges_of(at, k);
    }
    for (int i = 0; i < left && fits; i++) {
        int64_t next = rlt_shuffle(left, i, 0);
        ranks_of(at, kept + next * at->objectives, point);
        fits = cut(at, point);
    }
    rlt_free(kept);
    if (!fits) {
        at->count = 0;
        return false;
    }
    number_gaps(at);
    at->room = rlt_tuner_grow(at->room, &at->room_capacity, (int64_t)room_for(at), sizeof(double));
    return true;
}

/* ---- what is gained ---- */

typedef struct rows { /* [edges + 1][queries], [gaps][queries], [count][queries] */
    double *z, *log_h, *slope, *ratio, *gap, *sum;
} rows;

static size_t padded(size_t count) {
    return (count + EIGHT - 1) / EIGHT * EIGHT;
}

/* log h at every edge; none of an edge that is not there. */
static void fill_edge_rows(const rlt_gp_boxes *at, const double *mean, const double *std,
                           size_t queries, rows *to) {
    const double none = -1e300;
    size_t edges = (size_t)at->edge_first[at->objectives];
    for (int k = 0; k < at->objectives; k++) {
        for (int e = at->edge_first[k]; e < at->edge_first[k + 1]; e++) {
            for (size_t i = 0; i < queries; i++) {
                size_t query = (size_t)k * queries + i;
                to->z[(size_t)e * queries + i] = (mean[query] - at->edges[e]) / std[query];
            }
        }
    }
    for (size_t i = edges * queries; i < padded((edges + 1) * queries); i++) {
        to->z[i] = 0;
    }
    at->form->log_h(&(rlt_gp_log_h_of){(int)padded(edges * queries), to->z, to->log_h, to->slope});
    for (size_t i = edges * queries; i < (edges + 1) * queries; i++) {
        to->log_h[i] = none;
        to->slope[i] = 0;
    }
}

static void fill_gap_rows(const rlt_gp_boxes *at, size_t queries, rows *to) {
    size_t gaps = (size_t)at->gap_first[at->objectives], size = sizeof(double) * queries;
    for (size_t g = 0; g < gaps; g++) {
        memcpy(to->gap + g * queries, to->log_h + (size_t)at->low[g] * queries, size);
        memcpy(to->ratio + g * queries, to->log_h + (size_t)at->high[g] * queries, size);
    }
    for (size_t i = gaps * queries; i < padded(gaps * queries); i++) {
        to->gap[i] = to->ratio[i] = 0;
    }
    at->form->gaps(
        &(rlt_gp_gap_of){(int)padded(gaps * queries), to->gap, to->ratio, to->ratio, to->gap});
}

/* The share of every box, up to the factor that makes the largest one 1, into sum; the logarithm of
 * that factor into peak [queries]. */
static void fill_box_rows(const rlt_gp_boxes *at, size_t queries, rows *to, double *peak) {
    for (size_t i = 0; i < queries; i++) {
        peak[i] = -INFINITY;
    }
    for (int b = 0; b < at->count; b++) {
        double *sum = to->sum + (size_t)b * queries;
        const int *gaps = at->gaps + (size_t)b * (size_t)at->objectives;
        memcpy(sum, to->gap + (size_t)gaps[0] * queries, sizeof(double) * queries);
        for (int k = 1; k < at->objectives; k++) {
            const double *gap = to->gap + (size_t)gaps[k] * queries;
            for (size_t i = 0; i < queries; i++) {
                sum[i] += gap[i];
            }
        }
        for (size_t i = 0; i < queries; i++) {
            peak[i] = sum[i] > peak[i] ? sum[i] : peak[i];
        }
    }
    for (int b = 0; b < at->count; b++) {
        for (size_t i = 0; i < queries; i++) {
            to->sum[(size_t)b * queries + i] -= peak[i];
        }
    }
    for (size_t i = (size_t)at->count * queries; i < padded((size_t)at->count * queries); i++) {
        to->sum[i] = 0;
    }
    at->form->exps((int)padded((size_t)at->count * queries), to->sum);
}

/* mean, variance: [objectives][queries]; out [queries]. */
static rows ask(const rlt_gp_boxes *at, const double *mean, const double *variance, size_t queries,
                double *std, double *out) {
    size_t edges = padded(((size_t)at->edge_first[at->objectives] + 1) * queries);
    size_t gaps = padded((size_t)at->gap_first[at->objectives] * queries);
    rows to = {.z = at->room};
    double peak[EIGHT], sums[EIGHT] = {0};
    to.log_h = to.z + edges;
    to.slope = to.log_h + edges;
    to.ratio = to.slope + edges;
    to.gap = to.ratio + gaps;
    to.sum = to.gap + gaps;
    for (size_t i = 0; i < queries * (size_t)at->objectives; i++) {
        std[i] = sqrt(variance[i] + 1e-12);
    }
    fill_edge_rows(at, mean, std, queries, &to);
    fill_gap_rows(at, queries, &to);
    fill_box_rows(at, queries, &to, peak);
    for (int b = 0; b < at->count; b++) {
        for (size_t i = 0; i < queries; i++) {
            sums[i] += to.sum[(size_t)b * queries + i];
        }
    }
    for (size_t i = 0; i < queries; i++) {
        double product = 1;
        for (int k = 0; k < at->objectives; k++) {
            product *= std[(size_t)k * queries + i];
        }
        out[i] = peak[i] + log(sums[i] * product);
    }
    return to;
}

void rlt_gp_boxes_log_gain8(const rlt_gp_boxes *at, const double *mean, const double *variance,
                            double *out) {
    double std[RLT_OBJECTIVES_MAX * EIGHT];
    ask(at, mean, variance, EIGHT, std, out);
}

/* With r = h(high) / h(low), of one gap: d log psi by the mean is (Phi - Phi') / (h - h') / std, by
 * the standard deviation (phi - phi') / (h - h') / std, phi = h - z Phi. */
double rlt_gp_boxes_log_gain(const rlt_gp_boxes *at, const double *mean, const double *variance,
                             double *by_mean, double *by_variance) {
    double std[RLT_OBJECTIVES_MAX], value, total = 0;
    rows to = ask(at, mean, variance, 1, std, &value);
    int gaps = at->gap_first[at->objectives];
    double *weight = to.gap; /* of each gap, how much of the gain is in its boxes */
    memset(weight, 0, sizeof(double) * (size_t)gaps);
    for (int b = 0; b < at->count; b++) {
        total += to.sum[b];
        for (int k = 0; k < at->objectives; k++) {
            weight[at->gaps[b * at->objectives + k]] += to.sum[b];
        }
    }
    for (int k = 0; k < at->objectives; k++) {
        double mean_slope = 0, std_slope = 0;
        for (int g = at->gap_first[k]; g < at->gap_first[k + 1]; g++) {
            int low = at->low[g], high = at->high[g];
            double r = to.ratio[g], share = weight[g] / (total * (1 - r));
            mean_slope += share * (to.slope[low] - r * to.slope[high]);
            std_slope +=
                share * ((1 - to.z[low] * to.slope[low]) - r * (1 - to.z[high] * to.slope[high]));
        }
        by_mean[k] = mean_slope / std[k];
        by_variance[k] = std_slope / (2 * std[k] * std[k]);
    }
    return value;
}
