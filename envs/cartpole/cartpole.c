/* CartPole-v1: Barto, Sutton, Anderson (1983), equations of Florian (2007) as in Gymnasium's
 * classic_control/cartpole.py: Euler steps in float64, observations in float32.
 * Thread: the owner's of the vector environment. */
#include "envs/common/lanes.h"
#include "envs/cartpole/cartpole.h"

#include <math.h>

static const double gravity = 9.8, mass_pole = 0.1, mass_total = 1.1, length = 0.5;
static const double force_mag = 10.0, tau = 0.02, x_max = 2.4;
static const double theta_max = 12 * 2 * M_PI / 360;

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    double draw[4];
    rlt_rng_fill_f64(rng, draw, 4);
    double *values = state;
    for (int i = 0; i < 4; i++) {
        values[i] = -0.05 + 0.1 * draw[i];
        observation[i] = (float)values[i];
    }
}

/* push: 1 to the right, 0 to the left */
RLT_LANE void advance(cartpole_state *s, int32_t push) {
    const double polemass_length = mass_pole * length;
    double force = force_mag * (2 * push - 1);
    double sine, cosine;
    rlt_lane_sincos(s->theta, &sine, &cosine);
    double temp = (force + polemass_length * (s->theta_dot * s->theta_dot) * sine) / mass_total;
    double theta_acc = (gravity * sine - cosine * temp) /
                       (length * (4.0 / 3.0 - mass_pole * (cosine * cosine) / mass_total));
    double x_acc = temp - polemass_length * theta_acc * cosine / mass_total;
    s->x += tau * s->x_dot;
    s->x_dot += tau * x_acc;
    s->theta += tau * s->theta_dot;
    s->theta_dot += tau * theta_acc;
}

RLT_LANE bool fallen(double x, double theta) {
    return (fabs(x) > x_max) | (fabs(theta) > theta_max);
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    cartpole_state *s = state;
    advance(s, *(const int32_t *)action);
    observation[0] = (float)s->x;
    observation[1] = (float)s->x_dot;
    observation[2] = (float)s->theta;
    observation[3] = (float)s->theta_dot;
    *reward = 1.0f;
    return fallen(s->x, s->theta);
}

RLT_LANE void step_many_body(const rlt_env_block *block) {
    double *restrict x = block->state, *restrict x_dot = x + RLT_ENV_LANES;
    double *restrict theta = x + 2 * RLT_ENV_LANES, *restrict theta_dot = x + 3 * RLT_ENV_LANES;
    const int32_t *restrict action = block->action;
    float *restrict observation = block->observation, *restrict reward = block->reward;
    uint8_t *restrict terminated = block->terminated;
    int lanes = rlt_lanes_padded(block);
    for (int i = 0; i < lanes; i++) {
        cartpole_state s = {x[i], x_dot[i], theta[i], theta_dot[i]};
        advance(&s, action[i]);
        x[i] = s.x;
        x_dot[i] = s.x_dot;
        theta[i] = s.theta;
        theta_dot[i] = s.theta_dot;
    }
    for (int i = 0; i < lanes; i++) {
        observation[4 * i] = (float)x[i];
        observation[4 * i + 1] = (float)x_dot[i];
        observation[4 * i + 2] = (float)theta[i];
        observation[4 * i + 3] = (float)theta_dot[i];
    }
    for (int i = 0; i < lanes; i++) {
        reward[i] = 1.0f;
        terminated[i] = fallen(x[i], theta[i]);
    }
}
RLT_LANES_STEP_MANY(step_many)

static const float high[4] = {4.8f, INFINITY, 0.41887903f, INFINITY};
static const float low[4] = {-4.8f, -INFINITY, -0.41887903f, -INFINITY};

const rlt_env_def rlt_env_cartpole = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "CartPole-v1",
    .help = "Keep a pole upright on a cart by pushing left or right.",
    .observation_space = {RLT_SPACE_BOX, 4, low, high, NULL},
    .action_space = {RLT_SPACE_DISCRETE, 2, NULL, NULL, NULL},
    .max_episode_steps = 500,
    .reward_threshold = 475.0f,
    .state_size = sizeof(cartpole_state),
    .reset = reset,
    .step = step,
    .step_many = step_many,
    .lane_word = sizeof(double),
};
