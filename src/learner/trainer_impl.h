/* Private to src/learner: what a trainer is made of. */
#ifndef RLT_TRAINER_IMPL_H
#define RLT_TRAINER_IMPL_H
#include "algos/ppo/ppo.h"
#include "learner/learner.h"
#include "learner/normaliser.h"

enum { RLT_RETURN_WINDOW = 100 };

typedef struct rlt_algorithm rlt_algorithm;
typedef struct rlt_cloning rlt_cloning;

struct rlt_trainer {
    const rlt_algorithm *algorithm;
    rlt_run_config config;
    const rlt_env_def *def;
    char team_device[16]; /* of a learner in a team */
    const char *device;   /* that computes the update; NULL: the CPU's threads */
    rlt_policy_spec spec;
    int parts, envs; /* envs: of all parts */
    rlt_pool *pool;
    float *weights; /* the block of rlt_weights_floats */
    rlt_weights_view view;
    uint64_t version; /* 1 + iterations */
    rlt_train_stats stats;
    rlt_running obs_stats;
    rlt_reward_scaler rewards;
    double window[RLT_RETURN_WINDOW], window_length[RLT_RETURN_WINDOW]; /* rings */
    int64_t rows;                                                       /* of an iteration */
    const char *config_json, *space_json; /* of a supernet, borrowed by create; else NULL */
    rlt_cloning *cloning;                 /* of bc; what follows is ppo's */
    rlt_ppo *ppo;
    rlt_batch_spec batch; /* of one part; env_state_bytes unused */
    /* the flat batch: row t * envs + global environment */
    float *obs, *log_prob, *value, *advantage, *ret;
    unsigned char *action;
    uint8_t *reset; /* a policy with memory: whether a row begins an episode; else NULL */
    float *memory;  /* [envs][memory_width] before the first step; else NULL */
    uint8_t *mask;  /* [rows][mask_width] of an environment that has them; else NULL */
    float *scaled;  /* [parts][T][n]: rewards as trained on */
    float *part_advantage, *part_ret; /* [parts][T][n] */
    const rlt_segment *segments;      /* of the iteration in progress */
};

/* RLT_ENOTSUP: not written by a learner of this format. */
rlt_status rlt_train_check_format(const rlt_checkpoint *checkpoint, const char *path, rlt_err *err);
#endif
