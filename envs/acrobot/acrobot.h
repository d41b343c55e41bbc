/* Acrobot: its state, as the step file and the picture need it. Thread: plain data. */
#ifndef RLT_ENVS_ACROBOT_H
#define RLT_ENVS_ACROBOT_H
#include "env/env.h"

/* theta1, theta2 (rad), their velocities (rad/s) */
typedef struct acrobot_state {
    double s[4];
} acrobot_state;
#endif
