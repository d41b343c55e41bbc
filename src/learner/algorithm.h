/* Private to src/learner: what an algorithm is to a trainer. The trainer holds what all have: the
 * policy, its weights and their version, normalisers, counters, threads; an algorithm says where an
 * iteration's data comes from and what is done with it. A new one is a file with a const
 * rlt_algorithm, a line in trainer.c and, for what needs the network alone, a folder in algos/.
 * Thread: the trainer's. */
#ifndef RLT_ALGORITHM_H
#define RLT_ALGORITHM_H
#include "learner/trainer_impl.h"

typedef void (*rlt_add_tensor)(void *list, const char *name, int rank, const int64_t *shape,
                               float *data);
struct rlt_algorithm {
    const char *name; /* as run.algo */
    /* collect: whether an iteration takes segments that the policy acted in; else the algorithm has
     * its data from create on, and there is no source of experience. */
    bool acts;
    /* Sets t->rows, the steps of an iteration, and allocates all that iterations use. `team`: NULL
     * where the learner is alone. */
    rlt_status (*create)(rlt_trainer *t, const rlt_ppo_team *team, rlt_err *err);
    void (*destroy)(rlt_trainer *t); /* safe after a create that failed */
    /* t->segments into the batch that update takes; notes episodes. NULL where nothing acts. */
    void (*prepare)(rlt_trainer *t);
    /* t->view and the figures of t->stats that it has; counters are the trainer's. */
    rlt_status (*update)(rlt_trainer *t, rlt_err *err);
    /* Figures that cost too much to have after each update. NULL: none. */
    rlt_status (*measure)(rlt_trainer *t, rlt_train_figures *figures, rlt_err *err);
    /* The optimiser's state, for checkpoints: `count` floats, and its step. */
    float *(*state)(rlt_trainer *t, size_t *count);
    int64_t *(*step)(rlt_trainer *t);
    /* More float32 tensors for checkpoints. NULL: none. */
    void (*tensors)(rlt_trainer *t, rlt_add_tensor add, void *list);
};
extern const rlt_algorithm rlt_algorithm_ppo, rlt_algorithm_bc;

/* The device that run.device asks for, where an update takes minibatches of so many rows; *device
 * stays NULL where the CPU's threads do. The caller closes it. */
rlt_status rlt_trainer_open_device(rlt_trainer *t, const rlt_ppo_team *team, int64_t minibatch,
                                   rlt_device **device, rlt_err *err);
/* How much of the run is left, from 1 to next to nothing. */
double rlt_trainer_left(const rlt_trainer *t);
#endif
