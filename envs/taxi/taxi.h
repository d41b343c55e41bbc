/* Taxi: its state, as the step file and the picture need it. Thread: plain data. */
#ifndef RLT_ENVS_TAXI_H
#define RLT_ENVS_TAXI_H
#include "env/env.h"

enum { TAXI_ABOARD = 4 };

typedef struct taxi_state {
    int32_t code; /* ((row * 5 + column) * 5 + passenger) * 4 + destination */
} taxi_state;

/* ':' between two cells of a row lets the taxi pass, '|' doesn't. */
static const char *const taxi_walls[5] = {"|R: | : :G|", "| : | : : |", "| : : : : |",
                                          "| | : | : |", "|Y| : |B: |"};
static const int32_t taxi_stops[4] = {0, 4, 20,
                                      23}; /* red, green, yellow, blue: row * 5 + column */
#endif
