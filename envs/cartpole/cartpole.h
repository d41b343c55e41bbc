/* CartPole: its state, as the step file and the picture need it. Thread: plain data. */
#ifndef RLT_ENVS_CARTPOLE_H
#define RLT_ENVS_CARTPOLE_H
#include "env/env.h"

typedef struct cartpole_state {
    double x, x_dot, theta, theta_dot; /* m, m/s, rad, rad/s */
} cartpole_state;
#endif
