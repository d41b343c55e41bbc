/* MountainCar-v0: Moore (1990), as in Gymnasium's classic_control/mountain_car.py, in float64.
 * Thread: the owner's of the vector environment. */
#include "env/env.h"

#include <math.h>

typedef struct mountain_car_state {
    double position, velocity;
} mountain_car_state;

static void observe(const mountain_car_state *s, float *observation) {
    observation[0] = (float)s->position;
    observation[1] = (float)s->velocity;
}

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    mountain_car_state *s = state;
    s->position = -0.6 + 0.2 * rlt_rng_f64(rng);
    s->velocity = 0.0;
    observe(s, observation);
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    mountain_car_state *s = state;
    s->velocity += (*(const int32_t *)action - 1) * 0.001 + cos(3 * s->position) * -0.0025;
    s->velocity = fmin(fmax(s->velocity, -0.07), 0.07);
    s->position = fmin(fmax(s->position + s->velocity, -1.2), 0.6);
    if (s->position == -1.2 && s->velocity < 0) {
        s->velocity = 0.0;
    }
    *reward = -1.0f;
    observe(s, observation);
    return s->position >= 0.5 && s->velocity >= 0.0;
}

static const float high[2] = {0.6f, 0.07f};
static const float low[2] = {-1.2f, -0.07f};

const rlt_env_def rlt_env_mountain_car = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "MountainCar-v0",
    .help = "Drive an underpowered car out of a valley: left, nothing, right.",
    .observation_space = {RLT_SPACE_BOX, 2, low, high, NULL},
    .action_space = {RLT_SPACE_DISCRETE, 3, NULL, NULL, NULL},
    .max_episode_steps = 200,
    .reward_threshold = -110.0f,
    .state_size = sizeof(mountain_car_state),
    .reset = reset,
    .step = step,
};
