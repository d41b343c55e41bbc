/* tuner: several objectives at once: who dominates whom, fronts, crowding, hypervolume.
 * A point is a row of `objectives` keys, of which the larger is the better; none is NAN (what has
 * no value counts as -INFINITY). a dominates b when no key of it is smaller and one is larger.
 * Equal points do not dominate each other. Thread: any, no state. Owner: the caller's arrays. */
#ifndef RLT_TUNER_PARETO_H
#define RLT_TUNER_PARETO_H
#include "core/core.h"

bool rlt_dominates(const double *a, const double *b, int objectives);

/* order: the indices, those with the larger first key first, among equal ones with the larger
 * second key, and so on; equal points by index. */
void rlt_lexicographic_order(const double *keys, int64_t count, int objectives, int64_t *order);

/* ranks[i]: 0 for points that nobody dominates, 1 for those that only these do, and so on (the
 * fronts of fast non-dominated sorting, Deb et al. 2002). violations (NULL: all feasible): those
 * with 0 come first, the others after them by violation, equal ones sharing a rank (constraint
 * domination). Two objectives: O(n log n); more: O(n^2 objectives) at worst. */
void rlt_nondomination_ranks(const double *keys, int64_t count, int objectives,
                             const double *violations, int64_t *ranks);

/* Sum over objectives of the distance between a point's two neighbours, over the range of the
 * finite keys; INFINITY at the ends, 0 where all are equal. As Optuna 5.0.0's NSGA-II (a gap
 * between equal infinities is 0, a range of 0 counts as 1). */
void rlt_crowding_distances(const double *keys, int64_t count, int objectives, double *distances);

/* The volume that the points dominate above `reference`, exact for any number of objectives: sweeps
 * for 1, 2 and 3, WFG (While, Bradstreet and Barone 2012) for more. Points that are not better than
 * the reference in every objective add nothing. INFINITY if a point has an infinite key. */
double rlt_hypervolume(const double *keys, int64_t count, int objectives, const double *reference);

/* volumes[i]: of the points 0 .. i together. A point with a NAN key adds nothing. */
void rlt_hypervolume_history(const double *keys, int64_t count, int objectives,
                             const double *reference, double *volumes);

/* A little worse than the worst key of each objective, as TPE with several objectives takes it:
 * min(1.1 w, 0.9 w), 1e-12 below 0 where that is 0. */
void rlt_reference_point(const double *keys, int64_t count, int objectives, double *reference);

/* Greedy choice of `size` points whose hypervolume together is large (at least 1 - 1/e of the most
 * there can be: Guerreiro, Fonseca and Paquete 2016). Equal points are taken only once all others
 * are. chosen: their indices, the first taken first. */
void rlt_hypervolume_subset(const double *keys, int64_t count, int objectives, int64_t size,
                            const double *reference, int64_t *chosen);
#endif
