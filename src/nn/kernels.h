/* nn, private: the operations of the CPU backend, one table a vector form, chosen once at run time
 * by what the processor has. The plain form is the readable definition; the others are the *_vec.h
 * templates compiled for a vector unit. AVX2 and AVX-512 give the same bits: every sum has one
 * order, whatever the width; the plain form differs by rounding (no fused multiply-add, libm).
 * Matrices are row-major with a stride in floats. Internal activations have strides that are
 * multiples of RLT_NN_PAD, with zeros past the width; parameters are dense.
 * Thread: any; no state. */
#ifndef RLT_NN_KERNELS_H
#define RLT_NN_KERNELS_H
#include "nn/kernels_seq.h"
#include "nn/nn.h"

#include <stddef.h>

enum { RLT_NN_PAD = 16, RLT_NN_HEAD_MAX = 8, RLT_NN_LINEAR = -1 };

/* Rows of a policy loss: what the kernels below read and write. */
typedef struct rlt_policy_rows {
    int n, action_dim;
    bool squash;
    const float *head;    /* [n][action_dim] logits or means */
    const float *log_std; /* [action_dim], Gaussian only */
    const void *action;
    const float *old_log_prob, *advantage;
    float clip, ent_coef, scale; /* scale: 1 / rows of the whole minibatch */
    float *d_head;               /* [n][action_dim], written */
    float *d_log_std;            /* [action_dim], added to; Gaussian only */
} rlt_policy_rows;

typedef struct rlt_sample_rows { /* draws of rlt_policy_sample */
    int n, action_dim;
    bool squash;
    const float *head, *log_std;
    uint64_t seed, step;
    uint32_t first_env;
    void *action;
    float *log_prob;
} rlt_sample_rows;

typedef struct rlt_optimiser_rates { /* one step's constants; rate and root: Adam's corrections */
    float lr, grad_scale, rate, root, coupled_decay, keep;
} rlt_optimiser_rates;

typedef struct rlt_nn_product { /* c[m][n] = bias + a[m][steps] b[steps][n], each sum in order */
    int m, n, steps;
    const float *a, *b, *bias; /* bias[n], or NULL: zeros */
    ptrdiff_t a_row, a_step, b_stride, c_stride;
    float *c;
    bool add; /* c += the sum instead */
} rlt_nn_product;

typedef struct rlt_nn_kernels {
    const char *name;
    const rlt_nn_seq_kernels *seq; /* of sequences and norms */
    void (*product)(const rlt_nn_product *p);
    /* sum[out] += the sums of the columns of d[n][out], rows in order */
    void (*column_sums)(const float *d, int d_stride, int n, int out, float *sum);
    /* y = act(z), may be in place; dz = dy act'(z) with y = act(z); z is read for SiLU alone */
    void (*activate)(int act, const float *z, size_t count, float *y);
    void (*act_grad)(int act, const float *y, const float *z, const float *dy, size_t count,
                     float *dz);
    /* One place of a window: y[n] = max(y, x), a NaN being the largest; dx[n] += dy where x is y
     * and nothing was taken before, which taken[n] (0 or 1) remembers. */
    void (*pool_max)(const float *x, int n, float *y);
    void (*pool_grad)(const float *x, const float *y, const float *dy, int n, float *taken,
                      float *dx);
    /* y[n][out] = act(x[n][in] w[in][out] + b), w followed by b[out]; act RLT_NN_LINEAR: none. The
     * sums before act go to z where it is not NULL (stride as y). Sums over `in` in order. */
    void (*dense)(const float *x, int x_stride, const float *w, int n, int in, int out, int act,
                  float *y, int y_stride, float *z);
    /* y[n][out] = x wt^T + b for out <= RLT_NN_HEAD_MAX; x and wt padded, y dense. */
    void (*head)(const float *x, int x_stride, const float *wt, int wt_stride, const float *b,
                 int n, int out, float *y);
    /* dw[in][out] += x^T d, then db[out] += column sums of d. Sums over rows in order. */
    void (*weight_grad)(const float *x, int x_stride, const float *d, int d_stride, int n, int in,
                        int out, float *dw);
    /* The same for out <= RLT_NN_HEAD_MAX, x padded. */
    void (*head_grad)(const float *x, int x_stride, const float *d, int d_stride, int n, int in,
                      int out, float *dw);
    /* dx[n][in] = (d[n][out] wt[out][in]) * act'; wt padded; y and z as dense left
     * them, of dx's stride. */
    void (*input_grad)(const float *d, int d_stride, const float *wt, int wt_stride, int n, int out,
                       int in, int act, const float *y, const float *z, float *dx, int dx_stride);
    /* wt[out][wt_stride] from rows first .. end - 1 of w[in][out]. */
    void (*transpose)(const float *w, int first, int end, int out, float *wt, int wt_stride);
    /* tanh, for the mean action; absolute error below 5e-7 */
    void (*tanh)(const float *x, int count, float *y);
    void (*categorical_loss)(const rlt_policy_rows *rows, rlt_ppo_stats *stats);
    void (*gaussian_loss)(const rlt_policy_rows *rows, rlt_ppo_stats *stats);
    /* d_value[n] from value, old, target; adds to stats->value_loss */
    void (*value_loss)(const float *value, const float *old, const float *target, int n,
                       const rlt_ppo_coef *coef, float scale, float *d_value, rlt_ppo_stats *stats);
    void (*sample_categorical)(const rlt_sample_rows *rows);
    void (*sample_gaussian)(const rlt_sample_rows *rows);
    void (*gae)(const rlt_gae_in *in, float *advantage, float *ret);
    /* sum[n] += part[n] */
    void (*add)(float *sum, const float *part, size_t n);
    double (*sum_squares)(const float *x, size_t n);
    void (*adam)(const rlt_optimiser_spec *spec, const rlt_optimiser_rates *rates, float *params,
                 const float *grad, float *m, float *v, size_t n);
    void (*sgd)(const rlt_optimiser_spec *spec, const rlt_optimiser_rates *rates, float *params,
                const float *grad, float *momentum, size_t n);
    void (*rmsprop)(const rlt_optimiser_spec *spec, const rlt_optimiser_rates *rates, float *params,
                    const float *grad, float *momentum, float *v, size_t n);
} rlt_nn_kernels;

extern const rlt_nn_kernels rlt_nn_kernels_plain;
extern const rlt_nn_seq_kernels rlt_nn_seq_kernels_plain;
#if defined(__x86_64__)
extern const rlt_nn_kernels rlt_nn_kernels_avx2, rlt_nn_kernels_avx512;
#endif
/* The forced form, else the best that this processor has. */
const rlt_nn_kernels *rlt_nn_kernels_get(void);
#endif
