/* tuner: what the files of the sampler gp share. Thread: the tuner's. */
#ifndef RLT_TUNER_GP_STATE_H
#define RLT_TUNER_GP_STATE_H
#include "tuner/samplers/gp.h"
#include "tuner/samplers/gp_search.h"

enum { RLT_GP_HISTORY = 400, RLT_GP_FITTED = 128, RLT_GP_FANTASIES = 128 };
enum { RLT_GP_FRONT = RLT_GP_HISTORY + RLT_GP_FANTASIES };
enum { RLT_GP_INCUMBENTS = 32 };

typedef struct rlt_gp_result {
    int64_t number;
    double key;
} rlt_gp_result;

typedef struct rlt_gp_state {
    const rlt_search_space *space;
    const rlt_history *history;
    const rlt_tune_fields *config;
    int d;             /* parameters with more than one value */
    int *params;       /* [d] their places in the space */
    rlt_gp_dim *dims;  /* [d] */
    bool *categorical; /* [d] */
    rlt_gp *gps;       /* [objectives] */
    rlt_gp fit;
    rlt_gp_limit *limits; /* [history->constraints], of which limit_count say something */
    int limit_count;
    bool any_feasible;      /* of the results that count */
    rlt_gp_result *results; /* [count] that count, the best first; key: what they are sorted by */
    rlt_gp_result *values;  /* [count] of them, of one objective or constraint */
    int64_t capacity, value_capacity;
    int count;
    double best;    /* of one objective: the best value expected at a trial */
    double *front;  /* [front_count][objectives], of several: expected at feasible trials */
    double *places; /* [front_count][d] of these; else [incumbents][d] good places */
    int front_count, incumbents;
    double *place;      /* [d] scratch */
    double *incumbent;  /* [RLT_GP_INCUMBENTS][d] scratch */
    rlt_gp_boxes boxes; /* of several objectives */
    int64_t seen;       /* trials looked at for running ones */
    bool finite;        /* no parameter is a real number */
    bool stale;         /* a trial has ended since the model was made */
} rlt_gp_state;

static inline bool rlt_gp_several(const rlt_gp_state *at) {
    return at->history->objectives > 1;
}
void rlt_gp_read_place(const rlt_gp_state *at, int64_t number, double *x); /* x: [d] */

/* ---- gp_results.c ---- */
/* Every result there is into at->results; returns how many have a number for every objective. */
int64_t rlt_gp_collect(rlt_gp_state *at);
/* Keeps the RLT_GP_HISTORY that count. */
void rlt_gp_limit_history(rlt_gp_state *at);
/* Into at->values, standardised: objective k, outliers clipped; how well constraint k was kept,
 * with what 0 has become into *zero. false: it says nothing. */
void rlt_gp_read_objective(rlt_gp_state *at, int k);
bool rlt_gp_read_limit(rlt_gp_state *at, int k, double *zero);

/* ---- gp_fill.c ---- */
/* The processes of objectives and constraints, and what is to be improved on. */
void rlt_gp_make_model(rlt_gp_state *at);
/* Trials that have started since. */
void rlt_gp_add_running(rlt_gp_state *at);

/* ---- gp_goal.c: what is to be improved on ---- */
void rlt_gp_find_goal(rlt_gp_state *at);
/* A running trial at place x that is likely to be feasible, of which means [objectives] are
 * expected. */
void rlt_gp_raise_goal(rlt_gp_state *at, const double *x, const double *means);
/* Several objectives: the boxes for the front as it is; places for a search to begin at into
 * at->incumbent. Returns how many. */
int rlt_gp_prepare_front(rlt_gp_state *at, uint64_t key);
#endif
