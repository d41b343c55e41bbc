/* The operations of sequences and norms on the CPU: against torch's values, against a float64 form
 * with numeric gradients on odd sizes, and their invariants: a sequence's results do not depend on
 * the others, steps at once equal steps one by one, a reset equals zero state; bit for bit. All of
 * it for each form of the kernels that this processor has. */
#include "nn/nn_impl.h"
#include "tests/unit/nn_seq_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static rlt_rng rng;
static const char *const names[] = {"layer_norm", "rms_norm", "lstm", "gru", "attention", "gate"};

static const char *op_name(rlt_op_kind kind) {
    int o = 0;
    while (seq_ops[o] != kind) {
        o++;
    }
    return names[o];
}

static void each_form(void (*test)(void)) {
    for (rlt_nn_form form = RLT_NN_PLAIN; form <= RLT_NN_AVX512; form++) {
        if (rlt_nn_force_form(form)) {
            test();
        }
    }
    rlt_nn_force_form(RLT_NN_BEST);
}

static void assert_near(const char *what, const char *op, const float *got, const float *want,
                        size_t n, double tolerance) {
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)got[i] - (double)want[i]);
        if (!(difference <= tolerance * (1 + fabs((double)want[i])))) {
            fail_msg("%s, %s of %s: entry %zu: got %.9g, expected %.9g", rlt_nn_form_name(), what,
                     op, i, (double)got[i], (double)want[i]);
        }
    }
}

static void take(const float **at, float *to, size_t count) {
    for (size_t i = 0; i < count; i++) {
        to[i] = *(*at)++;
    }
}

/* The sizes of gen_golden_seq.py. */
static void check_golden(int o) {
    bool recurrent = seq_ops[o] == RLT_OP_lstm || seq_ops[o] == RLT_OP_gru;
    seq_case c = seq_case_make(seq_op(seq_ops[o], recurrent ? 6 : 12, 17, 3, 4), 9, 5, &rng);
    size_t in = c.rows * (size_t)c.op.in, out = c.rows * (size_t)c.op.out, size = 0;
    size_t states = (size_t)c.op.state_width * 5, params = c.op.param_count;
    char path[64], *bytes = NULL;
    snprintf(path, sizeof path, "tests/golden/nn_seq_%s.bin", names[o]);
    assert_int_equal(rlt_file_read(path, 1 << 20, &bytes, &size, &(rlt_err){0}), RLT_OK);
    const float *at = (const float *)bytes;
    take(&at, c.params, params);
    take(&at, c.x, in);
    if (c.x2 != NULL) {
        take(&at, c.x2, in);
    }
    for (size_t i = 0; i < c.rows; i++) {
        c.reset[i] = *at++ != 0;
    }
    take(&at, c.state, states);
    take(&at, c.dy, out);
    rlt_op_io io = seq_case_io(&c);
    seq_forward(&c, &io);
    seq_backward(&c, &io);
    assert_near("y", names[o], c.y, at, out, 2e-6);
    at += out;
    assert_near("state", names[o], c.state_out, at, states, 2e-6);
    at += states;
    assert_near("dx", names[o], c.dx, at, in, 1e-5);
    at += in;
    if (c.dx2 != NULL) {
        assert_near("dx2", names[o], c.dx2, at, in, 1e-5);
        at += in;
    }
    assert_near("gradient", names[o], c.d_params, at, params, 2e-5);
    assert_int_equal((size_t)((const char *)(at + params) - bytes), size);
    rlt_free(bytes);
    seq_case_free(&c);
}

static void golden(void) {
    for (int o = 0; o < SEQ_OPS; o++) {
        check_golden(o);
    }
}

static void test_golden(void **unused) {
    (void)unused;
    each_form(golden);
}

/* A case of random odd sizes; small: for numeric gradients. */
static seq_case random_case(int o, bool small) {
    static const int widths[] = {1, 2, 3, 16, 17, 33, 130}, seqs[] = {1, 2, 3, 7, 64, 131};
    static const int steps[] = {1, 2, 3, 9, 20, 101}, heads[] = {1, 2, 3, 4},
                     spans[] = {1, 3, 16, 50};
    int units = widths[rlt_rng_below(&rng, small ? 6 : 7)];
    int in = widths[rlt_rng_below(&rng, small ? 6 : 7)];
    int n = seqs[rlt_rng_below(&rng, small ? 4 : 6)], t = steps[rlt_rng_below(&rng, small ? 4 : 6)];
    t = n * t > 600 ? 3 : t;
    int head = heads[rlt_rng_below(&rng, 4)];
    if (seq_ops[o] == RLT_OP_attention) {
        in = in * head > 130 ? head : in * head;
        t = small && rlt_rng_below(&rng, 2) == 0 && in < 20 ? 60 : t; /* two blocks of queries */
    }
    return seq_case_make(seq_op(seq_ops[o], in, units, head, spans[rlt_rng_below(&rng, 4)]), t, n,
                         &rng);
}

typedef struct numeric {
    seq_inputs in;
    double *y;
} numeric;

static double *doubles(const float *x, size_t count) {
    double *copy = rlt_alloc(sizeof(double) * (count + 1));
    for (size_t i = 0; x != NULL && i < count; i++) {
        copy[i] = (double)x[i];
    }
    return copy;
}

static double loss(const seq_case *c, const numeric *n) {
    double sum = 0;
    seq_reference(c, &n->in, n->y);
    for (size_t i = 0; i < c->rows * (size_t)c->op.out; i++) {
        sum += (double)c->dy[i] * n->y[i];
    }
    return sum;
}

/* Some entries' derivatives of sum(dy y) against those that backward found. */
static void check_derivatives(const seq_case *c, const numeric *n, const char *what, double *moved,
                              const float *got, size_t count) {
    for (int trial = 0; trial < 6; trial++) {
        size_t i = rlt_rng_below(&rng, (uint32_t)count);
        double kept = moved[i], h = 1e-5;
        moved[i] = kept + h;
        double above = loss(c, n);
        moved[i] = kept - h;
        double below = loss(c, n);
        moved[i] = kept;
        double want = (above - below) / (2 * h);
        if (!(fabs((double)got[i] - want) <= 2e-4 * (1 + fabs(want)))) {
            fail_msg("%s, %s, %d to %d, %d steps of %d, heads %d, context %d: %s[%zu] is %.9g, the "
                     "numeric gradient %.9g",
                     rlt_nn_form_name(), op_name(c->op.kind), c->op.in, c->op.out, c->steps,
                     c->seqs, c->op.heads, c->op.context, what, i, (double)got[i], want);
        }
    }
}

static void check_numeric(int o) {
    seq_case c = random_case(o, true);
    size_t in = c.rows * (size_t)c.op.in, out = c.rows * (size_t)c.op.out;
    numeric n = {{doubles(c.params, c.op.param_count), doubles(c.x, in), doubles(c.x2, in)},
                 doubles(NULL, out)};
    rlt_op_io io = seq_case_io(&c);
    seq_forward(&c, &io);
    seq_backward(&c, &io);
    seq_reference(&c, &n.in, n.y);
    for (size_t i = 0; i < out; i++) {
        float want = (float)n.y[i];
        assert_near("y", names[o], c.y + i, &want, 1, 1e-5);
    }
    check_derivatives(&c, &n, "params", n.in.params, c.d_params, c.op.param_count);
    check_derivatives(&c, &n, "x", n.in.x, c.dx, in);
    if (c.x2 != NULL) {
        check_derivatives(&c, &n, "x2", n.in.x2, c.dx2, in);
    }
    rlt_free(n.in.params);
    rlt_free(n.in.x);
    rlt_free(n.in.x2);
    rlt_free(n.y);
    seq_case_free(&c);
}

static void numeric_gradients(void) {
    for (int trial = 0; trial < 12; trial++) {
        for (int o = 0; o < SEQ_OPS; o++) {
            check_numeric(o);
        }
    }
}

static void test_numeric_gradients(void **unused) {
    (void)unused;
    each_form(numeric_gradients);
}

/* Row r of y[rows][out] has the bits of row q of other[][out]. */
static void assert_row_equal(const seq_case *c, const float *y, size_t r, const float *other,
                             size_t q) {
    size_t out = (size_t)c->op.out;
    assert_memory_equal(y + r * out, other + q * out, sizeof(float) * out);
}

/* Sequence n alone gives what it gives among the others; so does inference without saving. */
static void check_alone(int o) {
    seq_case c = random_case(o, false);
    rlt_op_io io = seq_case_io(&c);
    seq_forward(&c, &io);
    int n = (int)rlt_rng_below(&rng, (uint32_t)c.seqs);
    seq_case one = seq_case_make(c.op, c.steps, 1, &rng);
    size_t in = (size_t)c.op.in, states = (size_t)c.op.state_width;
    for (int t = 0; t < c.steps; t++) {
        size_t row = (size_t)t * (size_t)c.seqs + (size_t)n;
        memcpy(one.x + (size_t)t * in, c.x + row * in, sizeof(float) * in);
        if (c.x2 != NULL) {
            memcpy(one.x2 + (size_t)t * in, c.x2 + row * in, sizeof(float) * in);
        }
        one.reset[t] = c.reset[row];
    }
    rlt_op_io single = seq_case_io(&one);
    single.params = c.params;
    single.state = c.state == NULL ? NULL : c.state + (size_t)n * states;
    single.training = false;
    single.saved = NULL;
    seq_forward(&one, &single);
    for (int t = 0; t < c.steps; t++) {
        assert_row_equal(&c, one.y, (size_t)t, c.y, (size_t)t * (size_t)c.seqs + (size_t)n);
    }
    if (states > 0) {
        assert_memory_equal(one.state_out, c.state_out + (size_t)n * states,
                            sizeof(float) * states);
    }
    seq_case_free(&one);
    seq_case_free(&c);
}

/* Pieces of steps with carried state give what all steps at once give. */
static void check_pieces(int o) {
    seq_case c = random_case(o, false);
    size_t states = (size_t)c.op.state_width * (size_t)c.seqs, in = (size_t)c.op.in;
    float *y = rlt_alloc(sizeof(float) * c.rows * (size_t)c.op.out);
    float *state[2] = {rlt_alloc(sizeof(float) * states + 1),
                       rlt_alloc(sizeof(float) * states + 1)};
    rlt_op_io io = seq_case_io(&c);
    seq_forward(&c, &io);
    const float *carried = c.state;
    for (int t = 0, piece = 0, turn = 0; t < c.steps; t += piece, turn ^= 1) {
        piece = 1 + (int)rlt_rng_below(&rng, 3) * (int)rlt_rng_below(&rng, 8);
        piece = piece < c.steps - t ? piece : c.steps - t;
        size_t row = (size_t)t * (size_t)c.seqs;
        rlt_op_io part = io;
        part.steps = piece;
        part.x += row * in;
        part.x2 = part.x2 == NULL ? NULL : part.x2 + row * in;
        part.reset += row;
        part.y = y + row * (size_t)c.op.out;
        part.state = carried;
        part.state_out = states > 0 ? state[turn] : NULL;
        part.training = rlt_rng_below(&rng, 2) == 0;
        seq_forward(&c, &part);
        carried = state[turn];
    }
    assert_memory_equal(y, c.y, sizeof(float) * c.rows * (size_t)c.op.out);
    if (states > 0) {
        assert_memory_equal(carried, c.state_out, sizeof(float) * states);
    }
    rlt_free(y);
    rlt_free(state[0]);
    rlt_free(state[1]);
    seq_case_free(&c);
}

/* All sequences begin an episode at step t: from there on, what no state gives; before it, nothing
 * changes. */
static void check_reset(int o) {
    seq_case c = random_case(o, false);
    size_t out = (size_t)c.op.out, in = (size_t)c.op.in;
    int t = (int)rlt_rng_below(&rng, (uint32_t)c.steps);
    size_t row = (size_t)t * (size_t)c.seqs, states = (size_t)(c.op.state_width * c.seqs);
    float *y = rlt_alloc(sizeof(float) * c.rows * out), *state = rlt_alloc(4 * states + 1);
    float *before = rlt_alloc(sizeof(float) * c.rows * out);
    rlt_op_io io = seq_case_io(&c);
    seq_forward(&c, &io);
    memcpy(before, c.y, sizeof(float) * c.rows * out);
    memset(c.reset + row, 1, (size_t)c.seqs);
    seq_forward(&c, &io);
    assert_memory_equal(before, c.y, sizeof(float) * row * out);
    rlt_op_io part = io;
    part.steps = c.steps - t;
    part.x += row * in;
    part.x2 = part.x2 == NULL ? NULL : part.x2 + row * in;
    part.state = NULL;
    part.state_out = states > 0 ? state : NULL;
    memset(c.reset + row, 0, (size_t)c.seqs);
    part.reset = c.reset + row;
    part.y = y;
    seq_forward(&c, &part);
    assert_memory_equal(y, c.y + row * out, sizeof(float) * (c.rows - row) * out);
    if (states > 0) {
        assert_memory_equal(state, c.state_out, sizeof(float) * states);
    }
    rlt_free(y);
    rlt_free(before);
    rlt_free(state);
    seq_case_free(&c);
}

static void invariants(void) {
    for (int trial = 0; trial < 8; trial++) {
        for (int o = 0; o < SEQ_OPS; o++) {
            check_alone(o);
            check_pieces(o);
            check_reset(o);
        }
    }
}

static void test_invariants(void **unused) {
    (void)unused;
    each_form(invariants);
}

/* The same case in two vector forms: the same bits of everything. */
static void test_forms_agree(void **unused) {
    (void)unused;
    for (int trial = 0; trial < 30; trial++) {
        rlt_rng start = rng, end = rng;
        seq_case c[2];
        for (int f = 0; f < 2; f++) {
            rng = start;
            c[f] = random_case(trial % SEQ_OPS, false);
            end = rng;
            if (!rlt_nn_force_form(f == 0 ? RLT_NN_AVX2 : RLT_NN_AVX512)) {
                skip();
            }
            rlt_op_io io = seq_case_io(&c[f]);
            seq_forward(&c[f], &io);
            seq_backward(&c[f], &io);
        }
        rng = end;
        size_t in = c[0].rows * (size_t)c[0].op.in, out = c[0].rows * (size_t)c[0].op.out;
        assert_memory_equal(c[0].y, c[1].y, sizeof(float) * out);
        assert_memory_equal(c[0].dx, c[1].dx, sizeof(float) * in);
        assert_memory_equal(c[0].d_params, c[1].d_params, sizeof(float) * c[0].op.param_count);
        if (c[0].dx2 != NULL) {
            assert_memory_equal(c[0].dx2, c[1].dx2, sizeof(float) * in);
        }
        seq_case_free(&c[0]);
        seq_case_free(&c[1]);
    }
    rlt_nn_force_form(RLT_NN_BEST);
}

/* Gradients are added where they are to be, and not wanted where they are NULL; nothing is
 * allocated; backward leaves what it reads. */
static void check_added(int o) {
    seq_case c = random_case(o, false);
    size_t in = c.rows * (size_t)c.op.in, params = c.op.param_count;
    float *dx = rlt_alloc(sizeof(float) * in), *d_params = rlt_alloc(sizeof(float) * params);
    rlt_op_io io = seq_case_io(&c);
    uint64_t allocations = rlt_alloc_count();
    seq_forward(&c, &io);
    seq_backward(&c, &io);
    memcpy(dx, c.dx, sizeof(float) * in);
    memcpy(d_params, c.d_params, sizeof(float) * params);
    for (size_t i = 0; i < in; i++) {
        c.dx[i] = 3;
    }
    for (size_t i = 0; i < params; i++) {
        c.d_params[i] = 0;
    }
    c.op.dx_add = true;
    seq_backward(&c, &io);
    assert_memory_equal(c.d_params, d_params, sizeof(float) * params);
    for (size_t i = 0; i < in; i++) {
        assert_true(fabsf(c.dx[i] - 3 - dx[i]) <= 1e-6f * (3 + fabsf(dx[i])));
    }
    io.dx = io.dx2 = NULL;
    seq_backward(&c, &io);
    for (size_t i = 0; i < params; i++) {
        float twice = 2 * d_params[i];
        assert_true(fabsf(c.d_params[i] - twice) <= 1e-4f * (1 + fabsf(twice)));
    }
    assert_int_equal(rlt_alloc_count(), allocations);
    rlt_free(dx);
    rlt_free(d_params);
    seq_case_free(&c);
}

static void added(void) {
    for (int trial = 0; trial < 4; trial++) {
        for (int o = 0; o < SEQ_OPS; o++) {
            check_added(o);
        }
    }
}

static void test_added(void **unused) {
    (void)unused;
    each_form(added);
}

int main(void) {
    uint64_t seed = rlt_clock_ns();
    print_message("seed %llu\n", (unsigned long long)seed);
    rng = rlt_rng_make(seed, RLT_STREAM_TEST, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_numeric_gradients),
        cmocka_unit_test(test_invariants), cmocka_unit_test(test_forms_agree),
        cmocka_unit_test(test_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
