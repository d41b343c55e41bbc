/* tuner: a population of trials of which the worst copy the best (pbt, pb2): who is compared with
 * whom, who copies whom, and what was decided. How new parameters come about is the method's
 * (`explore`). Semantics of Ray Tune's PopulationBasedTraining: Jaderberg et al., "Population Based
 * Training of Neural Networks" (2017), with truncation selection.
 * What is decided is a function of the seed and of the results that there are: draws are keyed by
 * (trial, milestone). Thread: the tuner's. Owner: the stopper. */
#ifndef RLT_TUNER_POPULATION_H
#define RLT_TUNER_POPULATION_H
#include "tuner/tuner_impl.h"

typedef struct rlt_copied { /* what went with a verdict */
    int64_t index, source;
    json_t *params, *changes; /* owned; changes may be NULL */
} rlt_copied;
typedef struct rlt_pop_member {
    json_t *initial; /* owned */
    json_t *params;  /* in force, owned */
    double key;      /* of its newest report at a milestone; -INFINITY: not a number; NAN: none */
    int64_t index;   /* of that milestone; -1 */
    int64_t step;    /* of that report, by what is counted */
    bool ended, waits;
    rlt_copied *copied; /* ascending index */
    int64_t copied_count, copied_capacity;
} rlt_pop_member;

typedef struct rlt_population rlt_population;
/* The new parameters of `number`, which goes on at milestone `index` with the weights of `source`:
 * both new references. */
typedef void (*rlt_explore)(rlt_population *at, int64_t number, int64_t index, int64_t source,
                            json_t **params, json_t **changes);
struct rlt_population {
    const rlt_tune_fields *config;
    const rlt_search_space *space;
    rlt_rulings *rulings;
    rlt_explore explore;
    rlt_milestones milestones;
    bool *mutable;    /* [space.count] parameters that are changed */
    rlt_param *into;  /* [space.count] what pbt changes them into if that is not their own search
                         space (else path ""); owned */
    int64_t expected; /* members that a synchronous comparison waits for */
    rlt_pop_member *members;
    int64_t count, capacity;
    int64_t *order; /* [capacity] scratch */
    int64_t order_capacity;
    void *model; /* of pb2 */
    /* A result at a milestone is about to be the trial's newest; it goes on from the source's.
     * NULL: of no interest. */
    void (*note)(rlt_population *at, int64_t number, int64_t step, double key);
    void (*rebase)(rlt_population *at, int64_t number, int64_t source);
};

/* Reads milestones and mutations; RLT_ECONFIG names the parameter that can't change, or what else
 * is wrong. */
rlt_status rlt_population_init(rlt_population *at, const rlt_stopper_setup *setup,
                               rlt_explore explore, rlt_err *err);
void rlt_population_fini(void *state);
/* Reproducible, in [0, 1). */
double rlt_population_draw(const rlt_population *at, int64_t number, int64_t index,
                           const char *what);
/* Notes {"from", "to", "by"} of a parameter. */
void rlt_population_note(json_t *changes, const char *path, const json_t *from, const json_t *to,
                         const char *by);

/* slots of rlt_stopper_def */
int64_t rlt_population_index(const void *state, int64_t number, int64_t step);
int64_t rlt_population_step(const void *state, int64_t number, int64_t index);
void rlt_population_judge(void *state, const rlt_stopper_report *report, rlt_verdict *verdict);
void rlt_population_ended(void *state, const rlt_stopper_end *end);
void rlt_population_closed(void *state, int64_t count);
void rlt_population_started(void *state, int64_t number, const json_t *params);
void rlt_population_exploit(const void *state, int64_t number, int64_t index, rlt_exploit *exploit);
void rlt_population_restore(void *state, int64_t number, int64_t index, rlt_action action,
                            int64_t source, const json_t *params);
void rlt_population_rule(void *state);
void rlt_population_explain(const void *state, const rlt_decision *decision, const char *metric,
                            bool maximise, char *text, size_t size);
#endif
