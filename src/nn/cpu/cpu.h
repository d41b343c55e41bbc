/* nn, private: the CPU's form of each operation, and the scratch memory that those take which need
 * some; what they share. Thread: a device belongs to one thread; no state of their own. */
#ifndef RLT_NN_CPU_H
#define RLT_NN_CPU_H
#include "nn/device.h"
#include "nn/kernels.h"

/* Until all of them are there; calling one that is not crashes. */
#define RLT_CPU_LATER __attribute__((weak))
#define RLT_OP(name, help)                                                                         \
    RLT_CPU_LATER void rlt_cpu_##name##_forward(rlt_device *device, const rlt_op *op,              \
                                                const rlt_op_io *io);                              \
    RLT_CPU_LATER void rlt_cpu_##name##_backward(rlt_device *device, const rlt_op *op,             \
                                                 const rlt_op_io *io);
#include "nn/ops.def"
#undef RLT_OP
/* The device may be NULL: recording is done around them, in cpu/backend.c. */
#define RLT_FN(name, help)                                                                         \
    RLT_CPU_LATER void rlt_cpu_##name(rlt_device *device, const rlt_##name##_args *args);
#include "nn/fns.def"
#undef RLT_FN

/* Bytes of rlt_op_io.scratch for at most so many steps and sequences; forward and backward take the
 * same memory in turn. The norms, max_pool and
 * add need none. */
size_t rlt_cpu_dense_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_conv_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_embed_scratch(const rlt_op *op, int steps, int seqs, bool training);
size_t rlt_cpu_activation_scratch(const rlt_op *op, int steps, int seqs, bool training);
RLT_CPU_LATER size_t rlt_cpu_lstm_scratch(const rlt_op *op, int steps, int seqs, bool training);
RLT_CPU_LATER size_t rlt_cpu_gru_scratch(const rlt_op *op, int steps, int seqs, bool training);
RLT_CPU_LATER size_t rlt_cpu_attention_scratch(const rlt_op *op, int steps, int seqs,
                                               bool training);
RLT_CPU_LATER size_t rlt_cpu_gate_scratch(const rlt_op *op, int steps, int seqs, bool training);

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

static inline int rlt_cpu_padded(int width) {
    return (width + RLT_NN_PAD - 1) / RLT_NN_PAD * RLT_NN_PAD;
}
#endif
