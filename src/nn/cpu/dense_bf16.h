/* nn, private: dense layers whose products take bfloat16 and give float32, for devices opened with
 * RLT_PRECISION_BF16. Parameters, activations, gradients and bias stay float32: x, W and the
 * gradient of the sums are rounded on their way into a product, to 8 bits of significand. Layers of
 * fewer than RLT_CPU_BF16_WIDTH inputs or outputs, so observations and heads mostly, are computed
 * in float32 as ever. Thread: the device's; no state. */
#ifndef RLT_CPU_DENSE_BF16_H
#define RLT_CPU_DENSE_BF16_H
#include "nn/cpu/cpu.h"

enum { RLT_CPU_BF16_WIDTH = 64 };
static inline bool rlt_cpu_uses_bf16(const rlt_device *device, const rlt_op *op) {
    return device != NULL && device->precision == RLT_PRECISION_BF16 && op->kind == RLT_OP_dense &&
           op->in >= RLT_CPU_BF16_WIDTH && op->out >= RLT_CPU_BF16_WIDTH;
}

size_t rlt_cpu_dense_bf16_scratch(const rlt_op *op, int steps, int seqs, bool training);
void rlt_cpu_dense_bf16_forward(const rlt_op *op, const rlt_op_io *io);
void rlt_cpu_dense_bf16_backward(const rlt_op *op, const rlt_op_io *io);
#endif
