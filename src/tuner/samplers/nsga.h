/* tuner: what the samplers nsga2 and nsga3 share: populations, parents, children.
 * The generation of a trial is its number over population_size. The parents of a generation are
 * chosen among the completed trials of the one before it and that one's own parents; so they are a
 * function of a set of results, and nobody waits: a trial that ends late makes the generations
 * after its own be formed anew.
 * Formulas: Optuna 5.0.0 (samplers/nsgaii), after Deb et al., "A fast and elitist multiobjective
 * genetic algorithm: NSGA-II", IEEE Trans. Evol. Comput. 2002. Thread: the tuner's. */
#ifndef RLT_TUNER_NSGA_H
#define RLT_TUNER_NSGA_H
#include "tuner/tuner_impl.h"

typedef struct rlt_nsga rlt_nsga;
/* Of the pool [count] of trials' numbers, more than `size` of them, `size` into `chosen`. */
typedef void (*rlt_nsga_select)(const rlt_nsga *at, const int64_t *pool, int64_t count,
                                int64_t size, int64_t generation, int64_t *chosen);

typedef struct rlt_parents { /* of a generation */
    int64_t *numbers;        /* ascending, owned */
    int64_t count;
} rlt_parents;

enum { RLT_NSGA_PARENTS_MAX = 3, RLT_CROSSOVER_SCRATCH = 3 };
enum { RLT_NSGA_ROWS = RLT_NSGA_PARENTS_MAX + 1 + RLT_CROSSOVER_SCRATCH };
struct rlt_nsga {
    const rlt_search_space *space;
    const rlt_history *history;
    const rlt_tune_fields *config;
    rlt_nsga_select select;
    int *params; /* [count] that vary, the numeric ones first */
    int count, numeric;
    rlt_parents *parents; /* [formed] of generations 0, 1, ... as far as they are valid */
    int64_t formed, capacity;
    double *places; /* [RLT_NSGA_ROWS, numeric] of the parents, the child's, then scratch */
};

void rlt_nsga_init(rlt_nsga *at, const rlt_search_space *space, const rlt_tune_fields *config,
                   const rlt_history *history, rlt_nsga_select select);
void rlt_nsga_fini(void *state);
rlt_status rlt_nsga_check(const rlt_search_space *space, const rlt_tune_fields *config,
                          rlt_err *err);
rlt_status rlt_nsga_ask(void *state, int64_t index, rlt_value *values, rlt_err *err);
void rlt_nsga_ended(void *state, int64_t number);

/* The fronts of a pool [count], as rlt_nondomination_ranks; keys: [count, objectives]. */
void rlt_nsga_rank(const rlt_nsga *at, const int64_t *pool, int64_t count, double *keys,
                   int64_t *ranks);
/* Whether trial a dominates b, constraints first (Deb's rules). */
bool rlt_nsga_dominates(const rlt_nsga *at, int64_t a, int64_t b);

/* nsga_crossover.c: how many parents it takes; a child of their places [parent][n] in [0, 1], which
 * may lie outside. scratch: [RLT_CROSSOVER_SCRATCH, n]. */
int rlt_crossover_parents(int kind);
void rlt_crossover(int kind, double eta, int n, const double *parents, rlt_rng *rng, double *child,
                   double *scratch);
/* Polynomial mutation (Deb and Agrawal 1999) of a place in [0, 1]. */
double rlt_polynomial_mutation(double place, double eta, double u);

/* nsga3.c, for tests: Das and Dennis's points [*count, objectives], new (rlt_free); losses [count,
 * objectives] are moved to the ideal point and scaled by the intercepts; the nearest reference line
 * and how far it is. */
double *rlt_nsga3_points(int objectives, int divisions, int64_t *count);
void rlt_nsga3_normalise(double *losses, int64_t count, int objectives);
void rlt_nsga3_associate(const double *losses, int64_t count, int objectives, const double *points,
                         int64_t point_count, int64_t *nearest, double *distances);
#endif
