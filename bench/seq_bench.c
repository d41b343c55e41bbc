/* How fast the CPU's operations over sequences are, beside the multiply-add ceiling of one core
 * that is measured in the same run: forward for training, forward for inference and backward. FLOP
 * are two a multiply-add of the matrix products (of attention: of the keys that are seen), backward
 * counted twice; what else an operation does counts as nothing. Each figure is the best of several
 * rounds of processor time. Usage: seq_bench [form]: plain, avx2 or avx512; the best unless told.
 */
#include "measure/measure.h"
#include "nn/cpu/cpu.h"
#include "nn/program_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 7 };

typedef struct seq_run {
    rlt_op op;
    rlt_op_io io;
} seq_run;

static float *floats(size_t count, float size) {
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    float *x = rlt_alloc(sizeof(float) * (count + 1));
    for (size_t i = 0; i < count; i++) {
        x[i] = rlt_rng_uniform(&rng, -size, size);
    }
    return x;
}

static rlt_op make_op(rlt_op_kind kind, int in, int out, int heads, int context) {
    rlt_op op = {.kind = kind, .in = in, .out = out, .heads = heads, .context = context};
    op.param_count = (size_t)rlt_op_param_count(&op);
    op.state_width = (int)rlt_op_state_floats(&op);
    op.saved = rlt_op_saved_floats(&op);
    return op;
}

static double flop_of(const rlt_op *op, int steps, int seqs) {
    double rows = (double)steps * seqs, in = op->in, out = op->out, seen = 0;
    switch (op->kind) {
    case RLT_OP_lstm:
        return 2 * rows * (in + out) * 4 * out;
    case RLT_OP_gru:
        return 2 * rows * (in + out) * 3 * out;
    case RLT_OP_attention:
        for (int t = 0; t < steps; t++) {
            seen += t < op->context ? t + 1 : op->context;
        }
        return 2 * (rows * 4 * in * in + 2 * seen * seqs * in);
    default: /* gate */
        return 2 * rows * 6 * in * in;
    }
}

static double best(const seq_run *r, rlt_op_fn work, double flop) {
    double least = INFINITY;
    int calls = (int)(3e9 / flop) + 1;
    for (int round = 0; round < ROUNDS; round++) {
        double start = rlt_thread_seconds();
        for (int i = 0; i < calls; i++) {
            work(NULL, &r->op, &r->io);
        }
        least = fmin(least, (rlt_thread_seconds() - start) / calls);
    }
    return least;
}

static void print(const char *what, double flop, double seconds, double ceiling) {
    double gflops = flop / seconds * 1e-9;
    printf(" | %s %7.1f GFLOP/s %5.1f %%", what, gflops, 100 * gflops / ceiling);
}

static void bench(rlt_op op, int steps, int seqs, double ceiling) {
    size_t rows = (size_t)steps * (size_t)seqs, in = (size_t)op.in, out = (size_t)op.out;
    float size = 1.0f / sqrtf((float)op.in);
    size_t states = (size_t)op.state_width * (size_t)seqs;
    seq_run r = {.op = op};
    float *saved = rlt_alloc(sizeof(float) * rows * (size_t)op.saved);
    float *state = floats(states, 0), *params = floats(op.param_count, size);
    float *x = floats(rows * in, 1), *x2 = floats(rows * in, 1), *dy = floats(rows * out, 1);
    r.io = (rlt_op_io){
        .steps = steps,
        .seqs = seqs,
        .params = params,
        .x = x,
        .x2 = x2,
        .y = rlt_alloc(sizeof(float) * rows * out),
        .saved = saved,
        .state = states > 0 ? state : NULL,
        .state_stride = op.state_width,
        .dy = dy,
        .dx = floats(rows * in, 0),
        .dx2 = floats(rows * in, 0),
        .d_params = floats(op.param_count, 0),
        .scratch = rlt_alloc(rlt_backend_cpu.op_scratch(NULL, &op, steps, seqs, true)),
        .training = true,
    };
    double flop = flop_of(&op, steps, seqs);
    static const char *const names[RLT_OP_COUNT] = {
#define RLT_OP(name, help) #name,
#include "nn/ops.def"
#undef RLT_OP
    };
    rlt_op_fn forward[] = {
#define RLT_OP(name, help) rlt_cpu_##name##_forward,
#include "nn/ops.def"
#undef RLT_OP
    };
    rlt_op_fn backward[] = {
#define RLT_OP(name, help) rlt_cpu_##name##_backward,
#include "nn/ops.def"
#undef RLT_OP
    };
    printf("%-10s %3d to %3d, %3d steps of %3d", names[op.kind], op.in, op.out, steps, seqs);
    print("forward", flop, best(&r, forward[op.kind], flop), ceiling);
    print("backward", 2 * flop, best(&r, backward[op.kind], 2 * flop), ceiling);
    r.io.training = false;
    print("inference", flop, best(&r, forward[op.kind], flop), ceiling);
    printf("\n");
    void *all[] = {saved,   state,    params,        x,           x2, dy, (void *)r.io.y,
                   r.io.dx, r.io.dx2, r.io.d_params, r.io.scratch};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
}

int main(int argc, char **argv) {
    static const char *const forms[] = {"best", "plain", "avx2", "avx512"};
    for (int form = 0; argc > 1 && form < (int)RLT_COUNT(forms); form++) {
        if (strcmp(forms[form], argv[1]) == 0 && !rlt_nn_force_form((rlt_nn_form)form)) {
            fprintf(stderr, "seq_bench: no form '%s' here\n", argv[1]);
            return 2;
        }
    }
    double ceiling = rlt_ceiling_f32(NULL);
    printf("form %s; FMA ceiling of one core: %.1f GFLOP/s\n", rlt_nn_form_name(), ceiling);
    bench(make_op(RLT_OP_lstm, 128, 128, 0, 0), 32, 64, ceiling);
    bench(make_op(RLT_OP_lstm, 128, 128, 0, 0), 64, 16, ceiling);
    bench(make_op(RLT_OP_lstm, 64, 64, 0, 0), 32, 64, ceiling);
    bench(make_op(RLT_OP_lstm, 256, 256, 0, 0), 32, 64, ceiling);
    bench(make_op(RLT_OP_gru, 128, 128, 0, 0), 32, 64, ceiling);
    bench(make_op(RLT_OP_attention, 128, 128, 4, 64), 64, 16, ceiling);
    bench(make_op(RLT_OP_attention, 256, 256, 8, 128), 128, 16, ceiling);
    bench(make_op(RLT_OP_attention, 128, 128, 4, 64), 1, 64, ceiling);
    bench(make_op(RLT_OP_gate, 128, 128, 0, 0), 32, 64, ceiling);
    return 0;
}
