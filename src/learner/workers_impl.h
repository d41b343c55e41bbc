/* Private to src/learner: worker processes as the learner sees them. */
#ifndef RLT_WORKERS_IMPL_H
#define RLT_WORKERS_IMPL_H
#include "learner/acting.h"
#include "scheduler/scheduler.h"
#include "transport/transport.h"

enum { RLT_WORKER_SLOTS_MAX = 16 };

typedef struct rlt_remote_worker {
    rlt_job job;
    uint64_t epoch; /* of the incarnation */
    int restarts;
    bool joined; /* it has its task */
    rlt_shm shm;
    rlt_ring ring;
    uint64_t delivered;                   /* segments that came, in order */
    uint32_t slots[RLT_WORKER_SLOTS_MAX]; /* shm: slot of segment i at i % RLT_WORKER_SLOTS_MAX */
    void *frames[RLT_WORKER_SLOTS_MAX];   /* tcp: copies */
    unsigned char *state;                 /* [env state][last observation row] */
} rlt_remote_worker;

typedef struct rlt_workers_source {
    rlt_source base;
    const rlt_workers_options *o;
    rlt_channel *channel;
    rlt_msg_writer writer;
    size_t segment_size, state_size, block_size;
    rlt_batch_actions actions;
    uint32_t slot_count;
    rlt_remote_worker *workers;
    rlt_segment *segments;
    rlt_shm weights_shm, asking_shm;
    rlt_weights weights;
    rlt_asking asking;
    rlt_acting *acting; /* NULL: workers act by themselves */
    rlt_weights_view view;
    const float *block; /* the newest weights, borrowed */
    uint64_t version;
    uint64_t index;  /* of the segments that are due */
    uint64_t credit; /* bytes to give back with the next weights */
    bool started;
} rlt_workers_source;

bool rlt_workers_use_shm(const rlt_workers_source *s);
/* Starts all workers' processes. */
rlt_status rlt_workers_start(rlt_workers_source *s, rlt_err *err);
/* Sends s->writer's message to worker i. */
rlt_status rlt_workers_send(rlt_workers_source *s, int i, const void *blob, size_t size,
                            rlt_err *err);
rlt_status rlt_workers_send_weights(rlt_workers_source *s, int i, uint64_t credit, rlt_err *err);
/* Handles the messages that are there. */
rlt_status rlt_workers_drain(rlt_workers_source *s, rlt_err *err);
/* One look at the channel and the processes, waiting up to timeout_ms; the dead are started again.
 */
rlt_status rlt_workers_attend(rlt_workers_source *s, int timeout_ms, rlt_err *err);
#endif
