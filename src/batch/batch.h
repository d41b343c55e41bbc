/* batch: the layout of one segment of experience, written in place by a rollout and read by the
 * learner: T steps of n environments in one block of memory (a shared slot, a frame, or heap).
 * Why: one description for all transports; what comes from another process is checked here before
 * anything in it is believed. No I/O. Thread: any, no state. */
#ifndef RLT_BATCH_H
#define RLT_BATCH_H
#include "core/core.h"

typedef struct rlt_batch_spec {
    int horizon, envs;      /* T steps of n environments */
    int obs_width;          /* floats of an observation row */
    size_t action_bytes;    /* of one environment's action */
    size_t env_state_bytes; /* the vector environment's whole state */
    int memory_width;       /* floats that a recurrent policy carries from step to step; 0: none */
    int mask_width;         /* bytes of an action's mask; 0: none */
} rlt_batch_spec;

typedef struct rlt_segment_header {
    uint64_t magic, spec_hash;
    uint32_t worker, reserved;
    uint64_t index;           /* the worker's segments count from 0: the learner's iteration */
    uint64_t weights_version; /* of the policy that acted */
} rlt_segment_header;

/* Pointers into the block; all time-major. */
typedef struct rlt_segment {
    rlt_segment_header *header;
    float *obs;              /* [T + 1][n][obs_width], raw; the last row starts the next segment */
    unsigned char *action;   /* [T][n] of action_bytes, as the policy drew it */
    float *log_prob;         /* [T][n] */
    float *value;            /* [T + 1][n] */
    float *reward;           /* [T][n], raw */
    float *final_value;      /* [T][n], where truncated: the value of the final observation */
    float *episode_return;   /* [T][n], where an episode ended */
    int32_t *episode_length; /* [T][n], where an episode ended */
    uint8_t *terminated, *truncated; /* [T][n] */
    uint8_t *mask;            /* [T][n][mask_width]: 0 forbids a value of the action at that step */
    float *norm;              /* [2][obs_width]: mean and 1/std that the policy's input had */
    unsigned char *env_state; /* after the last step */
    float *memory;            /* [2][n][memory_width]: before the first step, after the last */
} rlt_segment;

/* Bytes of a block; 0 when the spec is out of range. */
size_t rlt_segment_size(const rlt_batch_spec *spec);
/* `block` must be 64-byte aligned and of rlt_segment_size bytes; it is borrowed. */
void rlt_segment_bind(const rlt_batch_spec *spec, void *block, rlt_segment *segment);
/* Writes the header of a block that is about to be filled. */
void rlt_segment_seal(const rlt_batch_spec *spec, rlt_segment *segment, uint32_t worker,
                      uint64_t index, uint64_t weights_version);
/* What a rollout goes on from after a segment, as bytes: [env_state][last observation row][memory
 * after the last step]. */
size_t rlt_segment_state_size(const rlt_batch_spec *spec);
void rlt_segment_keep_state(const rlt_batch_spec *spec, const rlt_segment *segment, void *state);
/* What a discrete action may be: int32[components], component c in [0, counts[c]); a mask is their
 * values one after the other. components 0: the actions are floats. */
typedef struct rlt_batch_actions {
    int components;
    const int *counts;
} rlt_batch_actions;
/* RLT_EPROTO unless the block has the size, shape, worker and index that are due, its flags and
 * discrete actions are in range, and its masks allow the actions. */
rlt_status rlt_segment_check(const rlt_batch_spec *spec, const rlt_segment *segment, size_t size,
                             uint32_t worker, uint64_t index, rlt_batch_actions actions,
                             rlt_err *err);
#endif
