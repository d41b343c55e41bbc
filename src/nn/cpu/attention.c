/* attention: causal multi-head attention over the last `context` steps of an episode, on the CPU.
 * A query's keys are taken newest first, so that its sums run from itself into the past: the same
 * order wherever a segment begins, and the learned bias lies beside them. Queries are worked on in
 * blocks, one sequence and head at a time; within, GROUP queries share a product, their windows
 * being nearly the same, and probabilities out of a query's own window are 0.
 * Saved: q, k, v [rows][3 in]; the heads' outputs [rows][in]; the logs of the sums of exp(score)
 * [rows][heads], from which backward has the probabilities again (as FlashAttention; Dao et al.
 * 2022). Thread: the device's. */
#include "nn/cpu/cpu.h"

#include <math.h>
#include <string.h>

enum { QUERIES = 48, GROUP = 6 };

typedef struct memory {
    float *qkv, *o, *log_sum;           /* log_sum: training alone */
    float *key, *value, *key_t, *score; /* of one block and head, newest first */
    float *value_t, *d_p;               /* training alone, as all that follow */
    float *wqkv_t, *wo_t, *d_o, *d_qkv;
    int stride; /* of key_t, value_t, score, d_p */
    size_t floats;
} memory;

static memory lay_out(const rlt_op *op, int steps, int seqs, float *scratch, bool training) {
    rlt_cpu_cursor at = {.base = scratch};
    size_t in = (size_t)op->in, rows = (size_t)steps * (size_t)seqs;
    size_t head = in / (size_t)op->heads, padded = (size_t)rlt_cpu_padded(op->in);
    size_t queries = (size_t)(steps < QUERIES ? steps : QUERIES);
    size_t stride = (size_t)rlt_cpu_padded(op->context + (int)queries);
    memory m = {.stride = (int)stride};
    m.key = rlt_cpu_take(&at, stride * head);
    m.value = rlt_cpu_take(&at, stride * head);
    m.key_t = rlt_cpu_take(&at, stride * head);
    m.score = rlt_cpu_take(&at, stride * queries);
    if (training) {
        m.value_t = rlt_cpu_take(&at, stride * head);
        m.d_p = rlt_cpu_take(&at, stride * queries);
        m.wqkv_t = rlt_cpu_take(&at, 3 * in * padded);
        m.wo_t = rlt_cpu_take(&at, in * padded);
        m.d_o = rlt_cpu_take(&at, rows * in);
        m.d_qkv = rlt_cpu_take(&at, 3 * rows * in);
    } else {
        m.qkv = rlt_cpu_take(&at, 3 * rows * in);
        m.o = rlt_cpu_take(&at, rows * in);
    }
    m.floats = at.floats;
    return m;
}

size_t rlt_cpu_attention_scratch(const rlt_op *op, int steps, int seqs, bool training) {
    return sizeof(float) * lay_out(op, steps, seqs, NULL, training).floats;
}

static void use_saved(const rlt_op *op, const rlt_op_io *io, memory *m) {
    ptrdiff_t rows = (ptrdiff_t)io->steps * io->seqs;
    m->qkv = io->saved;
    m->o = m->qkv + 3 * rows * op->in;
    m->log_sum = m->o + rows * op->in;
}

typedef struct weights {
    const float *wqkv, *bqkv, *wo, *bo, *bias;
} weights;

static weights weights_of(const rlt_op *op, const float *params) {
    ptrdiff_t in = op->in;
    const float *bqkv = params + 3 * in * in, *wo = bqkv + 3 * in, *bo = wo + in * in;
    return (weights){params, bqkv, wo, bo, bo + in};
}

/* ---- what a query sees ---- */

/* Of one sequence: the step at which its episode began, negative where that is in the state. */
static int episode_before(const rlt_op *op, const rlt_op_io *io, int n) {
    if (io->state == NULL) {
        return 0;
    }
    ptrdiff_t at = (ptrdiff_t)n * io->state_stride + 2 * (ptrdiff_t)op->context * op->in;
    float count = io->state[at];
    return count >= (float)op->context ? -op->context : count > 0 ? -(int)count : 0;
}

static int episode_at(const rlt_op_io *io, int n, int t, int before) {
    return io->reset != NULL && io->reset[(size_t)t * (size_t)io->seqs + (size_t)n] != 0 ? t
                                                                                         : before;
}

/* Queries first .. end - 1 of one sequence and head; key j is of step end - 1 - j. */
typedef struct block {
    int n, head, first, end, keys;
    int oldest[QUERIES]; /* the first step that a query sees; it never falls */
} block;

static void find_windows(const rlt_op *op, const rlt_op_io *io, int *episode, block *b) {
    for (int t = b->first; t < b->end; t++) {
        *episode = episode_at(io, b->n, t, *episode);
        int reach = t - op->context + 1;
        b->oldest[t - b->first] = reach > *episode ? reach : *episode;
    }
    b->keys = b->end - b->oldest[0];
}

/* k or v of a step: of the segment, or of the state. */
static const float *kept(const rlt_op *op, const rlt_op_io *io, const float *qkv, int n, int t,
                         bool value) {
    ptrdiff_t in = op->in;
    if (t >= 0) {
        return qkv + ((ptrdiff_t)t * io->seqs + n) * 3 * in + (value ? 2 : 1) * in;
    }
    return io->state + (ptrdiff_t)n * io->state_stride +
           ((value ? 2 : 1) * (ptrdiff_t)op->context + t) * in;
}

static void gather(const rlt_op *op, const rlt_op_io *io, const memory *m, const block *b) {
    int width = op->in / op->heads;
    size_t bytes = sizeof(float) * (size_t)width;
    for (int j = 0; j < b->keys; j++) {
        ptrdiff_t to = (ptrdiff_t)j * width, from = (ptrdiff_t)b->head * width;
        memcpy(m->key + to, kept(op, io, m->qkv, b->n, b->end - 1 - j, false) + from, bytes);
        memcpy(m->value + to, kept(op, io, m->qkv, b->n, b->end - 1 - j, true) + from, bytes);
    }
    rlt_nn_kernels_get()->transpose(m->key, 0, b->keys, width, m->key_t, m->stride);
}

/* GROUP or fewer queries and the keys that any of them sees. */
typedef struct group {
    int query, queries; /* from b->first */
    int key, keys;
} group;

static group group_of(const block *b, int query) {
    int left = b->end - b->first - query, queries = left < GROUP ? left : GROUP;
    int key = left - queries;
    return (group){query, queries, key, b->end - b->oldest[query] - key};
}

/* c[query][key] = a[query] b[width][key] of a group; a_row: from a query's row to the next's. */
static void group_scores(const rlt_op *op, const memory *m, group g, const float *a,
                         ptrdiff_t a_row, const float *right, float *c) {
    rlt_nn_product p = {
        .a = a,
        .a_row = a_row,
        .a_step = 1,
        .b = right + g.key,
        .b_stride = m->stride,
        .steps = op->in / op->heads,
        .c = c + (ptrdiff_t)g.query * m->stride + g.key,
        .c_stride = m->stride,
    };
    rlt_cpu_product(&p, g.queries, g.keys);
}

/* c[query][width] = scores[query][key] b[key][width] of a group. */
static void group_sums(const rlt_op *op, const memory *m, group g, const float *scores,
                       const float *right, float *c, ptrdiff_t c_stride) {
    int width = op->in / op->heads;
    rlt_nn_product p = {
        .a = scores + (ptrdiff_t)g.query * m->stride + g.key,
        .a_row = m->stride,
        .a_step = 1,
        .b = right + (ptrdiff_t)g.key * width,
        .b_stride = width,
        .steps = g.keys,
        .c = c,
        .c_stride = c_stride,
    };
    rlt_cpu_product(&p, g.queries, width);
}

static rlt_softmax_row softmax_row(const rlt_op *op, const rlt_op_io *io, const block *b,
                                   int query) {
    return (rlt_softmax_row){
        .before = b->end - 1 - b->first - query,
        .count = b->first + query - b->oldest[query] + 1,
        .bias = weights_of(op, io->params).bias + (ptrdiff_t)b->head * op->context,
        .scale = 1.0f / sqrtf((float)(op->in / op->heads)),
    };
}

/* ---- forward ---- */

static void block_forward(const rlt_op *op, const rlt_op_io *io, const memory *m, const block *b) {
    int width = op->in / op->heads;
    gather(op, io, m, b);
    for (int query = 0; query < b->end - b->first; query += GROUP) {
        group g = group_of(b, query);
        ptrdiff_t row = (ptrdiff_t)(b->first + query) * io->seqs + b->n;
        group_scores(op, m, g, m->qkv + row * 3 * op->in + b->head * width,
                     (ptrdiff_t)io->seqs * 3 * op->in, m->key_t, m->score);
        for (int q = query; q < query + g.queries; q++, row += io->seqs) {
            rlt_softmax_row r = softmax_row(op, io, b, q);
            r.before -= g.key;
            r.total = g.keys;
            r.score = m->score + (ptrdiff_t)q * m->stride + g.key;
            float log_sum = rlt_nn_kernels_get()->seq->softmax(&r);
            if (m->log_sum != NULL) {
                m->log_sum[row * op->heads + b->head] = log_sum;
            }
        }
        row -= (ptrdiff_t)g.queries * io->seqs;
        group_sums(op, m, g, m->score, m->value, m->o + row * op->in + b->head * width,
                   (ptrdiff_t)io->seqs * op->in);
    }
}

/* Calls `work` for each block of sequence n; the step at which the last step's episode began. */
static int each_block(const rlt_op *op, const rlt_op_io *io, const memory *m, int n,
                      void (*work)(const rlt_op *, const rlt_op_io *, const memory *,
                                   const block *)) {
    int episode = episode_before(op, io, n);
    for (int t = 0; t < io->steps; t += QUERIES) {
        block b = {.n = n, .first = t, .end = io->steps - t < QUERIES ? io->steps : t + QUERIES};
        find_windows(op, io, &episode, &b);
        for (b.head = 0; b.head < op->heads; b.head++) {
            work(op, io, m, &b);
        }
    }
    return episode;
}

static void keep_state(const rlt_op *op, const rlt_op_io *io, const memory *m, int n, int episode) {
    ptrdiff_t context = op->context, in = op->in;
    int seen = io->steps - episode < op->context ? io->steps - episode : op->context;
    float *to = io->state_out + (ptrdiff_t)n * io->state_stride;
    for (int value = 0; value < 2; value++, to += context * in) {
        size_t empty = (size_t)(op->context - seen) * (size_t)in;
        memset(to, 0, sizeof(float) * empty);
        for (int back = 0; back < seen; back++) {
            memcpy(to + (context - 1 - back) * in,
                   kept(op, io, m->qkv, n, io->steps - 1 - back, value != 0),
                   sizeof(float) * (size_t)in);
        }
    }
    *to = (float)seen;
}

/* c[rows][out] (+)= bias + a[rows][in] b, in blocks of rows. */
static void project(int rows, const float *a, int in, const float *b, int b_stride,
                    const float *bias, float *c, int out, bool add) {
    for (int row = 0; row < rows; row += RLT_CPU_BLOCK) {
        rlt_nn_product p = {
            .a = a + (ptrdiff_t)row * in,
            .a_row = in,
            .a_step = 1,
            .b = b,
            .b_stride = b_stride,
            .steps = in,
            .bias = bias,
            .c = c + (ptrdiff_t)row * out,
            .c_stride = out,
            .add = add,
        };
        int left = rows - row;
        rlt_cpu_product(&p, left < RLT_CPU_BLOCK ? left : RLT_CPU_BLOCK, out);
    }
}

void rlt_cpu_attention_forward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    memory m = lay_out(op, io->steps, io->seqs, io->scratch, false);
    if (io->training) {
        use_saved(op, io, &m);
    }
    weights w = weights_of(op, io->params);
    int rows = io->steps * io->seqs, in = op->in;
    project(rows, io->x, in, w.wqkv, 3 * in, w.bqkv, m.qkv, 3 * in, false);
    for (int n = 0; n < io->seqs; n++) {
        int episode = each_block(op, io, &m, n, block_forward);
        if (io->state_out != NULL) {
            keep_state(op, io, &m, n, episode);
        }
    }
    project(rows, m.o, in, w.wo, in, w.bo, io->y, in, false);
}

/* ---- backward ---- */

/* Probabilities into m->score, the gradients of the products q k into m->d_p, all keys; dq. */
static void queries_backward(const rlt_op *op, const rlt_op_io *io, const memory *m,
                             const block *b) {
    int width = op->in / op->heads;
    float *d_bias = io->d_params + (weights_of(op, io->params).bias - io->params) +
                    (ptrdiff_t)b->head * op->context;
    for (int query = 0; query < b->end - b->first; query += GROUP) {
        group g = group_of(b, query);
        ptrdiff_t row = (ptrdiff_t)(b->first + query) * io->seqs + b->n;
        ptrdiff_t at = row * op->in + b->head * width, step = (ptrdiff_t)io->seqs * op->in;
        ptrdiff_t qkv_at = row * 3 * op->in + b->head * width;
        group_scores(op, m, g, m->qkv + qkv_at, 3 * step, m->key_t, m->score);
        group_scores(op, m, g, m->d_o + at, step, m->value_t, m->d_p);
        for (int q = query; q < query + g.queries; q++, row += io->seqs) {
            rlt_softmax_row r = softmax_row(op, io, b, q);
            r.total = b->keys;
            r.score = m->score + (ptrdiff_t)q * m->stride;
            r.d_p = m->d_p + (ptrdiff_t)q * m->stride;
            r.d_bias = d_bias;
            r.log_sum = m->log_sum[row * op->heads + b->head];
            rlt_nn_kernels_get()->seq->softmax_grad(&r);
        }
        group_sums(op, m, g, m->d_p, m->key, m->d_qkv + qkv_at, 3 * step);
    }
}

/* Adds to dk and dv of the segment's keys; the state's are constants. */
static void keys_backward(const rlt_op *op, const rlt_op_io *io, const memory *m, const block *b) {
    int width = op->in / op->heads, queries = b->end - b->first;
    int keys = b->keys < b->end ? b->keys : b->end;
    ptrdiff_t step = (ptrdiff_t)io->seqs * op->in;
    for (int j = 0; j < keys; j += GROUP) {
        int last = j + GROUP < keys ? j + GROUP - 1 : keys - 1;
        int newest = b->end - 1 - j, oldest = b->end - 1 - last, first = oldest - b->first, end;
        first = first > 0 ? first : 0;
        for (end = first; end < queries && b->oldest[end] <= newest; end++) {
        }
        ptrdiff_t query = (ptrdiff_t)(b->first + first) * io->seqs + b->n;
        ptrdiff_t key = (ptrdiff_t)newest * io->seqs + b->n;
        rlt_nn_product p = {
            .a = m->d_p + (ptrdiff_t)first * m->stride + j,
            .a_row = 1,
            .a_step = m->stride,
            .b = m->qkv + query * 3 * op->in + b->head * width,
            .b_stride = 3 * step,
            .steps = end - first,
            .c = m->d_qkv + (key * 3 + 1) * op->in + b->head * width,
            .c_stride = -3 * step,
            .add = true,
        };
        rlt_cpu_product(&p, last - j + 1, width);
        p.a = m->score + (ptrdiff_t)first * m->stride + j;
        p.b = m->d_o + query * op->in + b->head * width;
        p.b_stride = step;
        p.c += op->in;
        rlt_cpu_product(&p, last - j + 1, width);
    }
}

static void block_backward(const rlt_op *op, const rlt_op_io *io, const memory *m, const block *b) {
    gather(op, io, m, b);
    rlt_nn_kernels_get()->transpose(m->value, 0, b->keys, op->in / op->heads, m->value_t,
                                    m->stride);
    queries_backward(op, io, m, b);
    keys_backward(op, io, m, b);
}

/* d_w[in][out] and, after it, d_b[out] += of y = a w + b, in blocks of rows. */
static void project_gradient(int rows, const float *a, int in, const float *d, int out,
                             float *d_w) {
    for (int row = 0; row < rows; row += RLT_CPU_BLOCK) {
        int left = rows - row;
        rlt_nn_kernels_get()->weight_grad(a + (ptrdiff_t)row * in, in, d + (ptrdiff_t)row * out,
                                          out, left < RLT_CPU_BLOCK ? left : RLT_CPU_BLOCK, in, out,
                                          d_w);
    }
}

void rlt_cpu_attention_backward(rlt_device *device, const rlt_op *op, const rlt_op_io *io) {
    (void)device;
    const rlt_nn_kernels *k = rlt_nn_kernels_get();
    memory m = lay_out(op, io->steps, io->seqs, io->scratch, true);
    use_saved(op, io, &m);
    weights w = weights_of(op, io->params);
    int rows = io->steps * io->seqs, in = op->in, stride = rlt_cpu_padded(in);
    k->transpose(w.wqkv, 0, in, 3 * in, m.wqkv_t, stride);
    k->transpose(w.wo, 0, in, in, m.wo_t, stride);
    project(rows, io->dy, in, m.wo_t, stride, NULL, m.d_o, in, false);
    project_gradient(rows, m.o, in, io->dy, in, io->d_params + (w.wo - io->params));
    memset(m.d_qkv, 0, sizeof(float) * 3 * (size_t)rows * (size_t)in);
    for (int n = 0; n < io->seqs; n++) {
        each_block(op, io, &m, n, block_backward);
    }
    project_gradient(rows, io->x, in, m.d_qkv, 3 * in, io->d_params);
    if (io->dx != NULL) {
        project(rows, m.d_qkv, 3 * in, m.wqkv_t, stride, NULL, io->dx, in, op->dx_add);
    }
}
