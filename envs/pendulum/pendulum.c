/* Pendulum-v1, as in Gymnasium's classic_control/pendulum.py: state in float64, torque in float32.
 * Thread: the owner's of the vector environment. */
#include "env/env.h"

#include <math.h>

typedef struct pendulum_state {
    double theta, theta_dot; /* rad from upright, rad/s */
} pendulum_state;

static void observe(const pendulum_state *s, float *observation) {
    observation[0] = (float)cos(s->theta);
    observation[1] = (float)sin(s->theta);
    observation[2] = (float)s->theta_dot;
}

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    pendulum_state *s = state;
    s->theta = -M_PI + 2 * M_PI * rlt_rng_f64(rng);
    s->theta_dot = -1.0 + 2.0 * rlt_rng_f64(rng);
    observe(s, observation);
}

/* into [-pi, pi) by the floored remainder */
static double angle_normalize(double x) {
    double r = fmod(x + M_PI, 2 * M_PI);
    return (r < 0 ? r + 2 * M_PI : r) - M_PI;
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    pendulum_state *s = state;
    const double g = 10.0, dt = 0.05;
    float u = fminf(fmaxf(*(const float *)action, -2.0f), 2.0f);
    double angle = angle_normalize(s->theta);
    double cost = angle * angle + 0.1 * (s->theta_dot * s->theta_dot) + (double)(0.001f * (u * u));
    double velocity = s->theta_dot + (3 * g / 2 * sin(s->theta) + (double)(3.0f * u)) * dt;
    s->theta_dot = fmin(fmax(velocity, -8.0), 8.0);
    s->theta += s->theta_dot * dt;
    *reward = (float)-cost;
    observe(s, observation);
    return false;
}

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
};
