/* tuner, inside: what samplers and stoppers are, and what they share.
 * A new sampler or stopper is one file with one const definition, and one line in samplers.def or
 * stoppers.def. Both see keys of which the larger is the better, whatever the mode; neither
 * allocates per report beyond amortised growth, and neither has any state that rows do not give
 * back. Thread: one. */
#ifndef RLT_TUNER_IMPL_H
#define RLT_TUNER_IMPL_H
#include "tuner/tuner.h"

/* ---- parameters ---- */
/* Checks one {"$space": …} or {"$function": …} object; errors begin with the path. The caller
 * releases by rlt_param_fini, after an error too. */
rlt_status rlt_param_parse(const json_t *object, const char *path, rlt_param *param, rlt_err *err);
void rlt_param_fini(rlt_param *param);
bool rlt_param_is_space(const json_t *json); /* an object with $space or $function */
const char *rlt_dist_name(rlt_dist_kind kind);
/* The number of different values, saturated at INT64_MAX; 0: continuous. */
int64_t rlt_param_count(const rlt_param *param);
bool rlt_param_varies(const rlt_param *param);              /* no function, more than one value */
rlt_value rlt_param_nth(const rlt_param *param, int64_t n); /* 0 <= n < count, ascending */
/* The value at the quantile u in [0, 1). Not for functions. */
rlt_value rlt_param_at(const rlt_param *param, double u);
double rlt_normal_quantile(double u); /* of the standard normal; u is clipped to (0, 1) */
/* A value as a place in [0, 1]: the middle of the u that give it by rlt_param_at, but for normals,
 * which are measured evenly over four standard deviations to each side. And the way back, from any
 * u: what is outside is clipped. */
double rlt_param_unit(const rlt_param *param, rlt_value value);
rlt_value rlt_param_place(const rlt_param *param, double u);
/* The limits of the u that give the same value as this one, for a parameter with a count; -INFINITY
 * for the first value's low, INFINITY for the last one's high. */
void rlt_param_cell(const rlt_param *param, double u, double *low, double *high);
/* A value that somebody gave: its type and bounds are checked. */
rlt_status rlt_value_parse(const rlt_param *param, const json_t *json, rlt_value *value,
                           rlt_err *err);
/* In [0, 1): a pure function of (seed, trial number, name), so that a parameter's draws do not
 * depend on which others there are, nor on what was asked before. */
double rlt_tuner_draw(uint64_t seed, int64_t number, const char *name);
/* The standard normal quantile; u is clipped to what a double in (0, 1) can be. */
double rlt_normal_quantile(double u);

/* ---- samplers ---- */
enum { RLT_SAMPLER_SEVERAL = 1 << 0, RLT_SAMPLER_LIMITS = 1 << 1 };
/* A space that function `param` of the script has returned. */
typedef struct rlt_branch {
    int param;
    rlt_param space; /* owned */
} rlt_branch;
/* Every trial so far, by place: first those of earlier experiments (rlt_tuner_source), then this
 * one's by number: started by ask, a point to try first or restored, all the same. The functions'
 * values are {NAN, -1}, but for samplers with `branch` that of the branch that it is of. Kept for
 * samplers with `started` or `ended`, and with several objectives or constraints. */
typedef struct rlt_history {
    int dimensions; /* parameters of the space */
    int objectives, constraints;
    int64_t sources; /* trials of earlier experiments: all have ended */
    int64_t count, capacity;
    rlt_value *values; /* [count, dimensions] */
    double *keys;   /* [count, objectives] the larger the better; NAN: none, failed, or running */
    double *limits; /* [count, constraints] feasible where none is above 0; NAN: unknown */
    double *violations;   /* [count] sum of limits above 0; INFINITY: one is unknown */
    int64_t *steps;       /* [count] when it ended, else 0 */
    uint8_t *states;      /* [count] RLT_TRIAL_RUNNING, then STOPPED, COMPLETED or FAILED */
    bool branching;       /* the two below are kept */
    int32_t *taken;       /* [count, dimensions] the branch of a function's value; -1: of none */
    rlt_branch *branches; /* [branch_count] in the order in which trials had them first */
    int branch_count;
    int64_t branch_capacity;
} rlt_history;
/* What is asked is a function of the seed, the index and the calls of `started` and `ended` so far:
 * restoring repeats those in the order of time, and `ask` leaves nothing behind but caches (what it
 * gave may never be started). A sampler whose state is a set of results needs no order at all. */
typedef struct rlt_sampler_def {
    /* Whether it can search the space: RLT_ECONFIG names the parameter that it can not, or what
     * else is in the way. NULL: any. */
    rlt_status (*check)(const rlt_search_space *space, const rlt_tune_fields *config, rlt_err *err);
    /* RLT_SAMPLER_SEVERAL: knows several objectives; RLT_SAMPLER_LIMITS: knows constraints. One
     * that learns nothing needs to know neither. */
    unsigned abilities;
    size_t state_size; /* zeroed */
    /* Borrows the space and the history, which is empty then; config: its options and seed. */
    void (*init)(void *state, const rlt_search_space *space, const rlt_tune_fields *config,
                 const rlt_history *history);
    /* After init: what is not in the config: options, the table tune.sampler (NULL: none), is
     * borrowed. NULL: nothing. */
    rlt_status (*prepare)(void *state, const json_t *options, rlt_err *err);
    void (*fini)(void *state); /* NULL: nothing; safe on a zeroed state */
    /* Values of the sampler's point `index` (0, 1, …; points to try first do not count) for every
     * parameter but the functions. RLT_ENOTFOUND: there are no more points. */
    rlt_status (*ask)(void *state, int64_t index, rlt_value *values, rlt_err *err);
    /* The trial at place `number`, the last of the history, has started; it has ended (once). NULL:
     * of no interest. */
    void (*started)(void *state, int64_t number);
    void (*ended)(void *state, int64_t number);
    /* The place of the trial whose weights this one is to start from, or -1. NULL: none. */
    int64_t (*parent)(const void *state, int64_t number);
    /* What the trial at place `number` does. NULL: it trains. */
    rlt_stage (*stage)(const void *state, int64_t number);
    /* The place of the trial whose draw the space that function `param` returns is sampled at, for
     * that at place `number` (the one asked for last, or an earlier one). NULL: its own. */
    int64_t (*origin)(const void *state, int64_t number, int param);
    /* The value of a function that has returned history->branches[branch], for the point asked for
     * last; false: a random one. NULL: always. */
    bool (*branch)(void *state, int64_t index, int branch, rlt_value *value);
    /* The trial at place `number` had `key` at the stopper's milestone of `step` steps, once each;
     * one of an earlier experiment that was stopped where it ended. NULL: of no interest. */
    void (*reported)(void *state, int64_t number, int64_t step, double key);
} rlt_sampler_def;
extern const rlt_sampler_def *const rlt_sampler_defs[]; /* by rlt_sampler_kind */
/* Whether this sampler can search the space for what the config asks for. */
rlt_status rlt_sampler_check(int kind, const rlt_search_space *space, const rlt_tune_fields *config,
                             rlt_err *err);

/* Adds a running trial with these values; notes how it ended. keys: [objectives]; limits:
 * [constraints]. */
void rlt_history_start(rlt_history *history, const rlt_value *values);
void rlt_history_end(rlt_history *history, int64_t number, rlt_trial_state state,
                     const double *keys, const double *limits, int64_t steps);
void rlt_history_fini(rlt_history *history);
void rlt_branches_fini(rlt_history *history);
/* The branch of function `param` with this space, or -1. */
int rlt_history_branch(const rlt_history *history, int param, const rlt_param *space);
/* Whether trial a counts as better than b, both ended and not failed, by the first objective:
 * completed ones before those that were stopped, these by steps, then by key (NAN last); after both
 * those that are not feasible, by violation. Equal ones by number. */
bool rlt_history_before(const rlt_history *history, int64_t a, int64_t b);
/* The same without numbers: less than 0: a is better, 0: as good. */
int rlt_history_compare(const rlt_history *history, int64_t a, int64_t b);
/* The keys of a trial as points of pareto.h: NAN becomes -INFINITY. */
void rlt_history_point(const rlt_history *history, int64_t number, double *keys);

/* The raw coordinate of point `index` in the Sobol sequence (Gray-code order, not scrambled) over
 * 2^32, and the same after nested uniform scrambling. dimension: 0 .. RLT_SOBOL_DIMENSIONS - 1. */
enum { RLT_SOBOL_DIMENSIONS = 100, RLT_SOBOL_BITS = 32 };
uint32_t rlt_sobol_point(int dimension, uint32_t index);
uint32_t rlt_sobol_scramble(uint32_t point, int dimension, uint64_t seed);

/* The coordinate of point `index` in the Halton sequence, not scrambled. */
enum { RLT_HALTON_DIMENSIONS = 100 };
double rlt_halton_point(int dimension, uint64_t index);
/* A random permutation of 0 .. n - 1 (1 <= n <= 2^62), and its inverse. */
int64_t rlt_shuffle(int64_t n, int64_t index, uint64_t key);
int64_t rlt_unshuffle(int64_t n, int64_t place, uint64_t key);

/* ---- stoppers ---- */
/* What was decided for a trial at one of its milestones. */
typedef struct rlt_verdict {
    int64_t index; /* of the milestone, ascending in a trial */
    int64_t step;  /* of the report that counts for it: the first at or after the milestone */
    int64_t at;    /* the same by what the stopper counts */
    double key;    /* of that report */
    double judged, threshold;             /* what was compared with what; keys */
    double numbers[RLT_DECISION_NUMBERS]; /* by the stopper's names; as they are to be shown */
    int32_t compared;
    uint8_t action;
} rlt_verdict;
typedef struct rlt_stopper_report {
    int64_t number, index;
    double key, best;           /* of this report; of all reports of the trial so far (NAN: none) */
    const rlt_verdict *earlier; /* of this trial, at the milestones before */
    int64_t earlier_count;
} rlt_stopper_report;
/* How a trial ended: key is its final value's, or its latest one's. */
typedef struct rlt_stopper_end {
    int64_t number;
    rlt_trial_state state;
    double key;
    const rlt_verdict *verdicts;
    int64_t count;
} rlt_stopper_end;
/* What is ruled on a trial that waits at milestone `index`. */
typedef struct rlt_ruling {
    int64_t number, index;
    double threshold;
    double numbers[RLT_DECISION_NUMBERS];
    int32_t compared;
    uint8_t action; /* CONTINUE, STOP or EXPLOIT */
} rlt_ruling;
typedef struct rlt_rulings { /* oldest first */
    rlt_ruling *items;
    int64_t next, count, capacity;
} rlt_rulings;
void rlt_rulings_add(rlt_rulings *rulings, const rlt_ruling *ruling);

typedef struct rlt_stopper_setup { /* borrowed; config and rulings outlive the stopper */
    const rlt_tune_fields *config;
    int64_t max_steps;    /* where trials end by themselves, or INT64_MAX; milliseconds, as all that
                             is called a step here, if config->timed */
    const char *name;     /* of the experiment */
    rlt_rulings *rulings; /* where the stopper puts them */
    const rlt_search_space *space; /* borrowed; outlives the stopper */
    const json_t *options;         /* its table tune.stopper, or NULL; during init only */
} rlt_stopper_setup;
typedef struct rlt_stopper_def {
    size_t state_size; /* zeroed */
    rlt_status (*init)(void *state, const rlt_stopper_setup *setup, rlt_err *err);
    void (*fini)(void *state); /* safe on a zeroed state */
    /* The index of the last milestone <= step, or -1; the step of milestone `index` (from 0), or
     * INT64_MAX when there are no more. */
    int64_t (*index)(const void *state, int64_t number, int64_t step);
    int64_t (*step)(const void *state, int64_t number, int64_t index);
    /* Fills judged, threshold, compared, numbers and action; called once per (trial, index). */
    void (*judge)(void *state, const rlt_stopper_report *report, rlt_verdict *verdict);
    /* A trial has ended. NULL: of no interest. */
    void (*ended)(void *state, const rlt_stopper_end *end);
    /* There are `count` trials and no more will come; the same again is fine. NULL: of no interest.
     */
    void (*closed)(void *state, int64_t count);
    int (*bracket)(const void *state, int64_t number); /* NULL: it has none, nor rungs */
    /* Of stoppers that say EXPLOIT; else NULL. A trial has started with these parameters; what goes
     * with the verdict EXPLOIT at milestone `index`; what was decided there, from rows (params: of
     * EXPLOIT): it stands, whatever `judge` has made of the same report. */
    void (*started)(void *state, int64_t number, const json_t *params);
    void (*exploit)(const void *state, int64_t number, int64_t index, rlt_exploit *exploit);
    void (*restore)(void *state, int64_t number, int64_t index, rlt_action action, int64_t source,
                    const json_t *params);
    /* Rulings that depend on nothing but what trials there are and where they wait, when all that
     * is to be known is; before the queue is read. NULL: they come about by judge and ended. */
    void (*rule)(void *state);
    bool copies; /* see rlt_tuner_copies */
    /* The sentence for a decision, without its step; `metric` is what the value is called. Not
     * called when the value is not a number or, but for PAUSE, the threshold is NAN. */
    void (*explain)(const void *state, const rlt_decision *decision, const char *metric,
                    bool maximise, char *text, size_t size);
    const char *names[RLT_DECISION_NUMBERS]; /* of rlt_verdict.numbers */
} rlt_stopper_def;
extern const rlt_stopper_def *const rlt_stopper_defs[]; /* by rlt_stopper_kind */

/* Milestones at grace, grace + interval, … below max_steps. */
typedef struct rlt_milestones {
    int64_t grace, interval, count;
} rlt_milestones;
/* RLT_ECONFIG names the stopper and the field. */
rlt_status rlt_milestones_init(rlt_milestones *at, const char *stopper,
                               const rlt_stopper_setup *setup, rlt_err *err);
int64_t rlt_milestones_index(const rlt_milestones *at, int64_t step);
int64_t rlt_milestones_step(const rlt_milestones *at, int64_t index);

/* A growing multiset of numbers cut in two: the `high_count` largest and the rest. */
typedef struct rlt_heap {
    double *keys; /* the least first */
    int64_t count, capacity;
} rlt_heap;
typedef struct rlt_split {
    rlt_heap high, low; /* low holds negated keys */
} rlt_split;
/* Adds a key (no NAN) and moves the cut so that the high part holds high_count >= 1 keys, as far as
 * there are so many. O(log n) while the cut moves by O(1). */
void rlt_split_add(rlt_split *split, double key, int64_t high_count);
double rlt_split_high_min(const rlt_split *split); /* the part must not be empty */
double rlt_split_low_max(const rlt_split *split);
int64_t rlt_split_count(const rlt_split *split);
void rlt_split_fini(rlt_split *split);

/* Grows an array of `size`-byte items to hold at least `needed`, by doubling. */
void *rlt_tuner_grow(void *items, int64_t *capacity, int64_t needed, size_t size);

/* ---- the tuner ---- */
/* The points to try first of experiment.tune.points, checked: a new array of {path: value}, or NULL
 * when there are none. */
/* Whether the space has the point's parameters and their values; `what` it is called. */
rlt_status rlt_point_check(const json_t *point, const char *what, const rlt_search_space *space,
                           rlt_err *err);
rlt_status rlt_points_read(const json_t *experiment, const rlt_search_space *space, json_t **points,
                           rlt_err *err);

typedef struct rlt_tuner_trial {
    rlt_verdict *verdicts; /* ascending index; until the trial ends */
    int64_t verdict_count, verdict_capacity;
    int64_t reported;      /* the last step reported, -1: none */
    int64_t steps;         /* the last one known */
    double best, key;      /* best of its reports; its final or else its latest one. NAN: none */
    int64_t configuration; /* counted from 0; without replicates the trial's number */
    int32_t replicate;
    uint8_t state;   /* RLT_TRIAL_RUNNING until it ends */
    bool infeasible; /* a constraint is above 0, or not known */
} rlt_tuner_trial;

/* Of tune.seeds: what samplers and stoppers take for one trial. */
typedef struct rlt_configuration {
    int64_t first;        /* number of its first trial */
    int64_t steps;        /* least of the stopped replicates, else most of all */
    double key;           /* aggregate of the replicates that ended; NAN: none */
    int32_t count, ended; /* replicates started, ended */
    int32_t completed;    /* of the ended ones */
    int32_t measured;     /* of these with a number */
    int32_t target;       /* so many it is to have, as far as it is known */
    bool failed, stopped; /* a replicate was */
    bool dropped;         /* gets no further replicates */
    bool closed;          /* none runs and none will come: the sampler has been told */
    bool infeasible;
    json_t *params; /* owned; NULL once it is closed */
} rlt_configuration;
typedef struct rlt_configurations {
    rlt_configuration *items;
    int64_t count, capacity;
    double *keys;   /* [count, seeds] NAN: not ended, or no number */
    double *limits; /* [count, constraints] the largest of the replicates */
    int64_t key_capacity, limit_capacity;
    int64_t *wanting; /* those with fewer replicates than their target, first come first served */
    int64_t wanting_count, wanting_capacity;
    int64_t first_open; /* all before it are closed */
    int64_t best_whole; /* the best of those with a result of every seed, which nobody with fewer
                         * comes before; -1: none */
    double *scratch;    /* [2 seeds] */
    rlt_race race;      /* the newest; of number -1: none */
} rlt_configurations;

struct rlt_tuner {
    rlt_tune_fields config;
    rlt_search_space space;
    json_t *points;      /* array of {path: value}, checked; NULL: none */
    const json_t *given; /* while it is asked for a point that somebody gave; borrowed */
    int64_t
        given_count; /* of trials with such points: samplers and tune.trials do not count them */
    rlt_resolve resolve;
    void *user;
    const rlt_sampler_def *sampler;
    const rlt_stopper_def *stopper;
    void *sampler_state, *stopper_state;
    rlt_rulings rulings;
    rlt_history
        history;    /* no trials of its own for samplers that learn nothing, with one objective */
    int64_t *front; /* numbers of the trials on the Pareto front, ascending */
    int64_t front_count, front_capacity;
    rlt_value *values; /* [space.count] scratch */
    rlt_tuner_trial *trials;
    int64_t count, capacity;
    rlt_configurations configurations; /* empty with 1 seed */
    int64_t steps;                     /* of all trials */
    bool goal_reached;
};
/* A value of the first objective as a key, or a key as a value. */
static inline double rlt_tuner_oriented(const rlt_tuner *tuner, double value) {
    return tuner->config.maximise ? value : -value;
}
bool rlt_tuner_is_single(const rlt_tuner *tuner); /* one objective, no constraints */
static inline int64_t rlt_tuner_place(const rlt_tuner *tuner, int64_t number) { /* in the history */
    return tuner->history.sources + tuner->trials[number].configuration;
}
static inline bool rlt_tuner_replicates(const rlt_tuner *tuner) {
    return tuner->config.seeds > 1;
}
/* The first trial of a configuration, which is the one that stoppers judge. */
static inline int64_t rlt_tuner_first(const rlt_tuner *tuner, int64_t configuration) {
    return rlt_tuner_replicates(tuner) ? tuner->configurations.items[configuration].first
                                       : configuration;
}
static inline int64_t rlt_tuner_configurations(const rlt_tuner *tuner) {
    return rlt_tuner_replicates(tuner) ? tuner->configurations.count : tuner->count;
}
static inline bool rlt_sampler_learns(const rlt_sampler_def *sampler) {
    return sampler->started != NULL || sampler->ended != NULL;
}
/* The values as they come back from rows, so that a restored sampler sees the same ones, into
 * tuner->values. RLT_ECONFIG names a value that is missing or not the parameter's. */
rlt_status rlt_tuner_read_values(rlt_tuner *tuner, const json_t *params, rlt_err *err);
/* Which branches the functions' values of the history's last trial are of. */
void rlt_tuner_note_branches(rlt_tuner *tuner, const json_t *params);
/* RLT_ENOTFOUND: no such trial; RLT_ESTALE: it has ended. */
rlt_status rlt_tuner_live(const rlt_tuner *tuner, int64_t number, rlt_tuner_trial **found,
                          rlt_err *err);
rlt_verdict *rlt_tuner_find_verdict(const rlt_tuner_trial *at, int64_t index); /* or NULL */
/* Everything but the step where there is no verdict; the reason for STOP only. */
void rlt_tuner_fill_decision(const rlt_tuner *tuner, int64_t number, const rlt_verdict *verdict,
                             rlt_decision *decision);

/* ---- replicates.c: only with tune.seeds > 1 ---- */
rlt_status rlt_configurations_init(rlt_tuner *tuner, rlt_err *err);
void rlt_configurations_fini(rlt_configurations *all);
/* Its first trial is the one that was added last. */
void rlt_configuration_add(rlt_tuner *tuner, const json_t *params);
/* The configuration that is to have a further replicate next; -1: none. */
int64_t rlt_configuration_wanting(const rlt_tuner *tuner);
/* Whether further replicates may be wanted when trials that run have ended. */
bool rlt_configurations_may_grow(const rlt_tuner *tuner);
/* A further replicate has been added as the last trial. */
void rlt_configuration_grown(rlt_tuner *tuner, int64_t configuration);
/* The trial has ended; at->state and at->key say how. */
void rlt_replicate_ended(rlt_tuner *tuner, int64_t number, const double *constraints);
int64_t rlt_configurations_best(const rlt_tuner *tuner); /* -1: none */
/* race.c: fills tuner->configurations.race; returns whether it gets another seed. */
bool rlt_race_judge(rlt_tuner *tuner, int64_t number);
static inline const double *rlt_configuration_keys(const rlt_tuner *tuner, int64_t configuration) {
    return tuner->configurations.keys + configuration * tuner->config.seeds;
}
/* Whether a is a better configuration than b (both with a key). */
bool rlt_configuration_better(const rlt_configuration *a, const rlt_configuration *b);
#endif
