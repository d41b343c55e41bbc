/* FrozenLake: its state, as the step file and the picture need it. Thread: plain data. */
#ifndef RLT_ENVS_FROZEN_LAKE_H
#define RLT_ENVS_FROZEN_LAKE_H
#include "env/env.h"

typedef struct lake_map {
    int side;
    const char *cells; /* [side][side]: Start, Frozen, Hole, Goal */
} lake_map;

typedef struct lake_state {
    int32_t cell; /* row * side + column */
} lake_state;
#endif
