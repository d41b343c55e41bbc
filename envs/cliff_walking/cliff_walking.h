/* CliffWalking: its state, as the step file and the picture need it. Thread: plain data. */
#ifndef RLT_ENVS_CLIFF_WALKING_H
#define RLT_ENVS_CLIFF_WALKING_H
#include "env/env.h"

enum { CLIFF_ROWS = 4, CLIFF_COLUMNS = 12, CLIFF_START = 36, CLIFF_GOAL = 47 };

typedef struct cliff_state {
    int32_t cell; /* row * 12 + column */
} cliff_state;
#endif
