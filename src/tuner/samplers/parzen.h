/* tuner: Parzen estimators: a mixture with one kernel for each point of a set, and a prior.
 * Formulas: Optuna 5.0.0 (tpe/parzen_estimator.py), after Bergstra et al., "Algorithms for
 * hyper-parameter optimization", NeurIPS 2011, and Watanabe, arXiv 2304.11127. A kernel is a
 * product over dimensions of truncated normals (reals), their masses on cells (integers, steps) or
 * categorical rows (choices). Points are kept sorted in each dimension, so that a point that comes
 * or goes changes its neighbours only.
 * Everything is a function of the set of points, not of the order in which they came.
 * Thread: one. Owner: the caller (rlt_parzen_fini). */
#ifndef RLT_TUNER_PARZEN_H
#define RLT_TUNER_PARZEN_H
#include "tuner/tuner_impl.h"

typedef enum { RLT_PARZEN_REAL, RLT_PARZEN_CELLS, RLT_PARZEN_CHOICE } rlt_parzen_kind;
typedef struct rlt_parzen_dim {
    rlt_parzen_kind kind;
    double low, high; /* of the domain; cells: the outer edges. Logarithms when `log`. */
    double prior_mu, prior_sigma;
    int64_t count;      /* cells or choices */
    double first, step; /* cell n has its middle at first + n step; real: 0, or the width of cells
                         * so narrow that Sheppard's correction does */
    bool log;           /* cells: kernels see the logarithms of middles and edges */
} rlt_parzen_dim;

/* The dimension of a parameter that is no function and has more than one value. */
rlt_parzen_dim rlt_parzen_dim_of(const rlt_param *param);
double rlt_parzen_coordinate(const rlt_param *param, const rlt_parzen_dim *dim, rlt_value value);
rlt_value rlt_parzen_value(const rlt_param *param, const rlt_parzen_dim *dim, double x);

typedef struct rlt_parzen_form rlt_parzen_form; /* the vector unit's inner loops */
typedef struct rlt_parzen_options {
    double prior_weight;
    bool magic_clip; /* no kernel narrower than range / min(100, 2 + points) */
    bool endpoints;  /* the ends of the range count as neighbours */
    bool flat;       /* weights do not fall with age */
    double narrow;   /* of the least width with magic_clip: a factor; 0 counts as 1 */
} rlt_parzen_options;

typedef struct rlt_parzen_place { /* of a point in a dimension */
    double mu;
    int64_t slot;
} rlt_parzen_place;

typedef struct rlt_parzen {
    const rlt_parzen_dim *dims; /* [dim_count]; the real ones first */
    int dim_count, real_count;
    rlt_parzen_options options;
    const rlt_parzen_form *form; /* the widest there is; all give the same bits */
    int64_t capacity, count;     /* slots; points in the set */
    bool *present;               /* [capacity] */
    double *x; /* [capacity, dim_count] coordinates: real, or index of cell, choice */
    double *mu, *sigma, *inverse, *constant; /* [capacity, dim_count] */
    double *total;                           /* [capacity] sum of constant over dimensions */
    double *given;                           /* [capacity] weight of its own; 0: by age */
    uint32_t *classes;                       /* [capacity, dim_count] rows of tables; 0: prior */
    rlt_parzen_place **sorted;               /* [dim_count][count] ascending; not for choices */
    int64_t *sorted_capacity;                /* [dim_count] */
    double *prior;                           /* [4, dim_count]: mu, sigma, inverse, constant */
    uint32_t *prior_classes;                 /* [dim_count] zeros */
    double *rows; /* scratch: a table per dimension of cells or choices: [class, lane] log masses */
    int64_t rows_capacity, *row_start; /* [dim_count] */
    double *kinds;                     /* scratch: mu and sigma of each class of a dimension */
    int64_t kinds_capacity;
    double *sums, *edges; /* scratch: [lanes], [2, lanes] */
    int64_t sums_capacity, edges_capacity;
    int64_t *order;  /* [count] present slots ascending, and */
    double *weights; /* [count + 1] theirs, the prior's last; not normalised, sum in weight_sum */
    int64_t order_capacity, weights_capacity;
    double weight_sum;
    bool changed; /* since order and weights were made */
    bool stale;   /* the least width has changed: all widths are made again with them */
} rlt_parzen;

void rlt_parzen_init(rlt_parzen *parzen, const rlt_parzen_dim *dims, int dim_count,
                     rlt_parzen_options options); /* borrows dims */
void rlt_parzen_fini(rlt_parzen *parzen);
void rlt_parzen_clear(rlt_parzen *parzen);
/* The point x [dim_count] into an empty slot; out again. Slots are in the order of age: weights
 * fall with age beyond the newest 25. O(dim_count * points) memory moves at worst. */
void rlt_parzen_insert(rlt_parzen *parzen, int64_t slot, const double *x);
void rlt_parzen_remove(rlt_parzen *parzen, int64_t slot);
/* Gives a point a weight of its own (> 0) in place of that by age. */
void rlt_parzen_weigh(rlt_parzen *parzen, int64_t slot, double weight);
/* Changes options.narrow (> 0). */
void rlt_parzen_narrow(rlt_parzen *parzen, double factor);
/* Makes order and weights, and widths that depend on the number of points. */
void rlt_parzen_prepare(rlt_parzen *parzen);

/* Candidates stand in lanes: x[dimension][lane], lanes a multiple of RLT_PARZEN_LANES. */
enum { RLT_PARZEN_LANES = 8 };
/* Draws `lanes` points over the dimensions from `first` to `last` (excluded), one component for all
 * of them per point. */
void rlt_parzen_sample(rlt_parzen *parzen, rlt_rng *rng, int first, int last, double *x, int lanes);
/* log of the density over these dimensions. O(lanes * points * dimensions). */
void rlt_parzen_log_pdf(rlt_parzen *parzen, int first, int last, const double *x, int lanes,
                        double *out);

/* Inside: the tables that log_pdf adds: for every dimension of cells or choices in first .. last -
 * 1 what a kernel of each class adds in each lane. */
void rlt_parzen_fill_tables(rlt_parzen *parzen, int first, int last, const double *x, int lanes);

/* log of the standard normal mass in [a, b], a < b, accurate in the tails. */
double rlt_normal_log_mass(double a, double b);
#endif
