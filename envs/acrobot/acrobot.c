/* Acrobot-v1: Sutton (1996), the "book" equations, as in Gymnasium's classic_control/acrobot.py:
 * one Runge-Kutta step of 0.2 s in float64. Thread: the owner's of the vector environment. */
#include "envs/common/lanes.h"
#include "envs/acrobot/acrobot.h"

#include <math.h>

static const double dt = 0.2, velocity1_max = 4 * M_PI, velocity2_max = 9 * M_PI;

typedef struct trig {
    double sin1, cos1, sin2, cos2; /* of theta1 and theta2 */
} trig;

RLT_LANE trig trig_of(const double s[4]) {
    trig t;
    rlt_lane_sincos(s[0], &t.sin1, &t.cos1);
    rlt_lane_sincos(s[1], &t.sin2, &t.cos2);
    return t;
}

static void observe(const double s[4], float *observation) {
    trig t = trig_of(s);
    observation[0] = (float)t.cos1;
    observation[1] = (float)t.sin1;
    observation[2] = (float)t.cos2;
    observation[3] = (float)t.sin2;
    observation[4] = (float)s[2];
    observation[5] = (float)s[3];
}

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    double *s = ((acrobot_state *)state)->s, draw[4];
    rlt_rng_fill_f64(rng, draw, 4);
    for (int i = 0; i < 4; i++) {
        s[i] = (float)(-0.1 + 0.2 * draw[i]);
    }
    observe(s, observation);
}

/* d/dt of the state under `torque`; links of mass, length and moment of inertia 1, centres at 0.5.
 * The reference's cos(x - pi / 2) is sin(x) here, the sine of the sum by the addition theorem. */
RLT_LANE void derive(const double s[4], double torque, double out[4]) {
    const double lc = 0.5, g = 9.8;
    trig t = trig_of(s);
    double v1 = s[2], v2 = s[3];
    double d1 = lc * lc + (1.0 + lc * lc + 2 * lc * t.cos2) + 1.0 + 1.0;
    double d2 = (lc * lc + lc * t.cos2) + 1.0;
    double phi2 = lc * g * (t.sin1 * t.cos2 + t.cos1 * t.sin2);
    double phi1 =
        -lc * (v2 * v2) * t.sin2 - 2 * lc * v2 * v1 * t.sin2 + (lc + 1.0) * g * t.sin1 + phi2;
    double ratio = d2 / d1;
    double a2 =
        (torque + ratio * phi1 - lc * (v1 * v1) * t.sin2 - phi2) / (lc * lc + 1.0 - d2 * ratio);
    out[0] = v1;
    out[1] = v2;
    out[2] = -(d2 * a2 + phi1) / d1;
    out[3] = a2;
}

/* y = s + h k */
RLT_LANE void along(const double s[4], double h, const double k[4], double y[4]) {
    y[0] = s[0] + h * k[0];
    y[1] = s[1] + h * k[1];
    y[2] = s[2] + h * k[2];
    y[3] = s[3] + h * k[3];
}

RLT_LANE double combine(double s, double k1, double k2, double k3, double k4) {
    return s + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4);
}

/* One step by Runge and Kutta under `torque` (-1, 0 or 1), angles wrapped, velocities clamped. */
RLT_LANE void advance(double s[4], double torque) {
    double k1[4], k2[4], k3[4], k4[4], y[4];
    derive(s, torque, k1);
    along(s, dt / 2.0, k1, y);
    derive(y, torque, k2);
    along(s, dt / 2.0, k2, y);
    derive(y, torque, k3);
    along(s, dt, k3, y);
    derive(y, torque, k4);
    s[0] = rlt_lane_wrap(combine(s[0], k1[0], k2[0], k3[0], k4[0]));
    s[1] = rlt_lane_wrap(combine(s[1], k1[1], k2[1], k3[1], k4[1]));
    s[2] = rlt_lane_clamp(combine(s[2], k1[2], k2[2], k3[2], k4[2]), -velocity1_max, velocity1_max);
    s[3] = rlt_lane_clamp(combine(s[3], k1[3], k2[3], k3[3], k4[3]), -velocity2_max, velocity2_max);
}

/* Whether the tip is above the bar: -cos(theta1) - cos(theta1 + theta2) > 1. */
RLT_LANE bool above(double sin1, double cos1, double sin2, double cos2) {
    return -cos1 - (cos1 * cos2 - sin1 * sin2) > 1.0;
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    double *s = ((acrobot_state *)state)->s;
    advance(s, *(const int32_t *)action - 1.0);
    trig t = trig_of(s);
    bool terminated = above(t.sin1, t.cos1, t.sin2, t.cos2);
    *reward = terminated ? 0.0f : -1.0f;
    observe(s, observation);
    return terminated;
}

RLT_LANE void step_many_body(const rlt_env_block *block) {
    enum { L = RLT_ENV_LANES };
    double *restrict state = block->state;
    const int32_t *restrict action = block->action;
    float *restrict observation = block->observation, *restrict reward = block->reward;
    uint8_t *restrict terminated = block->terminated;
    double sin1[L], cos1[L], sin2[L], cos2[L];
    int lanes = rlt_lanes_padded(block);
    for (int i = 0; i < lanes; i++) {
        double s[4] = {state[i], state[L + i], state[2 * L + i], state[3 * L + i]};
        advance(s, action[i] - 1.0);
        state[i] = s[0];
        state[L + i] = s[1];
        state[2 * L + i] = s[2];
        state[3 * L + i] = s[3];
        rlt_lane_sincos(s[0], &sin1[i], &cos1[i]);
        rlt_lane_sincos(s[1], &sin2[i], &cos2[i]);
    }
    for (int i = 0; i < lanes; i++) {
        observation[6 * i] = (float)cos1[i];
        observation[6 * i + 1] = (float)sin1[i];
        observation[6 * i + 2] = (float)cos2[i];
        observation[6 * i + 3] = (float)sin2[i];
        observation[6 * i + 4] = (float)state[2 * L + i];
        observation[6 * i + 5] = (float)state[3 * L + i];
    }
    for (int i = 0; i < lanes; i++) {
        terminated[i] = above(sin1[i], cos1[i], sin2[i], cos2[i]);
        reward[i] = terminated[i] ? 0.0f : -1.0f;
    }
}
RLT_LANES_STEP_MANY(step_many)

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
    .step_many = step_many,
    .lane_word = sizeof(double),
};
