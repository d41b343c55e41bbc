/* Pendulum: its state, as the step file and the picture need it. Thread: plain data. */
#ifndef RLT_ENVS_PENDULUM_H
#define RLT_ENVS_PENDULUM_H
#include "env/env.h"

typedef struct pendulum_state {
    double theta, theta_dot; /* rad from upright, rad/s */
} pendulum_state;
#endif
