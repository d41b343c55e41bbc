/* learner, private: several learner processes of one trial. The first is the driver's learner; it
 * starts the others as its children. All hold the same trainer and make the same steps; each
 * collects a share of the experience and computes a share of every minibatch's gradient.
 * Thread: each process's main one. */
#ifndef RLT_LEARNER_TEAM_H
#define RLT_LEARNER_TEAM_H
#include "group/group.h"
#include "learner/learner_process.h"
#include "scheduler/scheduler.h"

/* own: this learner's experience, taken over; group: borrowed. Parts are those of all learners, by
 * rank. actions: as rlt_segment_check takes them. collect is RLT_EINTERRUPTED when the first
 * learner has ended. */
rlt_source *rlt_source_group(rlt_source *own, rlt_group *group, rlt_batch_actions actions);
/* The first learner, instead of another collect: the others end. */
rlt_status rlt_source_group_end(rlt_source *source, rlt_err *err);

/* What one learner computes with, as the configuration asks. */
typedef struct rlt_learning_options {
    const rlt_run_config *config;
    const rlt_env_def *def;
    const char *config_json, *script, *script_name;
    rlt_status (*idle)(void *user, rlt_err *err);
    void *idle_user;
    rlt_group *group;  /* NULL: alone */
    const char *space; /* of networks that share weights, which are trained; NULL: a policy is */
} rlt_learning_options;
typedef struct rlt_learning {
    rlt_workers_options workers; /* referred to by source */
    rlt_ppo_team team;
    rlt_trainer *trainer;
    rlt_source *source; /* NULL: the trainer does not act */
} rlt_learning;
/* `learning` must stay where it is until closed. */
rlt_status rlt_learning_open(const rlt_learning_options *options, rlt_learning *learning,
                             rlt_err *err);
void rlt_learning_close(rlt_learning *learning); /* safe on {0} */
/* Publish, collect, consume, release; consume alone where the trainer does not act.
 * RLT_EINTERRUPTED as collect. */
rlt_status rlt_learning_iterate(rlt_learning *learning, rlt_train_stats *stats, rlt_err *err);

/* The first learner's view of the others. */
typedef struct rlt_peers rlt_peers;
typedef struct rlt_peers_task {
    const rlt_run_config *config;
    const char *config_json, *script, *script_name;
    rlt_train_origin origin;              /* to go on from; path "": none */
    const char *inherit, *inherit_sha256; /* whose weights to start from; "": none */
    rlt_status (*idle)(void *user, rlt_err *err);
    void *idle_user;
} rlt_peers_task;
/* Starts learners 1 .. config->learners - 1 and gives them their task; borrowed until end.
 * RLT_EPEER: one died, with its last words. */
rlt_status rlt_peers_start(const rlt_peers_task *task, rlt_peers **peers, rlt_err *err);
rlt_group *rlt_peers_group(rlt_peers *peers);
/* Whoever has not ended by itself within a moment is killed. NULL inside is fine. */
void rlt_peers_end(rlt_peers **peers);
#endif
