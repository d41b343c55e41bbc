/* MountainCar: its state, as the step file and the picture need it. Thread: plain data. */
#ifndef RLT_ENVS_MOUNTAIN_CAR_H
#define RLT_ENVS_MOUNTAIN_CAR_H
#include "env/env.h"

typedef struct mountain_car_state {
    double position, velocity;
} mountain_car_state;
#endif
