/* vec_env's insides, shared by its two files. Thread: the owner's. */
#ifndef RLT_VEC_ENV_IMPL_H
#define RLT_VEC_ENV_IMPL_H
#include "env/env.h"

/* Two layouts of the states. With step_many: blocks of RLT_ENV_LANES environments, within a block
 * field by field (rlt_env_block). Without: one environment after the other, `stride` bytes each. */
struct rlt_vec_env {
    const rlt_env_def *def;
    rlt_env_form form;
    int count, limit;        /* limit: the time limit, INT32_MAX for none */
    size_t width;            /* of an observation row */
    size_t action_size;      /* bytes of one environment's action */
    size_t stride;           /* bytes of one environment's state, 16-byte aligned */
    size_t block_size;       /* bytes of a block of states; 0 without step_many */
    rlt_rng *rngs;           /* [count] */
    int32_t *elapsed;        /* [count, padded to whole blocks] */
    float *episode_return;   /* [the same] */
    unsigned char *states;   /* [blocks][block_size] or [count][stride] */
    unsigned char *scratch;  /* one state, `stride` bytes */
    rlt_env_block tail;      /* rows for a last block that does not end at whole vectors */
    uint8_t *tail_truncated; /* [RLT_ENV_LANES] */
};

/* The state of environment i as `step` wants it: in place, or gathered into scratch, from where
 * keep puts it back. */
void *rlt_vec_env_state_of(rlt_vec_env *vec, int i);
void rlt_vec_env_keep_state(rlt_vec_env *vec, int i, const void *state);
#endif
