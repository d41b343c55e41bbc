/* Steps per second of every environment alone, on one core: random actions drawn within the timing,
 * auto-reset, observations written. Usage: env_bench [environments [seconds [name]]].
 * Beside each rate stand the models it is held against: FLOP a step (counted by hand from the
 * source: adds, multiplies, divisions) against the float64 multiply-add ceiling, and bytes a step
 * against the bandwidth of a triad over as many bytes as the vector environment touches. */
#include "envs/envs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHAINS = 16, LANES = 8 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));

/* FLOP of one step; sine and cosine together are 47. 0: no arithmetic to speak of. */
static double flop_of(const char *name) {
    static const struct {
        const char *name;
        double flop;
    } rows[] = {{"CartPole-v1", 75},
                {"Acrobot-v1", 689},
                {"MountainCar-v0", 53},
                {"MountainCarContinuous-v0", 59},
                {"Pendulum-v1", 117}};
    for (size_t i = 0; i < RLT_COUNT(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return rows[i].flop;
        }
    }
    return 0;
}

static double action_bytes(const rlt_env_def *def) {
    return def->action_space.kind == RLT_SPACE_BOX ? 4.0 * def->action_space.size : 4.0;
}

/* What one environment occupies: state, action, observation, reward, two flags, two counters. */
static double resident_bytes(const rlt_env_def *def) {
    return (double)def->state_size + action_bytes(def) +
           4.0 * rlt_space_width(&def->observation_space) + 4 + 2 + 8;
}

/* What one step reads and writes: state, action, reward, flags and counters both ways, the
 * observation once. */
static double moved_bytes(const rlt_env_def *def) {
    return 2 * resident_bytes(def) - 4.0 * rlt_space_width(&def->observation_space);
}

__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) static double
fma_ceiling(void) {
    lanes sums[CHAINS] = {0}, a, b;
    volatile double seed = 1; /* chains that differ, in a way the compiler can't see through */
    for (int i = 0; i < LANES; i++) {
        a[i] = 0.999;
        b[i] = 0.001 * i;
    }
    for (int c = 0; c < CHAINS; c++) {
        sums[c] += seed * c;
    }
    const int rounds = 20000000;
    double start = rlt_clock_s();
    for (int r = 0; r < rounds; r++) {
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS; c++) {
            sums[c] = sums[c] * a + b;
        }
    }
    double seconds = rlt_clock_s() - start;
    volatile double sink = 0;
    for (int c = 0; c < CHAINS; c++) {
        sink = sink + sums[c][c % LANES];
    }
    return 2.0 * CHAINS * LANES * rounds / seconds * 1e-9;
}

__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) static void
triad(float *restrict a, const float *restrict b, const float *restrict c, size_t count) {
    for (size_t i = 0; i < count; i++) {
        a[i] = b[i] + 0.5f * c[i];
    }
}

/* GB/s of a triad whose three arrays take `bytes` together */
static double triad_rate(double bytes) {
    size_t count = (size_t)(bytes / 12) + 16;
    float *a = rlt_alloc(3 * count * sizeof(float));
    double start = rlt_clock_s(), moved = 0;
    do {
        for (int i = 0; i < 64; i++) {
            triad(a, a + count, a + 2 * count, count);
        }
        moved += 64.0 * 12.0 * (double)count;
    } while (rlt_clock_s() - start < 0.2);
    double rate = moved / (rlt_clock_s() - start) * 1e-9;
    rlt_free(a);
    return rate;
}

/* Random actions: a word each, scaled to 0 .. n - 1 or to the bounds of the Box. */
static void draw(const rlt_env_def *def, uint64_t step, int count, uint32_t *words, void *action) {
    const rlt_space *space = &def->action_space;
    size_t size = space->kind == RLT_SPACE_BOX ? (size_t)space->size : 1;
    size_t total = (size_t)count * size;
    rlt_rng_fill_u32(1, RLT_STREAM_ACTION, 0, step * ((total + 3) / 4), words, total);
    if (space->kind == RLT_SPACE_DISCRETE) {
        int32_t *out = action;
        for (size_t i = 0; i < total; i++) {
            out[i] = (int32_t)((uint64_t)words[i] * (uint64_t)space->size >> 32);
        }
        return;
    }
    float *out = action, low = space->low[0], width = (space->high[0] - low) * 0x1p-24f;
    for (size_t i = 0; i < total; i++) {
        out[i] = low + width * (float)(int32_t)(words[i] >> 8);
    }
}

static double rate_of(const rlt_env_def *def, rlt_env_form form, int count, double seconds) {
    rlt_vec_env *vec = NULL;
    rlt_err err = {0};
    if (rlt_vec_env_create(def, count, 0, 1, &vec, &err) != RLT_OK ||
        rlt_vec_env_set_form(vec, form, &err) != RLT_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    size_t n = (size_t)count, width = (size_t)rlt_space_width(&def->observation_space);
    float *floats = rlt_alloc(sizeof(float) * n * (2 * width + 2));
    uint8_t *flags = rlt_alloc(2 * n);
    int32_t *length = rlt_alloc(sizeof(int32_t) * n);
    uint32_t *words = rlt_alloc(sizeof(uint32_t) * n), *action = rlt_alloc(sizeof(int32_t) * n);
    rlt_step_out out = {floats,    floats + 2 * n * width, flags,
                        flags + n, floats + n * width,     floats + 2 * n * width + n,
                        length};
    rlt_vec_env_reset(vec, out.observation);
    uint64_t steps = 0, warm = 1000000 / n + 1;
    double start = 0, now = 0;
    do {
        for (int i = 0; i < 16; i++, steps++) {
            if (steps == warm) {
                start = rlt_clock_s();
            }
            draw(def, steps, count, words, action);
            rlt_vec_env_step(vec, action, &out);
        }
        now = rlt_clock_s();
    } while (steps <= warm || now - start < seconds);
    void *all[] = {floats, flags, length, words, action};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_vec_env_destroy(&vec);
    return (double)(steps - warm) * (double)n / (now - start);
}

static void report(const rlt_env_def *def, int count, double seconds, double fma) {
    double scalar = rate_of(def, RLT_ENV_FORM_SCALAR, count, seconds), best = scalar;
    rlt_vec_env *vec = NULL;
    rlt_err err = {0};
    if (rlt_vec_env_create(def, count, 0, 1, &vec, &err) != RLT_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    rlt_env_form form = rlt_vec_env_form(vec);
    rlt_vec_env_destroy(&vec);
    if (form != RLT_ENV_FORM_SCALAR) {
        best = rate_of(def, form, count, seconds);
    }
    double bandwidth = triad_rate(resident_bytes(def) * count), moved = moved_bytes(def);
    printf("%-24s %8.1f %8.1f %-7s %5.0f %6.1f %5.1f %% %6.0f %6.1f %6.1f %5.1f %%\n", def->name,
           scalar * 1e-6, best * 1e-6, rlt_env_form_name(form), flop_of(def->name),
           flop_of(def->name) * best * 1e-9, 100 * flop_of(def->name) * best * 1e-9 / fma, moved,
           moved * best * 1e-9, bandwidth, 100 * moved * best * 1e-9 / bandwidth);
    fflush(stdout);
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 1024;
    double seconds = argc > 2 ? atof(argv[2]) : 0.5, fma = fma_ceiling();
    if (count < 1 || !(seconds > 0)) {
        fprintf(stderr, "usage: env_bench [environments [seconds [name]]]\n");
        return 1;
    }
    printf("%d environments on one core, million steps/s; float64 multiply-add ceiling %.1f "
           "GFLOP/s\n",
           count, fma);
    printf("%-24s %8s %8s %-7s %5s %6s %7s %6s %6s %6s %7s\n", "", "scalar", "vector", "form",
           "FLOP", "GF/s", "of max", "bytes", "GB/s", "triad", "of it");
    for (size_t i = 0; rlt_envs[i] != NULL; i++) {
        if (argc < 4 || strcmp(argv[3], rlt_envs[i]->name) == 0) {
            report(rlt_envs[i], count, seconds, fma);
        }
    }
    return 0;
}
