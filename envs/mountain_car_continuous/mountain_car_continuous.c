/* MountainCarContinuous-v0, as in Gymnasium's classic_control/continuous_mountain_car.py.
 * The reference keeps its state in float32 and so rounds where this code rounds: a force within
 * the bounds is a float32, one that was clamped is a float64.
 * Thread: the owner's of the vector environment. */
#include "env/env.h"

#include <math.h>

typedef struct car_state {
    float position, velocity;
} car_state;

static void observe(const car_state *s, float *observation) {
    observation[0] = s->position;
    observation[1] = s->velocity;
}

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    car_state *s = state;
    s->position = (float)(-0.6 + 0.2 * rlt_rng_f64(rng));
    s->velocity = 0.0f;
    observe(s, observation);
}

static float push(float force, float position) {
    double hill = 0.0025 * cos((double)(3.0f * position));
    if (force > 1.0f || force < -1.0f) {
        return (float)((force > 0 ? 0.0015 : -0.0015) - hill);
    }
    return force * 0.0015f - (float)hill;
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    car_state *s = state;
    float force = *(const float *)action;
    s->velocity += push(force, s->position);
    s->velocity = fminf(fmaxf(s->velocity, -0.07f), 0.07f);
    s->position = fminf(fmaxf(s->position + s->velocity, -1.2f), 0.6f);
    if (s->position == -1.2f && s->velocity < 0) {
        s->velocity = 0.0f;
    }
    bool terminated = s->position >= 0.45f && s->velocity >= 0.0f;
    *reward = (float)((terminated ? 100.0 : 0.0) - (double)force * force * 0.1);
    observe(s, observation);
    return terminated;
}

static const float high[2] = {0.6f, 0.07f}, low[2] = {-1.2f, -0.07f};
static const float force_high[1] = {1.0f}, force_low[1] = {-1.0f};

const rlt_env_def rlt_env_mountain_car_continuous = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "MountainCarContinuous-v0",
    .help = "MountainCar with a force in [-1, 1]; force costs reward.",
    .observation_space = {RLT_SPACE_BOX, 2, low, high, NULL},
    .action_space = {RLT_SPACE_BOX, 1, force_low, force_high, NULL},
    .max_episode_steps = 999,
    .reward_threshold = 90.0f,
    .state_size = sizeof(car_state),
    .reset = reset,
    .step = step,
};
