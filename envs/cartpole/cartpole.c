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

/* All lanes a step on, but for their observations. */
RLT_LANE void advance_lanes(const rlt_env_block *block, int lanes) {
    double *restrict x = block->state, *restrict x_dot = x + RLT_ENV_LANES;
    double *restrict theta = x + 2 * RLT_ENV_LANES, *restrict theta_dot = x + 3 * RLT_ENV_LANES;
    const int32_t *restrict action = block->action;
    float *restrict reward = block->reward;
    uint8_t *restrict terminated = block->terminated;
    for (int i = 0; i < lanes; i++) {
        cartpole_state s = {x[i], x_dot[i], theta[i], theta_dot[i]};
        advance(&s, action[i]);
        x[i] = s.x;
        x_dot[i] = s.x_dot;
        theta[i] = s.theta;
        theta_dot[i] = s.theta_dot;
    }
    for (int i = 0; i < lanes; i++) {
        reward[i] = 1.0f;
        terminated[i] = fallen(x[i], theta[i]);
    }
}

RLT_LANE void step_many_body(const rlt_env_block *block) {
    const double *restrict state = block->state;
    float *restrict observation = block->observation;
    int lanes = rlt_lanes_padded(block);
    advance_lanes(block, lanes);
    for (int i = 0; i < lanes; i++) {
        observation[4 * i] = (float)state[i];
        observation[4 * i + 1] = (float)state[RLT_ENV_LANES + i];
        observation[4 * i + 2] = (float)state[2 * RLT_ENV_LANES + i];
        observation[4 * i + 3] = (float)state[3 * RLT_ENV_LANES + i];
    }
}
RLT_LANES_STEP_MANY(step_many)

/* ---- without velocities ---- */

static void reset_stateless(void *context, void *state, rlt_rng *rng, float *observation) {
    float all[4];
    reset(context, state, rng, all);
    observation[0] = all[0];
    observation[1] = all[2];
}

static bool step_stateless(void *context, void *state, rlt_rng *rng, const void *action,
                           float *observation, float *reward) {
    float all[4];
    bool terminated = step(context, state, rng, action, all, reward);
    observation[0] = all[0];
    observation[1] = all[2];
    return terminated;
}

RLT_LANE void step_stateless_many_body(const rlt_env_block *block) {
    const double *restrict state = block->state;
    float *restrict observation = block->observation;
    int lanes = rlt_lanes_padded(block);
    advance_lanes(block, lanes);
    for (int i = 0; i < lanes; i++) {
        observation[2 * i] = (float)state[i];
        observation[2 * i + 1] = (float)state[2 * RLT_ENV_LANES + i];
    }
}
RLT_LANES_STEP_MANY(step_stateless_many)

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

static const float high_stateless[2] = {4.8f, 0.41887903f};
static const float low_stateless[2] = {-4.8f, -0.41887903f};

/* What RLlib's examples call StatelessCartPole: a policy needs memory to know the velocities. */
const rlt_env_def rlt_env_stateless_cartpole = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "StatelessCartPole-v0",
    .help = "CartPole-v1 that shows positions but no velocities.",
    .observation_space = {RLT_SPACE_BOX, 2, low_stateless, high_stateless, NULL},
    .action_space = {RLT_SPACE_DISCRETE, 2, NULL, NULL, NULL},
    .max_episode_steps = 500,
    .reward_threshold = NAN,
    .state_size = sizeof(cartpole_state),
    .reset = reset_stateless,
    .step = step_stateless,
    .step_many = step_stateless_many,
    .lane_word = sizeof(double),
};
