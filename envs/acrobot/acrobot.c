/* Acrobot-v1: Sutton (1996), the "book" equations, as in Gymnasium's classic_control/acrobot.py:
 * one Runge-Kutta step of 0.2 s in float64. Thread: the owner's of the vector environment. */
#include "env/env.h"

#include <math.h>

/* theta1, theta2 (rad), their velocities (rad/s) */
typedef struct acrobot_state {
    double s[4];
} acrobot_state;

static const double dt = 0.2, velocity1_max = 4 * M_PI, velocity2_max = 9 * M_PI;

static void observe(const double s[4], float *observation) {
    observation[0] = (float)cos(s[0]);
    observation[1] = (float)sin(s[0]);
    observation[2] = (float)cos(s[1]);
    observation[3] = (float)sin(s[1]);
    observation[4] = (float)s[2];
    observation[5] = (float)s[3];
}

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    acrobot_state *a = state;
    for (int i = 0; i < 4; i++) {
        a->s[i] = (float)(-0.1 + 0.2 * rlt_rng_f64(rng));
    }
    observe(a->s, observation);
}

/* d/dt of the state under `torque`; links of mass, length and moment of inertia 1, centres at 0.5
 */
static void derive(const double s[4], double torque, double out[4]) {
    const double lc = 0.5, g = 9.8;
    double v1 = s[2], v2 = s[3];
    double d1 = lc * lc + (1.0 + lc * lc + 2 * lc * cos(s[1])) + 1.0 + 1.0;
    double d2 = (lc * lc + lc * cos(s[1])) + 1.0;
    double phi2 = lc * g * cos(s[0] + s[1] - M_PI / 2.0);
    double phi1 = -lc * (v2 * v2) * sin(s[1]) - 2 * lc * v2 * v1 * sin(s[1]) +
                  (lc + 1.0) * g * cos(s[0] - M_PI / 2) + phi2;
    double a2 = (torque + d2 / d1 * phi1 - lc * (v1 * v1) * sin(s[1]) - phi2) /
                (lc * lc + 1.0 - d2 * d2 / d1);
    out[0] = v1;
    out[1] = v2;
    out[2] = -(d2 * a2 + phi1) / d1;
    out[3] = a2;
}

static void runge_kutta(double s[4], double torque) {
    double k[4][4], y[4];
    derive(s, torque, k[0]);
    for (int stage = 1; stage < 4; stage++) {
        double h = stage == 3 ? dt : dt / 2.0;
        for (int i = 0; i < 4; i++) {
            y[i] = s[i] + h * k[stage - 1][i];
        }
        derive(y, torque, k[stage]);
    }
    for (int i = 0; i < 4; i++) {
        s[i] += dt / 6.0 * (k[0][i] + 2 * k[1][i] + 2 * k[2][i] + k[3][i]);
    }
}

static double wrap(double x) {
    while (x > M_PI) {
        x -= 2 * M_PI;
    }
    while (x < -M_PI) {
        x += 2 * M_PI;
    }
    return x;
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    double *s = ((acrobot_state *)state)->s;
    runge_kutta(s, *(const int32_t *)action - 1.0);
    s[0] = wrap(s[0]);
    s[1] = wrap(s[1]);
    s[2] = fmin(fmax(s[2], -velocity1_max), velocity1_max);
    s[3] = fmin(fmax(s[3], -velocity2_max), velocity2_max);
    bool terminated = -cos(s[0]) - cos(s[1] + s[0]) > 1.0;
    *reward = terminated ? 0.0f : -1.0f;
    observe(s, observation);
    return terminated;
}

static const float high[6] = {1, 1, 1, 1, (float)(4 * M_PI), (float)(9 * M_PI)};
static const float low[6] = {-1, -1, -1, -1, (float)(-4 * M_PI), (float)(-9 * M_PI)};

const rlt_env_def rlt_env_acrobot = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "Acrobot-v1",
    .help = "Swing a two-link arm above the bar by torque at its elbow.",
    .observation_space = {RLT_SPACE_BOX, 6, low, high, NULL},
    .action_space = {RLT_SPACE_DISCRETE, 3, NULL, NULL, NULL},
    .max_episode_steps = 500,
    .reward_threshold = -100.0f,
    .state_size = sizeof(acrobot_state),
    .reset = reset,
    .step = step,
};
