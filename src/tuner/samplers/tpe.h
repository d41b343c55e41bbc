/* tuner: what the files of the sampler tpe share. Thread: the tuner's. */
#ifndef RLT_TUNER_TPE_H
#define RLT_TUNER_TPE_H
#include "tuner/samplers/parzen.h"

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
} rlt_tpe;

/* The `size` of `count` finished trials that make the density of good ones, with several
 * objectives. */
void rlt_tpe_split(const rlt_history *history, const int64_t *numbers, int64_t count, int64_t size,
                   int64_t *below);
#endif
