/* MountainCarContinuous: its state, as the step file and the picture need it. Thread: plain data.
 */
#ifndef RLT_ENVS_MOUNTAIN_CAR_CONTINUOUS_H
#define RLT_ENVS_MOUNTAIN_CAR_CONTINUOUS_H
#include "env/env.h"

typedef struct car_state {
    float position, velocity;
} car_state;
#endif
