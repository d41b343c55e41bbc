/* Trains to a goal on a device: CartPole-v1 with an MLP, and MinAtar's Breakout, whose observations
 * are images, with a convolution; PPO through the backend alone (update.h), so that the reduced
 * build can show that the device's kernels learn. The environments run on the host.
 *   gpu_train [--device cuda:0] [--precision fp32] [--task cartpole|breakout] [--seed N]
 * Exit code 0: the goal was reached in time; 1: not; 77: there is no such device. */
#include "bench/gpu/update.h"
#include "env/env.h"
#include "envs/envs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECENT = 100 }; /* episodes that the mean is over */

typedef struct task {
    const char *name, *env;
    double goal; /* mean return of the last RECENT episodes */
    int64_t steps_max;
    int envs, horizon, minibatches, epochs;
    float lr, ent_coef, gamma;
} task;
/* The goal of CartPole is Gymnasium's; that of Breakout is beyond what its authors' actor-critic
 * reaches in 5 million frames (Young & Tian 2019, figure 2: below 5). */
static const task tasks[] = {
    {"cartpole", "CartPole-v1", 475, 500000, 32, 32, 4, 10, 5e-4f, 0.0f, 0.98f},
    {"breakout", "MinAtar/Breakout-v1", 10, 6000000, 128, 64, 8, 4, 1e-3f, 0.01f, 0.99f},
};

typedef struct runner {
    rlt_vec_env *vec;
    rlt_step_out out;
    int32_t *action;
    double recent[RECENT], mean;
    int64_t episodes;
    int envs;
} runner;

static rlt_status open_runner(const rlt_env_def *def, int envs, uint64_t seed, runner *r,
                              rlt_err *err) {
    size_t n = (size_t)envs + RLT_ENV_LANES_PAD;
    size_t width = (size_t)rlt_space_width(&def->observation_space);
    *r = (runner){.envs = envs};
    r->out = (rlt_step_out){.observation = rlt_alloc(sizeof(float) * n * width),
                            .reward = rlt_alloc(sizeof(float) * n),
                            .terminated = rlt_alloc(n),
                            .truncated = rlt_alloc(n),
                            .final_observation = rlt_alloc(sizeof(float) * n * width),
                            .episode_return = rlt_alloc(sizeof(float) * n),
                            .episode_length = rlt_alloc(sizeof(int32_t) * n)};
    r->action = rlt_alloc(sizeof(int32_t) * n);
    return rlt_vec_env_create(def, envs, 0, seed, &r->vec, err);
}

static void close_runner(runner *r) {
    void *const all[] = {
        r->out.observation,       r->out.reward,         r->out.terminated,     r->out.truncated,
        r->out.final_observation, r->out.episode_return, r->out.episode_length, r->action};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        rlt_free(all[i]);
    }
    rlt_vec_env_destroy(&r->vec);
}

static void count_episodes(runner *r) {
    for (int i = 0; i < r->envs; i++) {
        if (r->out.terminated[i] || r->out.truncated[i]) {
            r->recent[r->episodes++ % RECENT] = (double)r->out.episode_return[i];
        }
    }
    double sum = 0;
    int64_t count = r->episodes < RECENT ? r->episodes : RECENT;
    for (int64_t i = 0; i < count; i++) {
        sum += r->recent[i];
    }
    r->mean = r->episodes >= RECENT ? sum / RECENT : 0;
}

static void collect(update *u, runner *r) {
    for (int t = 0; t < u->spec.horizon; t++) {
        update_act(u, t, r->out.observation, r->action);
        rlt_vec_env_step(r->vec, r->action, &r->out);
        update_outcome(u, t, r->out.reward, r->out.terminated, r->out.truncated,
                       r->out.final_observation);
        count_episodes(r);
    }
    update_act(u, u->spec.horizon, r->out.observation, r->action);
}

static rlt_status train(rlt_device *device, const task *t, uint64_t seed, bool *reached,
                        rlt_err *err) {
    const rlt_env_def *def = NULL;
    runner r = {0};
    update *u = NULL;
    update_spec spec = {.envs = t->envs,
                        .horizon = t->horizon,
                        .minibatches = t->minibatches,
                        .epochs = t->epochs,
                        .lr = t->lr,
                        .clip = 0.2f,
                        .gamma = t->gamma,
                        .lambda = 0.95f,
                        .vf_coef = 0.5f,
                        .ent_coef = t->ent_coef,
                        .norm_max = 0.5f,
                        .seed = seed};
    RLT_TRY(rlt_env_find(rlt_envs, t->env, &def, err));
    int actions = def->action_space.size;
    if (def->image[0] > 0) {
        update_minatar_cnn(&spec.net, def->image[2], actions);
    } else {
        update_mlp(&spec.net, rlt_space_width(&def->observation_space), actions, 64);
    }
    rlt_status status = open_runner(def, t->envs, seed, &r, err);
    status = status == RLT_OK ? update_create(device, &spec, &u, err) : status;
    int64_t steps = 0, last = 0;
    double start = rlt_clock_s();
    if (status == RLT_OK) {
        rlt_vec_env_reset(r.vec, r.out.observation);
    }
    while (status == RLT_OK && steps < t->steps_max && r.mean < t->goal) {
        u->spec.lr = t->lr * (1 - (float)steps / (float)t->steps_max);
        collect(u, &r);
        steps += (int64_t)t->envs * t->horizon;
        status = update_learn(u, NULL, err);
        if (steps - last >= t->steps_max / 10) {
            last = steps;
            printf("%s: %9lld steps, mean return %.1f of %lld episodes\n", t->name,
                   (long long)steps, r.mean, (long long)r.episodes);
            fflush(stdout);
        }
    }
    *reached = status == RLT_OK && r.mean >= t->goal;
    double seconds = rlt_clock_s() - start;
    if (status == RLT_OK) {
        printf("%s: mean return %.1f (goal %.0f) after %lld steps, %.1f s, %.0f steps/s: %s\n",
               t->name, r.mean, t->goal, (long long)steps, seconds, (double)steps / seconds,
               *reached ? "reached" : "NOT reached");
    }
    update_destroy(&u);
    close_runner(&r);
    return status;
}

int main(int argc, char **argv) {
    const char *name = "cuda:0", *precision = "fp32", *only = NULL;
    uint64_t seed = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--device") == 0) {
            name = argv[i + 1];
        } else if (strcmp(argv[i], "--precision") == 0) {
            precision = argv[i + 1];
        } else if (strcmp(argv[i], "--task") == 0) {
            only = argv[i + 1];
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[i + 1], NULL, 10);
        } else {
            fprintf(stderr, "gpu_train: '%s' is no option\n", argv[i]);
            return 2;
        }
    }
    rlt_precision p = strcmp(precision, "tf32") == 0   ? RLT_PRECISION_TF32
                      : strcmp(precision, "bf16") == 0 ? RLT_PRECISION_BF16
                                                       : RLT_PRECISION_FP32;
    rlt_device *device = NULL;
    rlt_err err = {0};
    if (rlt_device_open(name, p, &device, &err) != RLT_OK) {
        printf("gpu_train: skipped: %s\n", err.message);
        return 77;
    }
    bool all = true;
    for (size_t i = 0; i < RLT_COUNT(tasks); i++) {
        bool reached = true;
        if (only == NULL || strcmp(only, tasks[i].name) == 0) {
            if (train(device, &tasks[i], seed, &reached, &err) != RLT_OK) {
                printf("gpu_train: %s: %s\n", tasks[i].name, err.message);
                reached = false;
            }
        }
        all = all && reached;
    }
    rlt_device_close(&device);
    return all ? 0 : 1;
}
