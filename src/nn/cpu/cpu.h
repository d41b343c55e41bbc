/* nn, private: the CPU's form of each operation, and the scratch memory that those take which need
 * some; what they share. Thread: a device belongs to one thread; no state of their own. */
#ifndef RLT_NN_CPU_H
#define RLT_NN_CPU_H
#include "nn/device.h"
#include "nn/kernels.h"

#define RLT_OP(name, help)                                                                         \
    void rlt_cpu_##name##_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io);      \
    void rlt_cpu_##name##_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io);
#include "nn/ops.def"
#undef RLT_OP
/* The device may be NULL: recording is done around them, in cpu/backend.c. */
#define RLT_FN(name, help) void rlt_cpu_##name(rlt_device *device, const rlt_##name##_args *args);
#include "nn/fns.def"
#undef RLT_FN

/* Bytes of rlt_op_io.scratch for at most so many steps and sequences; forward and backward take the
 * same memory in turn. The norms, max_pool and add need none. */
size_t rlt_cpu_dense_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_conv_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_embed_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_activation_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_lstm_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_gru_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_attention_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_gate_scratch(const rlt_op *op, int steps, int seqs, bool training);

static inline size_t rlt_io_rows(const rlt_op_io *io) {
    return (size_t)io->steps * (size_t)io->seqs;
}

/* Hands out parts of a scratch memory, each aligned as the memory is (64 bytes). With base NULL it
 * only counts: the function that lays out the memory also tells its size. */
typedef struct rlt_cpu_cursor {
    float *base;
    size_t floats;
} rlt_cpu_cursor;

static inline float *rlt_cpu_take(rlt_cpu_cursor *cursor, size_t floats) {
    float *part = cursor->base == NULL ? NULL : cursor->base + cursor->floats;
    cursor->floats += (floats + RLT_NN_PAD - 1) / RLT_NN_PAD * RLT_NN_PAD;
    return part;
}

/* Rows that are worked on at a time, so that they stay in the cache: some steps of all sequences,
 * or one step of as many sequences as fit, whose later steps come before the other sequences. */
enum { RLT_CPU_BLOCK = 128 };
static inline int rlt_cpu_block_seqs(int seqs) {
    return seqs < RLT_CPU_BLOCK ? seqs : RLT_CPU_BLOCK;
}
static inline int rlt_cpu_block_steps(int seqs) {
    return seqs < RLT_CPU_BLOCK ? RLT_CPU_BLOCK / seqs : 1;
}

/* h[n][units] before step t of sequences first .. first + n - 1: y of the step before, the first
 * `units` floats of the state, zeros where an episode begins; in place where it can be, else
 * copied into buffer[n][units]. */
const float *rlt_cpu_h_before(const rlt_op_io *io, int units, int t, int first, int n,
                              float *buffer, ptrdiff_t *stride);
void rlt_cpu_copy_h_before(const rlt_op_io *io, int units, int t, int first, int n, float *to);
/* Zeros in the rows of d[n][units] whose reset is not 0. */
void rlt_cpu_clear_reset(const uint8_t *reset, int n, int units, float *d);
/* reset of the same rows, or NULL. */
static inline const uint8_t *rlt_cpu_reset(const rlt_op_io *io, int t, int first) {
    return io->reset == NULL ? NULL : io->reset + (size_t)t * (size_t)io->seqs + first;
}

/* c[m][n] of a product whose sizes are not filled in yet. */
static inline void rlt_cpu_product(const rlt_nn_product *p, int m, int n) {
    rlt_nn_product sized = *p;
    sized.m = m;
    sized.n = n;
    rlt_nn_kernels_get()->product(&sized);
}

static inline int rlt_cpu_padded(int width) {
    return (width + RLT_NN_PAD - 1) / RLT_NN_PAD * RLT_NN_PAD;
}
#endif
