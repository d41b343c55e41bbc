/* nn, ops: what every operation takes, and the layout of its parameters, the same on all backends.
 * All pointers are the device's. No operation allocates or synchronises; errors of an asynchronous
 * device come out of rlt_device_sync. Sums run in a fixed order: the same input gives the same
 * bits on one backend, whatever ran before.
 * Parameters, dense row-major (in = op.in, out = op.out, all float32):
 *   dense      W[in][out], b[out]
 *   conv       W[kernel][kernel][in channels][out channels], b[out channels]
 *   layer_norm gain[in], bias[in];  rms_norm gain[in]
 *   embed      W[in][out]
 *   lstm       Wx[in][4 out], Wh[out][4 out], b[4 out]; gates in the order i, f, g, o (torch's, the
 *              two biases added into one)
 *   gru        Wx[in][3 out], Wh[out][3 out], bx[3 out], bh[3 out]; gates r, z, n (torch's)
 *   attention  Wqkv[in][3 in], bqkv[3 in], Wo[in][in], bo[in], and bias[heads][context], added to
 *              the score of the key 0 .. context - 1 steps back (learned relative position)
 *   gate       Wr[in][in], Ur[in][in], Wz, Uz, Wg, Ug, bz[in]: with x the stream and y the branch,
 *              r = sigmoid(y Wr + x Ur), z = sigmoid(y Wz + x Uz - bz), h = tanh(y Wg + (r * x)
 * Ug), out = (1 - z) * x + z * h (Parisotto et al. 2020, equations of section 3.2) State of a
 * sequence: lstm h[out], c[out]; gru h[out]; attention k[context][in], v[context][in] of the newest
 * steps, newest last, then one float: how many of them are of this episode. Training takes the
 * state before the first step as a constant: no gradient goes into it. reset[t][n] != 0: step t of
 * sequence n begins an episode: its state is zeros (attention sees no earlier step). */
#ifndef RLT_NN_OPS_H
#define RLT_NN_OPS_H
#include "nn/layers.h"

typedef struct rlt_device rlt_device;

typedef struct rlt_op_io {
    int steps, seqs;      /* rows = steps * seqs, row = step * seqs + sequence */
    const float *params;  /* of this op */
    const float *x, *x2;  /* [rows][in]; x2: the branch (add, gate), else NULL */
    float *y;             /* [rows][out]: forward writes, backward reads */
    float *saved;         /* [rows][op.saved] */
    const uint8_t *reset; /* [steps][seqs] or NULL: none */
    const float *state;   /* of this op, sequence n at state + n * state_stride; NULL: zeros */
    float *state_out;     /* the same form, may be NULL; never overlaps state */
    int state_stride;
    /* backward alone */
    const float *dy; /* [rows][out] */
    float *dx, *dx2; /* [rows][in]: written, dx added to where op.dx_add; NULL: not wanted */
    float *d_params; /* of this op, added to */
    float *scratch;  /* rlt_backend.op_scratch bytes, also in forward */
    bool training;   /* forward: whether backward follows (else saved may be left alone) */
} rlt_op_io;

typedef void (*rlt_op_fn)(rlt_device *device, const rlt_op *op, const rlt_op_io *io);
/* Floats a row that forward leaves in `saved` (op.saved); the same for all backends. */
int rlt_op_saved_floats(const rlt_op *op);
#endif
