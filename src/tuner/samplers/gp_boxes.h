/* tuner: expected hypervolume improvement: by how much a vector of independent normal values makes
 * the volume that a front dominates grow. What the front does not dominate above a reference is cut
 * into boxes that do not overlap; of box k the value fills min(f, high) - low in every objective,
 * so that with psi(a) = E max(f - a, 0) = std h((mean - a) / std)
 *     E growth = sum_k prod_m (psi_m(low_km) - psi_m(high_km)),
 * exact for any number of objectives: Yang, Emmerich, Deutz and Baeck, "Efficient computation of
 * expected hypervolume improvement using box decomposition algorithms", J. Global Optim. 75 (2019),
 * (15); as box sums also Daulton, Balandat and Bakshy (2020), (1). Its logarithm, made of
 * logarithms from the start so that far from the front it is still a number with a slope, is the
 * logEHVI of Ament et al. (2023), there and in Optuna over 128 quasi-random draws.
 * Every vector unit gives the same bits. Thread: one. Owner: the caller (rlt_gp_boxes_fini). */
#ifndef RLT_TUNER_GP_BOXES_H
#define RLT_TUNER_GP_BOXES_H
#include "tuner/samplers/gp_lanes.h"
#include "tuner/tuner_impl.h"

enum { RLT_GP_BOXES_MAX = 2048 };
typedef struct rlt_gp_box { /* ranks of edges; high may be one more than there are: no end */
    int low[RLT_OBJECTIVES_MAX], high[RLT_OBJECTIVES_MAX];
} rlt_gp_box;
typedef struct rlt_gp_boxes {
    const rlt_gp_form *form; /* of the loops; set by rlt_gp_boxes_init */
    int objectives, count;
    int edge_first[RLT_OBJECTIVES_MAX + 1]; /* of each objective in `edges`, ascending */
    double *edges;                          /* where boxes begin and end */
    int gap_first[RLT_OBJECTIVES_MAX + 1];  /* pairs of a low and a high edge */
    int *low, *high;                        /* [gaps] in `edges`; high: their count where open */
    int *gaps;                              /* [count][objectives] */
    rlt_gp_box *box, *next;                 /* [RLT_GP_BOXES_MAX] while they are made */
    double *room;                           /* scratch of what is asked for */
    int64_t edge_capacity, gap_capacity, high_capacity, room_capacity;
} rlt_gp_boxes;

void rlt_gp_boxes_init(rlt_gp_boxes *boxes, int objectives);
void rlt_gp_boxes_fini(rlt_gp_boxes *boxes); /* safe on a zeroed one */
/* Of points [count][objectives], of which the larger is the better; those that are not above the
 * reference [objectives] in all of them change nothing. false: it would be more than
 * RLT_GP_BOXES_MAX boxes, and there are none. Two objectives: a box more than there are points. */
bool rlt_gp_boxes_make(rlt_gp_boxes *boxes, const double *points, int count,
                       const double *reference);
/* log of the expected growth for normal values with mean and variance [objectives], and its
 * derivatives [objectives]. */
double rlt_gp_boxes_log_gain(const rlt_gp_boxes *boxes, const double *mean, const double *variance,
                             double *by_mean, double *by_variance);
/* At eight places: mean, variance [objectives][8]. */
void rlt_gp_boxes_log_gain8(const rlt_gp_boxes *boxes, const double *mean, const double *variance,
                            double *out);
#endif
