/* measure: environments alone, on one core, against the models they are held to: FLOP a step
 * against float64 multiply-adds, bytes a step against a triad of the same footprint; the tighter
 * one is the limit. Thread: the caller's. */
#include "measure/measure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ENVS = 1024 };

/* Counted in the source: adds, multiplies, divisions; sine and cosine together are 47. */
double rlt_env_flop(const rlt_env_def *def) {
    static const struct {
        const char *name;
        double flop;
    } rows[] = {{"CartPole-v1", 75},
                {"Acrobot-v1", 689},
                {"MountainCar-v0", 53},
                {"MountainCarContinuous-v0", 59},
                {"Pendulum-v1", 117}};
    for (size_t i = 0; i < RLT_COUNT(rows); i++) {
        if (strcmp(rows[i].name, def->name) == 0) {
            return rows[i].flop;
        }
    }
    return 0;
}

static double action_bytes(const rlt_env_def *def) {
    return def->action_space.kind == RLT_SPACE_DISCRETE ? 4.0 : 4.0 * def->action_space.size;
}

/* State, action, observation, reward, two flags, two counters. */
double rlt_env_resident_bytes(const rlt_env_def *def) {
    return (double)def->state_size + action_bytes(def) +
           4.0 * rlt_space_width(&def->observation_space) + 4 + 2 + 8;
}

/* State, action, reward, flags and counters both ways, the observation once. */
double rlt_env_moved_bytes(const rlt_env_def *def) {
    return 2 * rlt_env_resident_bytes(def) - 4.0 * rlt_space_width(&def->observation_space);
}

/* Random actions: a word each, scaled to 0 .. n - 1 or to the bounds of the Box. */
static void draw(const rlt_env_def *def, uint64_t step, int count, uint32_t *words, void *action) {
    const rlt_space *space = &def->action_space;
    size_t size = space->kind == RLT_SPACE_DISCRETE ? 1 : (size_t)space->size;
    size_t total = (size_t)count * size;
    rlt_rng_fill_u32(1, RLT_STREAM_ACTION, 0, step * ((total + 3) / 4), words, total);
    if (space->kind != RLT_SPACE_BOX) {
        const int *counts = space->kind == RLT_SPACE_DISCRETE ? &space->size : space->counts;
        int32_t *out = action;
        for (size_t i = 0; i < total; i++) {
            out[i] = (int32_t)((uint64_t)words[i] * (uint64_t)counts[i % size] >> 32);
        }
        return;
    }
    float *out = action, low = space->low[0], width = (space->high[0] - low) * 0x1p-24f;
    for (size_t i = 0; i < total; i++) {
        out[i] = low + width * (float)(int32_t)(words[i] >> 8);
    }
}

static double time_steps(rlt_vec_env *vec, int count, double seconds) {
    const rlt_env_def *def = rlt_vec_env_def(vec);
    size_t n = (size_t)count, width = (size_t)rlt_space_width(&def->observation_space);
    size_t size = def->action_space.kind == RLT_SPACE_DISCRETE ? 1 : (size_t)def->action_space.size;
    float *floats = rlt_alloc(sizeof(float) * n * (2 * width + 2));
    uint8_t *flags = rlt_alloc(2 * n);
    int32_t *length = rlt_alloc(sizeof(int32_t) * n);
    uint32_t *words = rlt_alloc(sizeof(uint32_t) * n * size);
    void *action = rlt_alloc(sizeof(int32_t) * n * size);
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
    return (double)(steps - warm) * (double)n / (now - start);
}

rlt_status rlt_env_rate(const rlt_env_def *def, rlt_env_form form, int count, double seconds,
                        double *rate, rlt_err *err) {
    rlt_vec_env *vec = NULL;
    RLT_TRY(rlt_vec_env_create(def, count, 0, 1, &vec, err));
    rlt_status status = rlt_vec_env_set_form(vec, form, err);
    if (status == RLT_OK) {
        *rate = time_steps(vec, count, seconds);
    }
    rlt_vec_env_destroy(&vec);
    return status;
}

rlt_status rlt_env_best_form(const rlt_env_def *def, rlt_env_form *form, rlt_err *err) {
    rlt_vec_env *vec = NULL;
    RLT_TRY(rlt_vec_env_create(def, RLT_ENV_LANES, 0, 1, &vec, err));
    *form = rlt_vec_env_form(vec);
    rlt_vec_env_destroy(&vec);
    return RLT_OK;
}

static rlt_status measure_form(const rlt_measure *m, const rlt_env_def *def, rlt_env_form form,
                               double fma, rlt_err *err) {
    char name[96], limit_name[96];
    double rate, flop = rlt_env_flop(def), bytes = rlt_env_moved_bytes(def);
    RLT_TRY(rlt_env_rate(def, form, ENVS, m->seconds, &rate, err));
    double by_flop = flop > 0 ? fma * 1e9 / flop : INFINITY;
    double by_bytes = rlt_ceiling_triad(rlt_env_resident_bytes(def) * ENVS) * 1e9 / bytes;
    if (by_flop < by_bytes) {
        snprintf(limit_name, sizeof(limit_name), "float64 multiply-adds at %.0f FLOP a step", flop);
    } else {
        snprintf(limit_name, sizeof(limit_name), "memory at %.0f bytes a step", bytes);
    }
    snprintf(name, sizeof(name), "%s, %s", def->name, rlt_env_form_name(form));
    rlt_figure figure = {.name = name,
                         .unit = "M steps/s",
                         .value = rate * 1e-6,
                         .limit = fmin(by_flop, by_bytes) * 1e-6,
                         .limit_name = limit_name};
    m->figure(m->user, &figure);
    return RLT_OK;
}

rlt_status rlt_measure_env(const rlt_measure *m, rlt_err *err) {
    double fma = rlt_ceiling_f64();
    for (size_t i = 0; m->envs[i] != NULL; i++) {
        rlt_env_form best;
        RLT_TRY(measure_form(m, m->envs[i], RLT_ENV_FORM_SCALAR, fma, err));
        RLT_TRY(rlt_env_best_form(m->envs[i], &best, err));
        if (best != RLT_ENV_FORM_SCALAR) {
            RLT_TRY(measure_form(m, m->envs[i], best, fma, err));
        }
    }
    return RLT_OK;
}
