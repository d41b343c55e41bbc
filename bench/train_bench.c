/* Steps per second: CartPole alone with random actions, and PPO end to end (2x64 tanh, 4 epochs),
 * with the FLOP rate by the formula 17.8k + epochs * 52.4k a step. One core. */
#include "envs/envs.h"
#include "learner/learner.h"

#include <stdio.h>

enum { N = 64, CHAINS = 12, LANES = 16 };
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* Independent multiply-add chains in registers: the FMA ceiling of one core, in GFLOP/s. */
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) static double
fma_ceiling(void) {
    lanes sums[CHAINS] = {0}, a, b;
    for (int i = 0; i < LANES; i++) {
        a[i] = 0.999f;
        b[i] = 0.001f * (float)i;
    }
    volatile float seed = 1; /* chains that differ, in a way the compiler can't see through */
    for (int c = 0; c < CHAINS; c++) {
        sums[c] += seed * (float)c;
    }
    const int64_t rounds = 50000000;
    double start = rlt_clock_s();
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) {
            sums[c] = sums[c] * a + b;
        }
    }
    double seconds = rlt_clock_s() - start;
    volatile float sink = 0; /* keeps the chains alive */
    for (int c = 0; c < CHAINS; c++) {
        sink = sink + sums[c][c % LANES];
    }
    return 2.0 * CHAINS * LANES * (double)rounds / seconds * 1e-9;
}

static double env_rate(const rlt_env_def *def) {
    static float observation[N * 4], reward[N], final_observation[N * 4], episode_return[N];
    static uint8_t terminated[N], truncated[N];
    static int32_t action[N], length[N];
    rlt_vec_env *vec = NULL;
    rlt_err err = {0};
    if (rlt_vec_env_create(def, N, 0, 1, &vec, &err) != RLT_OK) {
        return 0;
    }
    rlt_step_out out = {observation,       reward,         terminated, truncated,
                        final_observation, episode_return, length};
    rlt_vec_env_reset(vec, observation);
    const int steps = 100000;
    uint32_t bits[4];
    double start = rlt_clock_s();
    for (int t = 0; t < steps; t++) {
        rlt_rng_block(1, RLT_STREAM_TEST, 0, (uint64_t)t, bits);
        for (int i = 0; i < N; i++) {
            action[i] = (int32_t)(bits[i / 32] >> (i % 32) & 1);
        }
        rlt_vec_env_step(vec, action, &out);
    }
    double rate = (double)steps * N / (rlt_clock_s() - start);
    rlt_vec_env_destroy(&vec);
    return rate;
}

static double train_rate(const rlt_env_def *def) {
    rlt_ppo_config config = rlt_ppo_config_default();
    config.envs = N;
    config.horizon = 32;
    config.minibatch = 512;
    config.steps = 1000000000;
    rlt_train *train = NULL;
    rlt_train_stats stats = {0};
    rlt_err err = {0};
    if (rlt_train_create(def, &config, &train, &err) != RLT_OK) {
        return 0;
    }
    double start = rlt_clock_s();
    do {
        if (rlt_train_iterate(train, &stats, &err) != RLT_OK) {
            return 0;
        }
    } while (rlt_clock_s() - start < 5);
    double rate = (double)stats.steps / (rlt_clock_s() - start);
    rlt_train_destroy(&train);
    return rate;
}

int main(void) {
    const rlt_env_def *def = rlt_envs[0];
    double env = env_rate(def), train = train_rate(def);
    printf("%s alone, scalar, random actions: %.2f million steps/s\n", def->name, env * 1e-6);
    double gflops = train * (17.8e3 + 4 * 52.4e3) * 1e-9, ceiling = fma_ceiling();
    printf("PPO end to end, 4 epochs:             %.0f steps/s, %.1f GFLOP/s\n", train, gflops);
    printf("FMA ceiling of one core:              %.1f GFLOP/s, of which PPO reaches %.1f %%\n",
           ceiling, 100 * gflops / ceiling);
    return env > 0 && train > 0 ? 0 : 1;
}
