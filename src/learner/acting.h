/* learner, private: the policy acting for workers that ask (inference = "learner").
 * Thread: the learner's. */
#ifndef RLT_LEARNER_ACTING_H
#define RLT_LEARNER_ACTING_H
#include "learner/learner_process.h"
#include "nn/device.h"

typedef struct rlt_acting_options { /* borrowed while it lives */
    const rlt_run_config *config;
    rlt_batch_spec batch;   /* of a worker */
    int workers, first_env; /* worker i has environments first_env + i * batch.envs on */
    const char *device;     /* NULL: the CPU, with the bits of a worker's own policy */
    const rlt_asking *asking;
    void *(*slot)(void *user, int worker, uint32_t slot); /* its segment; NULL: no such slot */
    void *user;
} rlt_acting_options;
typedef struct rlt_acting rlt_acting;
rlt_status rlt_acting_create(const rlt_acting_options *options, const rlt_env_def *def,
                             rlt_acting **acting, rlt_err *err);
void rlt_acting_destroy(rlt_acting **acting); /* NULL inside is fine */
/* Answers all questions there are, with these weights. No allocation. RLT_EPROTO: one that cannot
 * be. */
rlt_status rlt_acting_answer(rlt_acting *acting, const rlt_weights_view *weights, uint64_t version,
                             int *answered, rlt_err *err);
#endif
