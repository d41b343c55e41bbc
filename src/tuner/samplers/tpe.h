/* tuner: what the files of the sampler tpe share. Thread: the tuner's. */
#ifndef RLT_TUNER_TPE_H
#define RLT_TUNER_TPE_H
#include "tuner/samplers/parzen.h"

typedef enum { RLT_TPE_NONE, RLT_TPE_BELOW, RLT_TPE_ABOVE } rlt_tpe_member;

typedef struct rlt_tpe_branch { /* of finished trials that have it */
    int64_t trials;
    uint64_t signature; /* the same for the same trials */
} rlt_tpe_branch;
typedef struct rlt_tpe_groups {
    rlt_tpe_branch *items; /* [count] by branch of the history */
    int64_t capacity;
    int count;
    int *members;        /* of the group that was asked for last */
    double *drawn;       /* its point, for the draw */
    int drawn_first;     /* of the group with this first member; -1: none */
    int64_t drawn_index; /* and this index */
} rlt_tpe_groups;

typedef struct rlt_tpe {
    const rlt_search_space *space;
    const rlt_history *history;
    const rlt_tune_fields *config;
    rlt_parzen_dim *dims; /* [dim_count]; dimension d is parameter params[d] */
    int *params, dim_count;
    rlt_parzen good, bad;
    int64_t *rank, rank_count, rank_capacity; /* numbers of finished trials, the best first */
    uint8_t *members;                         /* [trials] of enum member */
    int64_t member_capacity, below_count;
    int64_t *below, below_capacity; /* [below_count] numbers; with several objectives */
    bool below_changed, split_stale;
    int lanes;                      /* n_ei_candidates, rounded up */
    double *x, *log_good, *log_bad; /* [dim_count, lanes], [lanes], [lanes] */
    double *point;                  /* [dim_count] */
    bool *tried;                    /* [lanes] */
    bool finite;                    /* no parameter is real or a function */
    rlt_tpe_groups groups;
} rlt_tpe;

/* Of the lanes' candidates that with the largest ratio of densities. */
int rlt_tpe_best_lane(const rlt_tpe *at);
/* How narrow kernels of good trials may be now (rlt_parzen_options.narrow). */
double rlt_tpe_narrow(const rlt_tpe *at);
/* Weighs good trials, numbers[slot] those in slots 0 .. count - 1, by their ranks among each other.
 */
void rlt_tpe_weigh(const rlt_tpe *at, rlt_parzen *good, const int64_t *numbers, int64_t count);
void rlt_tpe_groups_ended(rlt_tpe *at, int64_t number);
void rlt_tpe_groups_fini(rlt_tpe *at);
/* The branches that are drawn together with this one, ascending, into members [groups.count];
 * returns how many. */
int rlt_tpe_group_of(rlt_tpe *at, int branch, int *members);
bool rlt_tpe_branch_value(void *state, int64_t index, int branch, rlt_value *value);

/* The `size` of `count` finished trials that make the density of good ones, with several
 * objectives. */
void rlt_tpe_split(const rlt_history *history, const int64_t *numbers, int64_t count, int64_t size,
                   int64_t *below);
#endif
