/* Private to src/driver. */
#ifndef RLT_DRIVER_IMPL_H
#define RLT_DRIVER_IMPL_H
#include "command/command.h"
#include "driver/driver.h"
#include "scheduler/scheduler.h"
#include "store/store.h"
#include "study/study.h"
#include "transport/transport.h"

#define RLT_DECIDER_REPLAY "pbt_replay" /* of schedules; the tuner knows nothing of them */
#define RLT_RETURNED "the process that had joined was asked to stop" /* why it is tried again */
#define RLT_SERIES_TIME "time_total_s" /* seconds that a trial has run; Ray Tune's name */
#define RLT_DECIDER_RACE "race" /* in rows; not of the stopper, and found again without them */
enum { RLT_PARALLEL_MAX = RLT_POLL_ITEMS_MAX - 2, RLT_PROGRAMS_MAX = 4096 };

typedef enum { RLT_REPLY_NONE, RLT_REPLY_DECISION, RLT_REPLY_LEAVE } rlt_reply;

typedef struct rlt_driver_program { /* of a trial that is a program (programs.c) */
    bool runs, dirty, asks;         /* dirty: progress to be written; asks: waits for an answer */
    bool reported;                  /* the tuned metric */
    int64_t diverged_at;            /* step of its last value if that is no number; -1 */
    int64_t last_step;              /* of its newest value */
    const char *done;               /* why it has come to its end though it runs; NULL */
    bool files;                     /* there may be some in its folder */
    bool keeps_log;                 /* it has ended, and its output is to stay */
} rlt_driver_program;

typedef struct rlt_driver_measure { /* of an objective or a constraint, the newest report */
    double last;                    /* number; NAN: none */
    int64_t step;                   /* -1: none */
    int64_t diverged_at;            /* the step, if it is no number; -1 */
} rlt_driver_measure;

/* The reason of trials that pause because somebody asked the driver to stop. */
#define RLT_DRIVER_STOP_REQUESTED "stop requested"

typedef struct rlt_driver_entry { /* one trial */
    int64_t id, number, attempt, seed;
    int64_t configuration, replicate, parent; /* as in its row */
    bool final;
    rlt_trial_state state;
    json_t *params; /* owned; NULL once the trial has ended */
    int64_t steps, steps_max;
    double last, best, steps_per_s;
    rlt_driver_measure *measures; /* [objectives, then constraints], owned; NULL: last is all */
    /* while it runs */
    rlt_job job;
    double spent_s;        /* seconds that earlier attempts ran */
    double started, heard; /* monotonic seconds */
    int retries;
    bool spawn;              /* its row says running; the process is to be started */
    bool ended;              /* its last word has been recorded */
    bool resumable;          /* started from a checkpoint */
    bool interrupted;        /* it ran when an earlier driver ended */
    int64_t inherits;        /* id of its parent's checkpoint that it started from; 0: none */
    bool sweep;              /* its process died: files that it did not report may be left */
    bool silent;             /* killed because it said nothing */
    const char *stop_reason; /* why it was asked to stop; NULL: it was not */
    char *verdict;           /* the stopper's sentence, if it ends or pauses the trial; owned */
    rlt_reply reply;         /* to send after the commit */
    rlt_action action;
    int64_t milestone; /* the step from which it asks */
    int64_t due_ms;    /* the same where time is counted */
    double before_s;   /* of that time what it had when this attempt began ... */
    bool timed_from;   /* ... which is known */
    double ran_s;      /* ... and what this attempt had taken at its newest report */
    rlt_driver_program program;
    int64_t client;     /* that runs it in the driver's place; 0: none */
    bool lent;          /* its process, a learner or a program, is another one's child (join.c) */
    bool returned;      /* who runs it wants to give it back */
    double seen;        /* when its client gave the last sign of life; -INFINITY: it has gone */
    double beat;        /* when its lease was written */
    int64_t stopped_at; /* the step at which its stopper decided to end it; 0: it did not */
} rlt_driver_entry;

typedef struct rlt_driver_dropped { /* what is still told of ended trials without an entry */
    int64_t count, finals, steps;
    int64_t states[RLT_TRIAL_STATE_COUNT];
    int64_t search_steps; /* of those that are no retraining */
} rlt_driver_dropped;

typedef struct rlt_driver {
    const rlt_driver_options *o;
    rlt_store *store;
    rlt_channel *channel;
    rlt_msg_writer writer;
    int64_t experiment;
    rlt_experiment_config config;
    char *script_text, *script_path; /* owned */
    rlt_study_server *server;        /* of clients; NULL: a single run */
    int64_t queued;                  /* points that wait in the table queue */
    bool newest_first;               /* of them: a client that asks has brought one itself */
    bool stop_asked;                 /* by a client */
    rlt_script *script;              /* its own copy, for conditional parameters */
    rlt_tuner *tuner;
    char folder[512];       /* of checkpoints */
    rlt_command_host *host; /* of programs; NULL: trials are trainings */
    rlt_patterns *patterns;
    char *programs_folder; /* owned */
    int64_t kept_log;      /* trial whose log is there because it is the best; 0: none */
    double kept_value;     /* its result; NAN: none */
    char *function_setup;  /* what processes of functions read first, owned; NULL: none */
    /* Trials that are open, and the newest that have ended; in the order of their keys. An index is
     * no number: rlt_driver_trial_of. */
    rlt_driver_entry *trials;
    rlt_driver_trial *views; /* the same indices */
    size_t count, capacity;
    size_t first_open; /* no trial before this index is still open */
    size_t drop_at;    /* the count at which ended ones are dropped again */
    rlt_driver_dropped dropped;
    int parallel, active;
    int lent;                          /* of the active ones, those that other processes run */
    json_t *schedule, *final_schedule; /* owned; of search trials, of the winner; or NULL */
    bool copies;                       /* trials copy each other: rlt_tuner_copies */
    bool timed;                        /* rlt_tuner_is_timed */
    int64_t failed;
    int64_t finished;    /* trials that have ended in this process */
    char failure[256];   /* of the newest failed trial, with its number; "": none in this process */
    bool interrupted;    /* some of the trials may be so, and have not been started again */
    bool exhausted;      /* no further search trials */
    bool finals_planned; /* by this driver: who the winner is has been seen */
    const char *ending;  /* why no more trials are started; NULL: they are */
    int stop_seen;
    const char *search_ended; /* why before its trials were used up; NULL: it was not */
    bool closed;              /* the row of the experiment says how it ended */
    rlt_err fatal;            /* an error that ends the experiment, code OK: none */
    char **unlink_after;      /* files to remove after the commit, owned */
    size_t unlink_count, unlink_capacity;
    double started, shown;
    double over;          /* when the last trial had ended; 0: it has not */
    int64_t steps_before; /* of a resumed experiment */
} rlt_driver;

/* check.c */
/* check_model.c: the networks that a search may build (RLT_ECONFIG: one that cannot be), but for
 * those that a function of the script decides. */
rlt_status rlt_driver_check_models(const rlt_env_def *def, const rlt_experiment_config *config,
                                   const rlt_search_space *space, rlt_err *err);
/* The network of one trial; the message names the trial's values of the model. */
rlt_status rlt_driver_check_network(const rlt_env_def *def, const rlt_run_config *config,
                                    const json_t *params, rlt_err *err);
rlt_status rlt_driver_make_tuner(const rlt_experiment_config *config, rlt_script *script,
                                 rlt_tuner **tuner, rlt_err *err);

/* expert.c: what bc learns from, as absolute paths in the JSON too. */
rlt_status rlt_driver_check_expert(rlt_experiment_config *config, rlt_err *err);

/* setup.c */
rlt_status rlt_driver_open(rlt_driver *d, rlt_err *err); /* channel, folder, tuner, limits */
void rlt_driver_close(rlt_driver *d);
rlt_status rlt_driver_restore(rlt_driver *d, rlt_err *err);

/* entries.c */
rlt_driver_entry *rlt_driver_add(rlt_driver *d); /* zeroed, with NAN results */
/* The newest entry goes where its number wants it: before the retrainings of an earlier end. */
rlt_driver_entry *rlt_driver_place(rlt_driver *d);
/* The search trial of this number; NULL: there is none, or it has ended long ago. */
rlt_driver_entry *rlt_driver_trial_of(const rlt_driver *d, int64_t number);
rlt_driver_entry *rlt_driver_final_of(const rlt_driver *d, int64_t number);
/* The row and the configuration of a search trial, also of one that has ended long ago; *id 0:
 * there is none. */
rlt_status rlt_driver_find_row(rlt_driver *d, int64_t number, int64_t *id, int64_t *configuration,
                               rlt_err *err);
/* What its entry is found by, also after others were dropped; the id of its program. */
int64_t rlt_driver_key(const rlt_driver_entry *t);
rlt_driver_entry *rlt_driver_of_key(const rlt_driver *d, int64_t key);
/* Between passes: entries move. */
void rlt_driver_drop_ended(rlt_driver *d);
/* The first that ran when an earlier driver ended and may be started again, or NULL. Such a one
 * goes before those that wait for their turn, as it did before: so the order of results, and what
 * follows from it, is that of a run without the break. */
rlt_driver_entry *rlt_driver_interrupted(rlt_driver *d);
/* The step from which a function asks: where it is judged, or may be done. */
static inline int64_t rlt_driver_asks_at(const rlt_driver_entry *t) {
    return t->steps_max > 0 && t->steps_max < t->milestone ? t->steps_max : t->milestone;
}
/* Seconds that it has run, in all attempts, without pauses. */
static inline double rlt_driver_wall_s(const rlt_driver_entry *t) {
    bool runs = t->state == RLT_TRIAL_RUNNING && t->started > 0;
    return t->spent_s + (runs ? rlt_clock_s() - t->started : 0);
}
static inline bool rlt_driver_is_open(const rlt_driver_entry *t) {
    return t->state == RLT_TRIAL_PENDING || t->state == RLT_TRIAL_RUNNING ||
           t->state == RLT_TRIAL_PAUSED;
}
/* A learner, or another process that has joined and runs it, is still to be waited for. */
static inline bool rlt_driver_has_process(const rlt_driver_entry *t) {
    return rlt_job_is_running(&t->job) || t->lent;
}

/* trials.c: rows and processes of trials; inside the group commit unless said otherwise */
rlt_status rlt_driver_plan(rlt_driver *d, rlt_err *err);  /* rows of what is to start */
rlt_status rlt_driver_spawn(rlt_driver *d, rlt_err *err); /* after the commit */
rlt_status rlt_driver_change(rlt_driver *d, rlt_driver_entry *t, rlt_trial_state to,
                             const char *reason, rlt_err *err);
rlt_status rlt_driver_finish(rlt_driver *d, rlt_driver_entry *t, rlt_trial_state to,
                             const char *reason, rlt_err *err);
rlt_status rlt_driver_broken(rlt_driver *d, rlt_driver_entry *t, const char *cause, rlt_err *err);
/* Its process could not be started; `missing`: there is no such program, and there will be none. */
rlt_status rlt_driver_unstarted(rlt_driver *d, rlt_driver_entry *t, const char *why, bool missing,
                                rlt_err *err);
/* Back to pending without a retry being counted. */
rlt_status rlt_driver_again(rlt_driver *d, rlt_driver_entry *t, const char *reason, rlt_err *err);
/* Trials that will not go on: pending and paused ones become stopped. */
rlt_status rlt_driver_stop_open(rlt_driver *d, bool finals, const char *reason, rlt_err *err);
rlt_status rlt_driver_task(rlt_driver *d, rlt_driver_entry *t, rlt_err *err);
/* The trial's concrete configuration, a new reference. */
rlt_status rlt_driver_trial_config(rlt_driver *d, const rlt_driver_entry *t, json_t **out,
                                   rlt_err *err);
rlt_status rlt_driver_stop(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err);
void rlt_driver_stop_all(rlt_driver *d, const char *reason);

/* The pending row of a new entry, with parameters and concrete configuration. */
rlt_status rlt_driver_create_row(rlt_driver *d, rlt_driver_entry *t, rlt_err *err);

/* finals.c: the winner of a search that has no trial left is trained again, unless it has been. */
rlt_status rlt_driver_plan_finals(rlt_driver *d, rlt_err *err);

/* The next trial that is to run, running in its row; NULL: there is none now. */
rlt_status rlt_driver_start_next(rlt_driver *d, rlt_driver_entry **t, rlt_err *err);
/* A new trial of the point that somebody gives, running in its row. NULL: it cannot be made. */
rlt_status rlt_driver_start_point(rlt_driver *d, const json_t *given, rlt_driver_entry **t,
                                  rlt_err *err);

/* queue.c: points to be tried before the sampler's, trials to learn from */
rlt_status rlt_driver_count_queue(rlt_driver *d, rlt_err *err);
/* The oldest point that waits, as a trial; *queued is its row. */
rlt_status rlt_driver_ask_queued(rlt_driver *d, int64_t *queued, int64_t *number, json_t **params,
                                 rlt_err *err);
/* A point as somebody gave it, checked; it waits in the queue. */
rlt_status rlt_driver_add_point(rlt_driver *d, const json_t *given, rlt_err *err);
/* The value that a queued point gave the trial's parameter, or NULL; a new reference. */
rlt_status rlt_driver_queued_value(rlt_driver *d, const rlt_driver_entry *t, const char *path,
                                   json_t **value, rlt_err *err);
/* tune.warm_start: the trials become rows, once; from these they go to the tuner. */
rlt_status rlt_driver_copy_earlier(rlt_driver *d, rlt_err *err);
rlt_status rlt_driver_learn_earlier(rlt_driver *d, rlt_err *err);

/* clients.c: who asks and tells over the socket; inside the group commit */
bool rlt_driver_is_external(const rlt_driver *d);
/* Whoever ran it in the driver's place does so no more. */
void rlt_driver_take_back(rlt_driver *d, rlt_driver_entry *t);
rlt_status rlt_driver_listen(rlt_driver *d, rlt_err *err);
rlt_status rlt_driver_pump_clients(rlt_driver *d, rlt_err *err);

/* grow.c: a parameter that the search space does not have yet; the trial that wants it, or NULL.
 * RLT_ECONFIG: it cannot have it. */
rlt_status rlt_driver_grow(rlt_driver *d, rlt_driver_entry *t, const char *path,
                           const json_t *space, rlt_err *err);
/* Everything that rows tell the tuner, in the order of time. */
rlt_status rlt_driver_replay(rlt_driver *d, rlt_err *err);

/* measures.c: several objectives, constraints */
void rlt_driver_measures_init(const rlt_driver *d, rlt_driver_entry *t);
void rlt_driver_measures_restart(const rlt_driver *d, rlt_driver_entry *t); /* of a program */
void rlt_driver_measure_note(const rlt_driver *d, rlt_driver_entry *t, const char *name,
                             int64_t step, double value);
/* Whether each has been reported at or after `step`. */
bool rlt_driver_measures_reached(const rlt_driver *d, const rlt_driver_entry *t, int64_t step);
/* The first that has no value, or whose newest one is no number (*diverged_at >= 0). */
bool rlt_driver_measures_lack(const rlt_driver *d, const rlt_driver_entry *t, const char **name,
                              int64_t *diverged_at);
/* The transition with the values that belong to it. */
rlt_status rlt_driver_write_change(rlt_driver *d, const rlt_driver_entry *t,
                                   rlt_trial_change *change, rlt_err *err);
/* The tuner is told how the trial ended. */
rlt_status rlt_driver_tell(rlt_driver *d, const rlt_driver_entry *t, rlt_trial_state state,
                           rlt_err *err);
void rlt_driver_result_text(const rlt_driver *d, const rlt_driver_entry *t, rlt_buf *text);
rlt_status rlt_driver_restore_measures(rlt_driver *d, rlt_err *err);

/* decisions.c: of the stopper; inside the group commit */
/* What the end of the trial means for its configuration in a race. */
rlt_status rlt_driver_raced(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err);
rlt_status rlt_driver_decide(rlt_driver *d, rlt_driver_entry *t, int64_t milestone, double value,
                             bool missing, rlt_err *err);
rlt_status rlt_driver_rulings(rlt_driver *d, rlt_err *err); /* on trials that wait */
rlt_status rlt_driver_restore_decision(rlt_driver *d, int64_t number, const char *const *values,
                                       rlt_err *err);

/* timed.c: where stoppers count the time that a trial has run */
double rlt_driver_ran_s(const rlt_driver_entry *t); /* of this attempt, by now */
/* Where a trial is that reports at `step`, by what the stopper counts. */
int64_t rlt_driver_amount(const rlt_driver *d, const rlt_driver_entry *t, int64_t step);
/* The attempt goes on from what the trial was at `step`; before anything it reports. */
rlt_status rlt_driver_go_on_at(rlt_driver *d, rlt_driver_entry *t, int64_t step, rlt_err *err);
/* The row of a report's time. */
rlt_status rlt_driver_note_time(rlt_driver *d, const rlt_driver_entry *t, int64_t step,
                                rlt_err *err);
/* The first milestone after what the stopper counts `amount` of. */
void rlt_driver_set_milestone(const rlt_driver *d, rlt_driver_entry *t, int64_t amount);
bool rlt_driver_is_due(const rlt_driver *d, const rlt_driver_entry *t, int64_t step);
/* Seconds of this attempt at which it is to ask, and has run whole (*why: by what is counted);
 * INFINITY: no such moment. */
double rlt_driver_asks_at_s(const rlt_driver *d, const rlt_driver_entry *t);
double rlt_driver_ends_at_s(const rlt_driver *d, const rlt_driver_entry *t, const char **why);

/* exploits.c: trials that go on from the weights of others; inside the group commit */
/* What goes with a decision whose row is there: the target's row and file of the source's
 * checkpoint, the exploit's row, the new parameters. */
rlt_status rlt_driver_exploit(rlt_driver *d, rlt_driver_entry *t, const rlt_decision *decision,
                              int round, rlt_err *err);
/* Puts the checkpoint that the trial goes on from into its task, and the weights that it takes
 * over; *step: of that checkpoint, -1: none. Its parameters are those of that step. */
rlt_status rlt_driver_put_origin(rlt_driver *d, rlt_driver_entry *t, int64_t *step, rlt_err *err);
/* The trial is about to end: what it took over at its last step was of no use any more. */
rlt_status rlt_driver_void_exploit(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err);
rlt_status rlt_driver_restore_exploit(rlt_driver *d, rlt_driver_entry *t, int64_t step,
                                      const char *source, const char *params_json, rlt_err *err);
/* Whether a trial that goes on should let others have its slot first. */
bool rlt_driver_yields(const rlt_driver *d, const rlt_driver_entry *t);
/* A pending or paused trial that may be started: of trials that copy each other the one whose last
 * milestone is the oldest. NULL: none. */
rlt_driver_entry *rlt_driver_next_in_turn(rlt_driver *d);

/* replay.c: parameters that change at known steps; inside the group commit but for the first two */
/* Puts the schedule that tune.stopper = pbt_replay names into the configuration. */
rlt_status rlt_driver_load_schedule(const char *db_path, rlt_experiment_config *config,
                                    rlt_err *err);
void rlt_driver_set_schedules(rlt_driver *d);
rlt_status rlt_driver_winner_schedule(rlt_driver *d, int64_t winner, rlt_err *err);
rlt_status rlt_driver_restore_schedule(rlt_driver *d, rlt_err *err); /* of the winner */
const json_t *rlt_driver_first_params(const rlt_driver *d);          /* of the winner's, or NULL */
bool rlt_driver_follows(const rlt_driver *d, const rlt_driver_entry *t);
/* The first step > `step` at which its parameters change; INT64_MAX: none. */
int64_t rlt_driver_next_change(const rlt_driver *d, const rlt_driver_entry *t, int64_t step);
/* The same for one that goes on from a checkpoint of `step`: there may be a change that it has
 * passed, but not been told of. */
rlt_status rlt_driver_first_change(rlt_driver *d, const rlt_driver_entry *t, int64_t step,
                                   int64_t *change, rlt_err *err);
rlt_status rlt_driver_follow(rlt_driver *d, rlt_driver_entry *t, int64_t milestone, double value,
                             rlt_err *err);

/* trials.c: from a checkpoint of `step` */
rlt_status rlt_driver_first_milestone(rlt_driver *d, rlt_driver_entry *t, int64_t step,
                                      rlt_err *err);
bool rlt_driver_may_start(const rlt_driver *d, const rlt_driver_entry *t);

/* files.c: checkpoints on disk */
/* All rows but the newest that `checkpoint.keep` asks for, and those at the last milestone of a
 * trial that others may copy; their files go by remove_files. */
rlt_status rlt_driver_prune(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err);
/* The newest checkpoint cannot be loaded: the one before it serves, or none; an event says so. */
rlt_status rlt_driver_forget(rlt_driver *d, const rlt_driver_entry *t, const char *why,
                             rlt_err *err);
/* Files of the experiment (trial != 0: of that trial) that no row speaks of. */
rlt_status rlt_driver_remove_orphans(rlt_driver *d, int64_t trial, rlt_err *err);
rlt_status rlt_driver_remove_files(rlt_driver *d, rlt_err *err); /* after the commit */

/* inherit.c: trials that start from the weights of an earlier one; inside the group commit */
/* Sets t->parent of a new trial, where the tuner names one and it has a checkpoint. */
rlt_status rlt_driver_find_parent(rlt_driver *d, rlt_driver_entry *t, rlt_err *err);
void rlt_driver_describe_parent(const rlt_driver *d, const rlt_driver_entry *t, char *text,
                                size_t size); /* "" without one */
rlt_stage rlt_driver_stage(const rlt_driver *d, const rlt_driver_entry *t);
/* {path: [values]} of the networks that share the weights which the trial trains; "": it does not.
 * The caller's (free). */
char *rlt_driver_space(const rlt_driver *d, const rlt_driver_entry *t);
/* The checkpoint that a trial without one of its own starts from: *row and the file's path, or "";
 * an event says so if it is gone. */
rlt_status rlt_driver_inherited(rlt_driver *d, rlt_driver_entry *t, rlt_checkpoint_row *row,
                                char *path, size_t size, rlt_err *err);
/* The parent's newest checkpoint cannot be loaded: the one before it serves, or none. */
rlt_status rlt_driver_disinherit(rlt_driver *d, rlt_driver_entry *t, const char *why, rlt_err *err);

/* messages.c */
rlt_status rlt_driver_drain(rlt_driver *d, rlt_err *err);
void rlt_driver_note_value(rlt_driver *d, rlt_driver_entry *t, double value);
rlt_status rlt_driver_replies(rlt_driver *d, rlt_err *err); /* after the commit */
rlt_status rlt_driver_send(rlt_driver *d, const rlt_driver_entry *t, rlt_err *err);

/* view.c */
/* Of a trial that has ended for good: for the time left, and for what is said at the end. */
void rlt_driver_count_end(rlt_driver *d, const rlt_driver_entry *t, rlt_trial_state state,
                          const char *reason);
void rlt_driver_show(rlt_driver *d, bool now);
void rlt_driver_say(rlt_driver *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
