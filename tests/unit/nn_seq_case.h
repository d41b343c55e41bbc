/* One operation of sequences with all its memory, for the tests: sizes, random fill, forward and
 * backward of the CPU, and a plain float64 form of the forward pass, from which numeric gradients
 * come. */
#ifndef RLT_NN_SEQ_CASE_H
#define RLT_NN_SEQ_CASE_H
#include "nn/cpu/cpu.h"

enum { SEQ_OPS = 6 };
typedef struct seq_case {
    rlt_op op;
    int steps, seqs;
    float *params, *x, *x2, *state, *dy; /* inputs; x2, state NULL where the op has none */
    uint8_t *reset;
    float *y, *saved, *state_out, *dx, *dx2, *d_params, *scratch;
    size_t rows, scratch_bytes;
} seq_case;

extern const rlt_op_kind seq_ops[SEQ_OPS];
rlt_op seq_op(rlt_op_kind kind, int in, int out, int heads, int context);
/* Outputs and scratch are filled with NaN, so that a read of what was not written shows. */
seq_case seq_case_make(rlt_op op, int steps, int seqs, rlt_rng *rng);
void seq_case_free(seq_case *c);
rlt_op_io seq_case_io(const seq_case *c);
void seq_forward(const seq_case *c, const rlt_op_io *io);
void seq_backward(const seq_case *c, const rlt_op_io *io);

/* y[rows][out] of the case in float64, by the formulas of ops.h. */
typedef struct seq_inputs { /* float64 copies, which the numeric gradient moves */
    double *params, *x, *x2;
} seq_inputs;
void seq_reference(const seq_case *c, const seq_inputs *in, double *y);
#endif
