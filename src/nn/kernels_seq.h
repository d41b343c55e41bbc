/* nn, private: the kernels of sequences and norms, a second table beside kernels.h and under the
 * same promise: AVX2 and AVX-512 give the same bits, a row's results do not depend on the others.
 * Matrices are dense unless they have a stride. `reset` is a byte a row or NULL (none); where it is
 * not 0 the state before the row's step is zeros.
 * Thread: any; no state. */
#ifndef RLT_NN_KERNELS_SEQ_H
#define RLT_NN_KERNELS_SEQ_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rlt_norm_rows { /* y = (x - mean) / deviation * gain + bias; without bias: RMS */
    int n, width;
    float eps;
    const float *x, *gain, *bias;
    float *y;     /* forward alone */
    float *stats; /* [n][2] mean, 1 / deviation; RMS: [n] 1 / root; forward: may be NULL */
    const float *dy;
    float *d_gain, *d_bias; /* added to */
    float *dx;              /* may be NULL */
    bool dx_add;
} rlt_norm_rows;

typedef struct rlt_lstm_rows { /* one step; u units */
    int n, units;
    float *gates;        /* [n][4u] i, f, g, o: forward: sums -> gates; backward: read */
    const float *c_prev; /* [n], or NULL: zeros */
    ptrdiff_t c_prev_stride;
    float *c; /* [n][u]: forward writes, backward reads */
    float *h; /* [n][u] forward alone */
    const uint8_t *reset;
    /* backward alone: [n][u] of dy and of the gradients that come from the next step; d_c becomes
     * that of the step before; d_gates[n][4u] is that of the sums, written */
    const float *dy, *d_h;
    float *d_c, *d_gates;
} rlt_lstm_rows;

typedef struct rlt_gru_rows { /* one step; u units */
    int n, units;
    float *gates; /* [n][4u] r, z, n, and h Wh + bh of n: forward: sums -> gates (the last stays);
                   * backward: read */
    const float *h_prev;
    ptrdiff_t h_prev_stride;
    float *h; /* [n][u] forward alone */
    const uint8_t *reset;
    /* backward alone: d_h becomes the part that goes to the step before past the gates; d_gates
     * [n][4u]: of the sums r, z, n (from x) and n (from h) */
    const float *dy;
    float *d_h, *d_gates;
} rlt_gru_rows;

typedef struct rlt_gate_rows { /* elementwise parts of the GTrXL gate, `count` floats */
    int count;
    float *r, *z, *h; /* forward: sums -> gates; backward: read */
    const float *x;
    float *rx; /* r x, written by gate_reset and its gradient */
    float *y;
    const float *dy;
    float *d_r, *d_z, *d_h; /* of the sums */
    float *d_rx;
    float *dx;
} rlt_gate_rows;

typedef struct rlt_softmax_row { /* the scores of one query, newest key first */
    int before, count, total;    /* keys before .. before + count - 1 are seen; others get 0 */
    const float *bias;           /* [count] */
    float scale;                 /* of the scores */
    float *score, *d_p;          /* [total]; d_p: backward alone */
    float *d_bias;               /* [count], added to */
    float log_sum;               /* backward: what forward returned */
} rlt_softmax_row;

typedef struct rlt_nn_seq_kernels {
    void (*norm)(const rlt_norm_rows *rows);
    void (*norm_grad)(const rlt_norm_rows *rows);
    void (*lstm)(const rlt_lstm_rows *rows);
    void (*lstm_grad)(const rlt_lstm_rows *rows);
    void (*gru)(const rlt_gru_rows *rows);
    void (*gru_grad)(const rlt_gru_rows *rows);
    void (*gate_reset)(const rlt_gate_rows *rows); /* r; rx */
    void (*gate)(const rlt_gate_rows *rows);       /* z, h; y */
    /* d_z, d_h of dy, dx = the part of dy that passes */
    void (*gate_grad)(const rlt_gate_rows *rows);
    /* d_r of d_rx; dx += d_rx r; rx again */
    void (*gate_reset_grad)(const rlt_gate_rows *rows);
    /* score -> probabilities of scale score + bias; the log of the sum of their exponentials */
    float (*softmax)(const rlt_softmax_row *row);
    /* score -> probabilities again, d_p (their gradient) -> that of the product q k */
    void (*softmax_grad)(const rlt_softmax_row *row);
} rlt_nn_seq_kernels;
#endif
