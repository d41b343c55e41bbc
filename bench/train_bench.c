/* How fast the CPU backend is, and by how much it misses the processor's own ceiling, which is
 * measured in the same run: the dense kernels, the PPO update alone, and PPO end to end in one
 * process on CartPole (2x64 tanh, 4 epochs). FLOP are counted by the formula of the design's
 * performance notes: 2 M forward, 6 M - 2 m1 a sample and epoch, M the multiply-adds of both nets,
 * m1 those of their first layers. Each figure is the best of several rounds. Work of one thread is
 * timed by that thread's processor time, so that a busy machine disturbs it less; work of several
 * by the wall clock. Usage: train_bench [threads [form]], 2 and the best unless told. */
#include "algos/ppo/ppo.h"
#include "bench/rollout.h"
#include "envs/envs.h"
#include "measure/measure.h"
#include "nn/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 64, ROWS_MAX = 256, ROUNDS = 5 };
typedef void (*work)(void *user);

static double ceiling; /* GFLOP/s of one core */

/* Seconds of one call, the best of ROUNDS groups of `calls`. */
static double best_seconds(work run, void *user, int calls, double (*clock)(void)) {
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = clock();
        for (int i = 0; i < calls; i++) {
            run(user);
        }
        best = fmin(best, (clock() - start) / calls);
    }
    return best;
}

typedef struct kernel_case {
    const rlt_nn_kernels *kernels;
    int n, act;
    float *x, *d, *w, *y, *dx;
} kernel_case;

static void run_dense(void *user) {
    kernel_case *c = user;
    c->kernels->dense(c->x, WIDTH, c->w, c->n, WIDTH, WIDTH, c->act, c->y, WIDTH, NULL);
}

static void run_weight_grad(void *user) {
    kernel_case *c = user;
    c->kernels->weight_grad(c->x, WIDTH, c->d, WIDTH, c->n, WIDTH, WIDTH, c->dx);
}

static void run_input_grad(void *user) {
    kernel_case *c = user;
    c->kernels->input_grad(c->d, WIDTH, c->w, WIDTH, c->n, WIDTH, WIDTH, c->act, c->y, NULL, c->dx,
                           WIDTH);
}

static void print_rate(const char *name, double flop, double seconds) {
    double gflops = flop / seconds * 1e-9;
    printf("  %-34s %8.1f GFLOP/s  %5.1f %% of one core\n", name, gflops, 100 * gflops / ceiling);
}

static void bench_kernels(void) {
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    float *m[5];
    for (int i = 0; i < 5; i++) {
        m[i] = rlt_alloc(sizeof(float) * (ROWS_MAX + 1) * WIDTH);
        for (int j = 0; i < 3 && j < (ROWS_MAX + 1) * WIDTH; j++) {
            m[i][j] = rlt_rng_uniform(&rng, -0.1f, 0.1f);
        }
    }
    kernel_case c = {rlt_nn_kernels_get(), 0, RLT_ACT_TANH, m[0], m[1], m[2], m[3], m[4]};
    for (c.n = 64; c.n <= ROWS_MAX; c.n *= 4) {
        double flop = 2.0 * c.n * WIDTH * WIDTH;
        int calls = 512000 / c.n;
        printf("dense %dx%d, %d rows, form %s:\n", WIDTH, WIDTH, c.n, c.kernels->name);
        c.act = RLT_NN_LINEAR;
        print_rate("forward, bias", flop, best_seconds(run_dense, &c, calls, rlt_thread_seconds));
        c.act = RLT_ACT_TANH;
        print_rate("forward, bias and tanh", flop,
                   best_seconds(run_dense, &c, calls, rlt_thread_seconds));
        print_rate("weight gradient", flop,
                   best_seconds(run_weight_grad, &c, calls, rlt_thread_seconds));
        print_rate("input gradient times tanh'", flop,
                   best_seconds(run_input_grad, &c, calls, rlt_thread_seconds));
    }
    for (int i = 0; i < 5; i++) {
        rlt_free(m[i]);
    }
}

static int bench_training(rlt_pool *pool, double all_cores, int envs, int horizon, int minibatch) {
    rlt_err err = {0};
    bench_run *run = NULL;
    bench_config config = {rlt_envs[0],
                           envs,
                           horizon,
                           minibatch,
                           4,
                           pool,
                           rlt_pool_threads(pool) == 1 ? rlt_thread_seconds : rlt_clock_s};
    if (bench_run_create(&config, &run, &err) != RLT_OK) {
        fprintf(stderr, "train_bench: %s\n", err.message);
        return 1;
    }
    double rows = (double)envs * horizon, best = INFINITY, best_update = INFINITY;
    double start = rlt_clock_s();
    while (rlt_clock_s() - start < 2) { /* rounds of about 0.2 s */
        double seconds = 0, update = 0;
        int count = 0;
        for (; seconds < 0.2; count++) {
            double s[2];
            if (bench_run_iterate(run, s, &err) != RLT_OK) {
                fprintf(stderr, "train_bench: %s\n", err.message);
                return 1;
            }
            seconds += s[0] + s[1];
            update += s[1];
        }
        best = fmin(best, seconds / count);
        best_update = fmin(best_update, update / count);
    }
    const rlt_policy_spec *spec = bench_run_spec(run);
    double step = rlt_flop_per_step(spec, true, 4) * rows / best * 1e-9;
    double update = rlt_flop_per_step(spec, false, 4) * rows / best_update * 1e-9;
    printf(
        "%4d envs x %3d, minibatch %4d | %8.0f steps/s %6.1f GFLOP/s %5.1f %% | %8.2f M gradient "
        "samples/s | update alone %6.1f GFLOP/s %5.1f %% | return %.0f\n",
        envs, horizon, minibatch, rows / best, step, 100 * step / all_cores, 4 * rows / best * 1e-6,
        update, 100 * update / all_cores, bench_run_return(run));
    bench_run_destroy(&run);
    return 0;
}

static bool choose_form(const char *name) {
    static const char *const names[] = {"best", "plain", "avx2", "avx512"};
    for (int form = 0; form < (int)RLT_COUNT(names); form++) {
        if (strcmp(names[form], name) == 0) {
            return rlt_nn_force_form((rlt_nn_form)form);
        }
    }
    return false;
}

int main(int argc, char **argv) {
    if (argc > 2 && !choose_form(argv[2])) {
        fprintf(stderr, "train_bench: no form '%s' here; plain, avx2, avx512\n", argv[2]);
        return 2;
    }
    int threads_max = argc > 1 ? atoi(argv[1]) : 2, failed = 0;
    static const int cases[][3] = {{64, 32, 512},   {64, 128, 512},  {128, 32, 1024},
                                   {128, 64, 1024}, {256, 32, 1024}, {256, 128, 2048}};
    ceiling = rlt_ceiling_f32(NULL);
    printf("FMA ceiling of one core: %.1f GFLOP/s\n", ceiling);
    bench_kernels();
    for (int threads = 1; threads <= threads_max && !failed; threads++) {
        rlt_pool *pool = NULL;
        rlt_err err = {0};
        if (rlt_pool_create(threads, &pool, &err) != RLT_OK) {
            fprintf(stderr, "train_bench: %s\n", err.message);
            return 1;
        }
        double all_cores = rlt_ceiling_f32(pool);
        printf("%s, PPO end to end, 4 epochs, %d thread(s); FMA ceiling %.1f GFLOP/s\n",
               rlt_envs[0]->name, threads, all_cores);
        for (size_t i = 0; i < RLT_COUNT(cases) && !failed; i++) {
            failed = bench_training(pool, all_cores, cases[i][0], cases[i][1], cases[i][2]);
        }
        rlt_pool_destroy(&pool);
    }
    return failed;
}
