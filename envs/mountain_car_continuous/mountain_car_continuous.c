/* MountainCarContinuous-v0, as in Gymnasium's classic_control/continuous_mountain_car.py.
 * The reference keeps its state in float32 and so rounds where this code rounds: a force within
 * the bounds is a float32, one that was clamped is a float64.
 * Thread: the owner's of the vector environment. */
#include "envs/common/lanes.h"
#include "envs/mountain_car_continuous/mountain_car_continuous.h"

#include <math.h>

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

/* The change of velocity by the force and the hill. */
RLT_LANE float push(float force, float position) {
    double sine, cosine;
    rlt_lane_sincos((double)(3.0f * position), &sine, &cosine);
    double hill = 0.0025 * cosine;
    float within = force * 0.0015f - (float)hill;
    float clamped = (float)((double)rlt_lane_clampf(force, -1.0f, 1.0f) * 0.0015 - hill);
    return (force > 1.0f || force < -1.0f) ? clamped : within;
}

RLT_LANE void advance(car_state *s, float force) {
    float velocity = rlt_lane_clampf(s->velocity + push(force, s->position), -0.07f, 0.07f);
    float there = s->position + velocity;
    float slowest = there <= -1.2f ? 0.0f : -0.07f; /* at the left edge the car stops */
    s->position = rlt_lane_clampf(there, -1.2f, 0.6f);
    s->velocity = velocity < slowest ? slowest : velocity;
}

RLT_LANE bool arrived(float position, float velocity) {
    return (position >= 0.45f) & (velocity >= 0.0f);
}

/* The force costs as it was asked for, not as it was clamped. */
RLT_LANE float reward_of(bool terminated, float force) {
    float bonus = terminated ? 100.0f : 0.0f;
    return (float)((double)bonus - (double)force * (double)force * 0.1);
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    car_state *s = state;
    float force = *(const float *)action;
    advance(s, force);
    bool terminated = arrived(s->position, s->velocity);
    *reward = reward_of(terminated, force);
    observe(s, observation);
    return terminated;
}

RLT_LANE void step_many_body(const rlt_env_block *block) {
    float *restrict position = block->state, *restrict velocity = position + RLT_ENV_LANES;
    const float *restrict action = block->action;
    float *restrict observation = block->observation, *restrict reward = block->reward;
    uint8_t *restrict terminated = block->terminated;
    int lanes = rlt_lanes_padded(block);
    for (int i = 0; i < lanes; i++) {
        car_state s = {position[i], velocity[i]};
        advance(&s, action[i]);
        position[i] = s.position;
        velocity[i] = s.velocity;
    }
    for (int i = 0; i < lanes; i++) {
        reward[i] = reward_of(arrived(position[i], velocity[i]), action[i]);
    }
    for (int i = 0; i < lanes; i++) {
        observation[2 * i] = position[i];
        observation[2 * i + 1] = velocity[i];
    }
    for (int i = 0; i < lanes; i++) {
        terminated[i] = arrived(position[i], velocity[i]);
    }
}
RLT_LANES_STEP_MANY(step_many)

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
    .step_many = step_many,
    .lane_word = sizeof(float),
};
