/* Pendulum-v1, as in Gymnasium's classic_control/pendulum.py: state in float64, torque in float32.
 * Thread: the owner's of the vector environment. */
#include "envs/common/lanes.h"
#include "envs/pendulum/pendulum.h"

#include <math.h>

RLT_LANE void observe(double theta, double theta_dot, float *observation) {
    double sine, cosine;
    rlt_lane_sincos(theta, &sine, &cosine);
    observation[0] = (float)cosine;
    observation[1] = (float)sine;
    observation[2] = (float)theta_dot;
}

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    pendulum_state *s = state;
    double draw[2];
    rlt_rng_fill_f64(rng, draw, 2);
    s->theta = -M_PI + 2 * M_PI * draw[0];
    s->theta_dot = -1.0 + 2.0 * draw[1];
    observe(s->theta, s->theta_dot, observation);
}

/* One step under `torque`; returns the reward. The angle's cost is even, so that wrapping it into
 * [-pi, pi] does as well as the reference's [-pi, pi). */
RLT_LANE double advance(pendulum_state *s, float torque) {
    const double g = 10.0, dt = 0.05;
    float u = rlt_lane_clampf(torque, -2.0f, 2.0f);
    double angle = rlt_lane_wrap(s->theta), sine, cosine;
    rlt_lane_sincos(s->theta, &sine, &cosine);
    double cost = angle * angle + 0.1 * (s->theta_dot * s->theta_dot) + (double)(0.001f * (u * u));
    double velocity = s->theta_dot + (3 * g / 2 * sine + (double)(3.0f * u)) * dt;
    s->theta_dot = rlt_lane_clamp(velocity, -8.0, 8.0);
    s->theta += s->theta_dot * dt;
    return -cost;
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    pendulum_state *s = state;
    *reward = (float)advance(s, *(const float *)action);
    observe(s->theta, s->theta_dot, observation);
    return false;
}

RLT_LANE void step_many_body(const rlt_env_block *block) {
    double *restrict theta = block->state, *restrict theta_dot = theta + RLT_ENV_LANES;
    const float *restrict action = block->action;
    float *restrict observation = block->observation, *restrict reward = block->reward;
    uint8_t *restrict terminated = block->terminated;
    double sine[RLT_ENV_LANES], cosine[RLT_ENV_LANES];
    int lanes = rlt_lanes_padded(block);
    for (int i = 0; i < lanes; i++) {
        pendulum_state s = {theta[i], theta_dot[i]};
        reward[i] = (float)advance(&s, action[i]);
        theta[i] = s.theta;
        theta_dot[i] = s.theta_dot;
        rlt_lane_sincos(s.theta, &sine[i], &cosine[i]);
    }
    for (int i = 0; i < lanes; i++) {
        observation[3 * i] = (float)cosine[i];
        observation[3 * i + 1] = (float)sine[i];
        observation[3 * i + 2] = (float)theta_dot[i];
    }
    for (int i = 0; i < lanes; i++) {
        terminated[i] = 0;
    }
}
RLT_LANES_STEP_MANY(step_many)

static const float high[3] = {1, 1, 8}, low[3] = {-1, -1, -8};
static const float torque_high[1] = {2.0f}, torque_low[1] = {-2.0f};

const rlt_env_def rlt_env_pendulum = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "Pendulum-v1",
    .help = "Swing a pendulum up and hold it there with little torque.",
    .observation_space = {RLT_SPACE_BOX, 3, low, high, NULL},
    .action_space = {RLT_SPACE_BOX, 1, torque_low, torque_high, NULL},
    .max_episode_steps = 200,
    .reward_threshold = NAN,
    .state_size = sizeof(pendulum_state),
    .reset = reset,
    .step = step,
    .step_many = step_many,
    .lane_word = sizeof(double),
};
