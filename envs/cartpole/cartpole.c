/* CartPole-v1: Barto, Sutton, Anderson (1983), equations of Florian (2007) as in Gymnasium's
 * classic_control/cartpole.py: Euler steps in float64, observations in float32.
 * Thread: the owner's of the vector environment. */
#include "env/env.h"

#include <math.h>

typedef struct cartpole_state {
    double x, x_dot, theta, theta_dot; /* m, m/s, rad, rad/s */
} cartpole_state;

static const double gravity = 9.8, mass_pole = 0.1, mass_total = 1.1, length = 0.5;
static const double force_mag = 10.0, tau = 0.02, x_max = 2.4;
static const double theta_max = 12 * 2 * M_PI / 360;

static void observe(const cartpole_state *s, float *observation) {
    observation[0] = (float)s->x;
    observation[1] = (float)s->x_dot;
    observation[2] = (float)s->theta;
    observation[3] = (float)s->theta_dot;
}

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    cartpole_state *s = state;
    s->x = -0.05 + 0.1 * rlt_rng_f64(rng);
    s->x_dot = -0.05 + 0.1 * rlt_rng_f64(rng);
    s->theta = -0.05 + 0.1 * rlt_rng_f64(rng);
    s->theta_dot = -0.05 + 0.1 * rlt_rng_f64(rng);
    observe(s, observation);
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    cartpole_state *s = state;
    const double polemass_length = mass_pole * length;
    double force = *(const int32_t *)action == 1 ? force_mag : -force_mag;
    double c = cos(s->theta), sn = sin(s->theta);
    double temp = (force + polemass_length * (s->theta_dot * s->theta_dot) * sn) / mass_total;
    double theta_acc =
        (gravity * sn - c * temp) / (length * (4.0 / 3.0 - mass_pole * (c * c) / mass_total));
    double x_acc = temp - polemass_length * theta_acc * c / mass_total;
    s->x += tau * s->x_dot;
    s->x_dot += tau * x_acc;
    s->theta += tau * s->theta_dot;
    s->theta_dot += tau * theta_acc;
    *reward = 1.0f;
    observe(s, observation);
    return fabs(s->x) > x_max || fabs(s->theta) > theta_max;
}

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
};
