/* nn, device: where a network is computed: a backend opened on one device, memory, a stream,
 * graphs. The CPU is always there; CUDA is a module that is loaded at run time. Thread: a device
 * belongs to one thread. Work is asynchronous where the backend is (CUDA): every call but sync,
 * close and download returns before it is done; everything on a device happens in the order of the
 * calls. */
#ifndef RLT_NN_DEVICE_H
#define RLT_NN_DEVICE_H
#include "nn/fns.h"

#define RLT_BACKEND_API_VERSION 2u
typedef enum { RLT_PRECISION_FP32, RLT_PRECISION_TF32, RLT_PRECISION_BF16 } rlt_precision;

typedef struct rlt_device_info {     /* for doctor and errors */
    char name[128];                  /* "NVIDIA H100 80GB HBM3" */
    char detail[256];                /* compute capability, library versions, drivers */
    size_t memory_bytes, free_bytes; /* 0: unknown */
} rlt_device_info;

typedef struct rlt_graph rlt_graph;
/* What the learners of one trial need to find each other; 0-padded. */
typedef struct rlt_reduce_id {
    unsigned char bytes[128];
} rlt_reduce_id;
#define RLT_REDUCE_DEADLINE_S 300.0 /* so long a learner waits for the others */

typedef struct rlt_backend {
    uint32_t api_version;
    const char *name; /* "cpu", "cuda" */
    /* How many devices there are; 0 with *err saying what is missing (driver, device, library). */
    int (*count)(rlt_err *err);
    rlt_status (*info)(int index, rlt_device_info *info, rlt_err *err);
    rlt_status (*open)(int index, rlt_precision precision, rlt_device **device, rlt_err *err);
    void (*close)(rlt_device **device);
    /* RLT_ENOMEM names the bytes asked for and those free. Zeroed. */
    rlt_status (*alloc)(rlt_device *device, size_t bytes, void **memory, rlt_err *err);
    void (*free)(rlt_device *device, void *memory);
    /* Pinned host memory, for copies that overlap with work; the CPU's is rlt_alloc's. */
    rlt_status (*alloc_host)(rlt_device *device, size_t bytes, void **memory, rlt_err *err);
    void (*free_host)(rlt_device *device, void *memory);
    /* Ordinary memory may be changed on return, that of alloc_host after the next sync. */
    void (*upload)(rlt_device *device, void *to, const void *from_host, size_t bytes);
    void (*download)(rlt_device *device, void *to_host, const void *from, size_t bytes);
    void (*copy)(rlt_device *device, void *to, const void *from, size_t bytes);
    void (*zero)(rlt_device *device, void *memory, size_t bytes);
    /* Waits for all work; the first error since the last sync. */
    rlt_status (*sync)(rlt_device *device, rlt_err *err);
    /* Records the calls between begin and end, without doing them (the CPU: records too). Only ops,
     * fns, copy, zero and all_reduce may be recorded. */
    rlt_status (*record_begin)(rlt_device *device, rlt_err *err);
    rlt_status (*record_end)(rlt_device *device, rlt_graph **graph, rlt_err *err);
    void (*graph_run)(rlt_device *device, rlt_graph *graph);
    void (*graph_free)(rlt_device *device, rlt_graph **graph);
    /* Bytes of rlt_op_io.scratch for at most this many steps and sequences. */
    size_t (*op_scratch)(rlt_device *device, const rlt_op *op, int steps, int seqs, bool training);
    rlt_op_fn forward[RLT_OP_COUNT], backward[RLT_OP_COUNT];
#define RLT_FN(name, help) rlt_##name##_fn name;
#include "nn/fns.def"
#undef RLT_FN
    /* Learners with a device each that make the same steps, every one from the mean of their
     * gradients. These four are NULL where a backend has none (the CPU: rlt_ppo_team).
     * The first learner makes the id; the caller carries it to the others. */
    rlt_status (*reduce_id)(rlt_reduce_id *id, rlt_err *err);
    /* Once a device, by each of `count` learners, who wait here for each other. RLT_EPEER: one did
     * not come in time; RLT_ENOTSUP: the library is missing (count 1 needs none). */
    rlt_status (*all_reduce_init)(rlt_device *device, int rank, int count, const rlt_reduce_id *id,
                                  rlt_err *err);
    /* grad[count] becomes the mean over the learners, sums[count] the sum, both bit for bit the
     * same on all: with rlt_update_state.current summed, all stop at the same minibatch. May be
     * recorded, as fns may; with one learner nothing is done. All learners make the same calls in
     * the same order; one that goes is an error of the others' next sync. */
    void (*all_reduce)(rlt_device *device, float *grad, size_t count);
    void (*all_reduce_sums)(rlt_device *device, double *sums, size_t count);
} rlt_backend;

struct rlt_device { /* the front of every backend's own struct */
    const rlt_backend *backend;
    int index;
    rlt_precision precision;
};

extern const rlt_backend rlt_backend_cpu;
/* The CUDA module, loaded at the first call from beside the binary, ../lib/rltune or
 * $RLTUNE_CUDA_MODULE; NULL with *err saying why not. */
const rlt_backend *rlt_backend_cuda(rlt_err *err);
/* "cpu", "cuda", "cuda:1", "auto" (the first GPU, else the CPU). RLT_ECONFIG says what is missing
 * and what is allowed. */
rlt_status rlt_device_open(const char *name, rlt_precision precision, rlt_device **device,
                           rlt_err *err);
/* Whether open would find that device, without opening it: RLT_ECONFIG as above. */
rlt_status rlt_device_check(const char *name, rlt_err *err);
void rlt_device_close(rlt_device **device);

/* A program with its values, on a device, for at most steps * seqs rows at a time. */
typedef struct rlt_net rlt_net;
typedef struct rlt_net_in {
    int steps, seqs;
    const float *params, *obs; /* obs [rows][obs_width] */
    const uint8_t *reset;      /* [steps][seqs] or NULL */
    const float *state;        /* [seqs][state_width] or NULL: zeros */
    float *state_out;          /* or NULL */
} rlt_net_in;
rlt_status rlt_net_create(rlt_device *device, const rlt_program *program, int steps_max,
                          int seqs_max, bool training, rlt_net **net, rlt_err *err);
void rlt_net_destroy(rlt_net **net);
void rlt_net_forward(rlt_net *net, const rlt_net_in *in);
float *rlt_net_head(rlt_net *net);   /* [rows][head_width] */
float *rlt_net_value(rlt_net *net);  /* [rows][value_width] */
float *rlt_net_d_head(rlt_net *net); /* the loss writes these two before backward */
float *rlt_net_d_value(rlt_net *net);
/* Adds to grad[param_count] the gradient of what forward computed of the same input. */
void rlt_net_backward(rlt_net *net, const rlt_net_in *in, float *grad);
/* The same, and d_obs[rows][obs_width] is written (for critics of actions). */
void rlt_net_backward_obs(rlt_net *net, const rlt_net_in *in, float *grad, float *d_obs);
size_t rlt_net_bytes(const rlt_program *program, int steps_max, int seqs_max, bool training);
#endif
