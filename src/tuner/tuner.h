/* tuner: which configuration next (samplers), which trial goes on (stoppers), trial states.
 * Pure: no processes, no I/O, no clock; the caller (driver) writes rows and starts processes, and
 * restores the tuner from those rows. The same calls in the same order give the same answers.
 * Thread: one. Owner: the caller. No allocation per report. */
#ifndef RLT_TUNER_H
#define RLT_TUNER_H
#include "config/config.h"
#include "core/core.h"

/* ---- search space ---- */
typedef enum {
    RLT_DIST_UNIFORM,
    RLT_DIST_LOGUNIFORM,
    RLT_DIST_QUNIFORM,
    RLT_DIST_RANDINT,
    RLT_DIST_LOGRANDINT,
    RLT_DIST_CHOICE,
    RLT_DIST_NORMAL,
    RLT_DIST_GRID,
    RLT_DIST_FIXED,
    RLT_DIST_FUNCTION
} rlt_dist_kind;
typedef struct rlt_param {
    char path[RLT_NAME_MAX]; /* "ppo.lr" */
    rlt_dist_kind kind;
    double low, high; /* uniform, quniform: [low, high]; randint: low..high inclusive */
    double step;      /* quniform */
    double mean, std; /* normal; low/high clip it when finite */
    bool integer;     /* the field takes integers: values are rounded */
    json_t *choices;  /* choice, grid, fixed (one): owned array of JSON values */
} rlt_param;
typedef struct rlt_search_space {
    rlt_param *params;
    int count;
} rlt_search_space;
/* Collects every {"$space"} and {"$function"} object of a normalised experiment, sorted by path;
 * not those inside the tables `tune` and `objective` or inside a "$lua_env". */
rlt_status rlt_search_space_collect(const json_t *experiment, rlt_search_space *space,
                                    rlt_err *err);
void rlt_search_space_fini(rlt_search_space *space);
/* A chosen value: number, or index into choices. */
typedef struct rlt_value {
    double number;
    int choice; /* -1 when numeric */
} rlt_value;
json_t *rlt_value_json(const rlt_param *param, rlt_value value); /* new reference */
json_t *rlt_param_values(const rlt_param *param); /* all of a finite one, ascending; the same */

/* ---- trials ---- */
typedef enum {
    RLT_TRIAL_PENDING,
    RLT_TRIAL_RUNNING,
    RLT_TRIAL_PAUSED,
    RLT_TRIAL_STOPPED,
    RLT_TRIAL_COMPLETED,
    RLT_TRIAL_FAILED,
    RLT_TRIAL_STATE_COUNT
} rlt_trial_state;
const char *rlt_trial_state_name(rlt_trial_state state); /* "pending", ... */
rlt_status rlt_trial_state_parse(const char *name, rlt_trial_state *state, rlt_err *err);
/* The one table of allowed transitions; the driver asks before it writes a row. */
bool rlt_trial_may_become(rlt_trial_state from, rlt_trial_state to);

/* PAUSE: the trial saves a checkpoint and gives its slot back; a ruling says later whether it goes
 * on from there. EXPLOIT: it goes on with the weights of another trial and with new parameters. */
typedef enum {
    RLT_ACTION_CONTINUE,
    RLT_ACTION_STOP,
    RLT_ACTION_PAUSE,
    RLT_ACTION_EXPLOIT
} rlt_action;
const char *rlt_action_name(rlt_action action); /* "continue", "stop", "pause", "exploit" */
rlt_status rlt_action_parse(const char *name, rlt_action *action, rlt_err *err);
enum { RLT_DECISION_NUMBERS = 4 };
typedef struct rlt_exploit { /* borrowed until the trial ends */
    int64_t source; /* the trial whose committed checkpoint at its last milestone is taken over;
                       -1: the trial's own */
    const json_t *params;  /* {path: value}, all of the trial's from here on */
    const json_t *changes; /* {path: {"from", "to", "by"}}, compared with the source's; or NULL */
} rlt_exploit;
typedef struct rlt_decision {
    rlt_action action;
    int bracket, rung;       /* of stoppers with rungs; -1 else */
    int64_t step;            /* of the report that was judged; of this report: none was */
    int64_t at;              /* the same by what the stopper counts (rlt_tuner_is_timed) */
    bool again;              /* nothing new was judged: the answer of an earlier report */
    double value, threshold; /* NAN threshold: nothing to compare with yet */
    int compared;            /* results that the threshold comes from */
    /* What else led to it, by the stopper's own names; a NULL name ends. NAN: none. */
    const char *names[RLT_DECISION_NUMBERS];
    double numbers[RLT_DECISION_NUMBERS];
    rlt_exploit exploit; /* of EXPLOIT */
    char reason[240];    /* a sentence; filled for STOP, for rulings and on request only */
} rlt_decision;

typedef struct rlt_tuner rlt_tuner;
/* Resolves a $function parameter for the trial: `chosen` holds the values so far as a JSON object
 * {path: value}; returns a concrete value or a {"$space"} object. May be NULL if there are none. */
typedef rlt_status (*rlt_resolve)(void *user, const char *path, const json_t *chosen,
                                  json_t **value, rlt_err *err);
/* `config` and `experiment` (the normalised one) are copied as needed. experiment.tune.points:
 * array of {path: value} objects to try first; what one leaves open is drawn at random. Errors
 * (RLT_ECONFIG) name the parameter that the sampler can't search, or what is wrong with the
 * stopper.
 */
rlt_status rlt_tuner_create(const rlt_tune_fields *config, const json_t *experiment,
                            rlt_resolve resolve, void *user, rlt_tuner **tuner, rlt_err *err);
void rlt_tuner_destroy(rlt_tuner **tuner);
const rlt_search_space *rlt_tuner_space(const rlt_tuner *tuner);

/* The next trial: *number counts from 0; *params is a new JSON object {path: value}.
 * RLT_ENOTFOUND: the space, `trials` or the budget is exhausted (err says which). RLT_EBUSY, not
 * now, but the end of a trial that runs will or may change that. */
rlt_status rlt_tuner_ask(rlt_tuner *tuner, int64_t *number, json_t **params, rlt_err *err);
/* tune.seeds: several trials, its replicates, have the same parameters, a configuration, which goes
 * by the number of the first of them. Both as they are in the trial's row; replicate k of every
 * configuration is to have the same seed. With 1 seed they are `number` and 0. */
void rlt_tuner_replicate(const rlt_tuner *tuner, int64_t number, int64_t *configuration,
                         int64_t *replicate);
/* How many search trials there will be, as far as it is known: those that have started, and what
 * is certain to follow. */
int64_t rlt_tuner_planned(const rlt_tuner *tuner);
/* Number of the trial whose weights trial `number` is to start from, or -1. A trial of the past
 * that has ended, as a rule with a checkpoint. */
int64_t rlt_tuner_parent(const rlt_tuner *tuner, int64_t number);
/* What a trial does: it trains a network; or weights that all networks of the space share; or it
 * only measures a network with its parent's weights. */
typedef enum { RLT_STAGE_ALONE, RLT_STAGE_SUPERNET, RLT_STAGE_SHARED } rlt_stage;
rlt_stage rlt_tuner_stage(const rlt_tuner *tuner, int64_t number);
/* A trial with a point that somebody gave ({path: value}; what it leaves open is drawn at random),
 * whatever `trials` and the budget say: it counts for neither. RLT_ECONFIG names what the space
 * does not have. */
rlt_status rlt_tuner_ask_point(rlt_tuner *tuner, const json_t *point, int64_t *number,
                               json_t **params, rlt_err *err);
rlt_status rlt_tuner_check_point(const rlt_tuner *tuner, const json_t *point, rlt_err *err);
/* rlt_tuner_restore for a trial of rlt_tuner_ask_point. */
rlt_status rlt_tuner_restore_point(rlt_tuner *tuner, int64_t number, const json_t *params,
                                   rlt_err *err);
/* Whether `trials` have been asked for. */
bool rlt_tuner_is_full(const rlt_tuner *tuner);
/* Gives every parameter that is missing a random value, the same one for the same trial and
 * parameter: for trials that were asked for before the space had grown. */
void rlt_tuner_fill(const rlt_tuner *tuner, int64_t number, json_t *params);
/* Whether the stopper counts milliseconds of a trial's running time, not steps
 * (tune.stopper.time_attr): milestones are in these then, and reports bring them along. */
bool rlt_tuner_is_timed(const rlt_tuner *tuner);
/* The first step (or ms) > `step` at which the trial must report and wait for a decision;
 * INT64_MAX: none. */
int64_t rlt_tuner_milestone(const rlt_tuner *tuner, int64_t number, int64_t step);
/* A result of the tuned metric; idempotent for a (trial, step) already seen (I1). O(log n).
 * The first report at or after a milestone is judged (decision->step is its step); those between
 * two milestones get the last answer again: a trial that was told to stop is told so again.
 * RLT_ESTALE: the trial has ended. `decision` may be NULL. */
rlt_status rlt_tuner_report(rlt_tuner *tuner, int64_t number, int64_t step, double value,
                            rlt_decision *decision, rlt_err *err);
/* The same of a trial that has run for so many ms, where that is what the stopper counts. */
rlt_status rlt_tuner_report_at(rlt_tuner *tuner, int64_t number, int64_t step, int64_t at,
                               double value, rlt_decision *decision, rlt_err *err);
/* Fills decision->reason, for CONTINUE and PAUSE too. */
void rlt_decision_explain(const rlt_tuner *tuner, rlt_decision *decision);
/* Whether the trial was told to pause, and nothing has been ruled since; *step (may be NULL): of
 * the report that it was told so at. Such a trial is not to be started. */
bool rlt_tuner_waits(const rlt_tuner *tuner, int64_t number, int64_t *step);
/* Whether trials copy each other's weights (pbt, pb2): then they need a committed checkpoint before
 * each report at a milestone, and take turns on the slots, those first whose last such report is
 * the oldest (rlt_tuner_judged: its place by what the stopper counts, and its step; 0: there was
 * none). */
bool rlt_tuner_copies(const rlt_tuner *tuner);
int64_t rlt_tuner_judged(const rlt_tuner *tuner, int64_t number);
int64_t rlt_tuner_judged_step(const rlt_tuner *tuner, int64_t number);
/* Rulings on trials that wait: each says that a trial goes on (CONTINUE, EXPLOIT) or ends (STOP).
 * To be asked for after reports, ends, and an `ask` that gave nothing, until it returns false; what
 * is reported again afterwards gets the ruling as its answer. A trial that has ended meanwhile gets
 * none. */
bool rlt_tuner_ruling(rlt_tuner *tuner, int64_t *number, rlt_decision *decision);
/* The trial ended in `state` (stopped, completed, failed; the same again is fine) with final value
 * (NAN when it has none). */
rlt_status rlt_tuner_finish(rlt_tuner *tuner, int64_t number, rlt_trial_state state, double value,
                            int64_t steps, rlt_err *err);
/* The same with a value for each of tune.objectives and one for each of tune.constraints (a trial
 * is feasible where none is above 0). NAN: it has none. */
rlt_status rlt_tuner_finish_values(rlt_tuner *tuner, int64_t number, rlt_trial_state state,
                                   const double *values, const double *constraints, int64_t steps,
                                   rlt_err *err);
/* One trial of an earlier experiment that has ended, to learn from; all of them before the first
 * `ask` and `restore`, and in the same order again when this experiment is restored. It is none of
 * this experiment's trials: no number, not the best, no part of budget or front. params: {path:
 * value}, as of rlt_tuner_ask; what is no parameter here is ignored. values: [tune.objectives],
 * constraints: [tune.constraints], NAN: none; state: stopped, completed or failed.
 * Samplers that learn take it as a trial that came before all others, cmaes as a source of
 * WS-CMA-ES. *used (may be NULL) is false, and nothing happens, when it failed, when a value is
 * missing or not one that this experiment could have tried (err's message, if the caller zeroed it,
 * says which), or when the sampler learns nothing. RLT_EINVAL: too late, or no end. */
rlt_status rlt_tuner_source(rlt_tuner *tuner, const json_t *params, const double *values,
                            const double *constraints, rlt_trial_state state, int64_t steps,
                            bool *used, rlt_err *err);
int64_t rlt_tuner_sources(const rlt_tuner *tuner); /* how many were used */
/* Restoring from rows, before anything else but rlt_tuner_source is called: trials in the order of
 * number, as if `ask` had returned these params; the reports of a trial after it, in the order of
 * steps, by rlt_tuner_report (decisions are then ignored); its end, if any, by rlt_tuner_finish
 * after them. Stoppers and all samplers but evolution take trial by trial as well as the order
 * of time; that one needs trials and their ends in the order of time. Then later suggestions and
 * decisions are the same. What was decided already depends on the order of time, so unless rows are
 * replayed in that order, each stored decision of a trial that goes on, and each ruling, follows by
 * rlt_tuner_restore_decision. */
rlt_status rlt_tuner_restore(rlt_tuner *tuner, int64_t number, const json_t *params, rlt_err *err);
/* The action decided for the report of a trial at `step` (rlt_decision.step), or the ruling on it:
 * the newest one is the last. A trial that has ended is of no interest, nor is a report that got
 * the answer of an earlier one (`again`): RLT_OK. RLT_ECORRUPT: there was no such report. */
rlt_status rlt_tuner_restore_decision(rlt_tuner *tuner, int64_t number, int64_t step,
                                      rlt_action action, rlt_err *err);
/* The same for EXPLOIT, of a trial that goes on or of one that has ended. */
rlt_status rlt_tuner_restore_exploit(rlt_tuner *tuner, int64_t number, int64_t step, int64_t source,
                                     const json_t *params, rlt_err *err);
/* As rlt_tuner_restore for a trial that was a further replicate of an earlier one's configuration;
 * trials and their ends in the order of time then, whatever the sampler. */
rlt_status rlt_tuner_restore_replicate(rlt_tuner *tuner, int64_t number, int64_t configuration,
                                       int64_t replicate, rlt_err *err);
/* What the end of trial `number` meant for its configuration in a race (tune.race): false: nothing.
 * To be asked for right after rlt_tuner_finish. */
typedef struct rlt_race {
    int64_t number;              /* the trial whose end led to it */
    int64_t configuration, best; /* compared with the best one (-1: there is none yet) ... */
    int seeds;                   /* ... on this many common seeds */
    int compared;                /* configurations that the test looked at, itself included */
    bool extend;                 /* it gets another seed; else no further one */
    double value, threshold;     /* what both amount to on these; NAN: nothing to compare with */
    double p, alpha; /* that it is no worse, and below which it counts as worse; p NAN: not known */
    char reason[256];
} rlt_race;
bool rlt_tuner_race(const rlt_tuner *tuner, int64_t number, rlt_race *race);
/* What results of replicates amount to by a rlt_aggregate_kind; count > 0, all finite or not.
 * RLT_AGGREGATE_IQM: of less than four the mean (Agarwal et al. 2021, rliable). */
double rlt_aggregate(int kind, const double *values, int count, bool maximise);
/* Number of the trial with the best final value, or latest one while it runs, or -1. Failed trials
 * do not count, nor with constraints those that are not feasible or run; ties go to the first. -1
 * with several objectives. With tune.seeds the configuration with the best aggregate among those
 * with the most completed replicates; none of them failed. O(trials). */
int64_t rlt_tuner_best(const rlt_tuner *tuner, double *value);
/* With several objectives: how many trials have all values, are feasible and dominated by no other
 * one, and their numbers, ascending; borrowed until the next call of rlt_tuner_finish. */
int64_t rlt_tuner_front(const rlt_tuner *tuner, const int64_t **numbers);
bool rlt_tuner_goal_reached(const rlt_tuner *tuner);

/* Tables for `rltune samplers`, `rltune stoppers`; NULL-named end. */
typedef struct rlt_listing {
    const char *name, *help;
} rlt_listing;
extern const rlt_listing rlt_samplers[], rlt_stoppers[];
#endif
