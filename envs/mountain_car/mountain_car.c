/* MountainCar-v0: Moore (1990), as in Gymnasium's classic_control/mountain_car.py, in float64.
 * Thread: the owner's of the vector environment. */
#include "envs/common/lanes.h"
#include "envs/mountain_car/mountain_car.h"

#include <math.h>

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

/* push: -1, 0 or 1 */
RLT_LANE void advance(mountain_car_state *s, int32_t push) {
    double sine, cosine;
    rlt_lane_sincos(3 * s->position, &sine, &cosine);
    double velocity = s->velocity + (push * 0.001 + cosine * -0.0025);
    velocity = rlt_lane_clamp(velocity, -0.07, 0.07);
    double there = s->position + velocity;
    double slowest = there <= -1.2 ? 0.0 : -0.07; /* at the left edge the car stops */
    s->position = rlt_lane_clamp(there, -1.2, 0.6);
    s->velocity = velocity < slowest ? slowest : velocity;
}

RLT_LANE bool arrived(double position, double velocity) {
    return (position >= 0.5) & (velocity >= 0.0);
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    mountain_car_state *s = state;
    advance(s, *(const int32_t *)action - 1);
    *reward = -1.0f;
    observe(s, observation);
    return arrived(s->position, s->velocity);
}

RLT_LANE void step_many_body(const rlt_env_block *block) {
    double *restrict position = block->state, *restrict velocity = position + RLT_ENV_LANES;
    const int32_t *restrict action = block->action;
    float *restrict observation = block->observation, *restrict reward = block->reward;
    uint8_t *restrict terminated = block->terminated;
    int lanes = rlt_lanes_padded(block);
    for (int i = 0; i < lanes; i++) {
        mountain_car_state s = {position[i], velocity[i]};
        advance(&s, action[i] - 1);
        position[i] = s.position;
        velocity[i] = s.velocity;
    }
    for (int i = 0; i < lanes; i++) {
        observation[2 * i] = (float)position[i];
        observation[2 * i + 1] = (float)velocity[i];
    }
    for (int i = 0; i < lanes; i++) {
        reward[i] = -1.0f;
        terminated[i] = arrived(position[i], velocity[i]);
    }
}
RLT_LANES_STEP_MANY(step_many)

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
    .step_many = step_many,
    .lane_word = sizeof(double),
};
