/* Taxi-v3 and Taxi-v4: Dietterich (2000), as in Gymnasium's toy_text/taxi.py without rain and with
 * a steady passenger, where the two versions are the same.
 * Thread: the owner's of the vector environment. */
#include "envs/taxi/taxi.h"

static int32_t encode(int32_t cell, int32_t passenger, int32_t destination) {
    return (cell * 5 + passenger) * 4 + destination;
}

/* Any cell, any stop for the passenger, another one for the destination: 300 states. */
static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    uint32_t draw = rlt_rng_below(rng, 300);
    int32_t passenger = (int32_t)(draw / 3 % 4), destination = (int32_t)(draw % 3);
    destination += destination >= passenger;
    ((taxi_state *)state)->code = encode((int32_t)(draw / 12), passenger, destination);
    observation[0] = (float)((taxi_state *)state)->code;
}

static int32_t drive(int32_t cell, int32_t action) {
    int32_t row = cell / 5, column = cell % 5;
    switch (action) {
    case 0:
        return row < 4 ? cell + 5 : cell;
    case 1:
        return row > 0 ? cell - 5 : cell;
    case 2:
        return taxi_walls[row][2 * column + 2] == ':' ? cell + 1 : cell;
    default:
        return taxi_walls[row][2 * column] == ':' ? cell - 1 : cell;
    }
}

static int32_t stop_at(int32_t cell) {
    for (int32_t i = 0; i < 4; i++) {
        if (taxi_stops[i] == cell) {
            return i;
        }
    }
    return -1;
}

/* Sets the passenger down: 20 at the destination, -1 at another stop, -10 elsewhere. */
static bool drop_off(int32_t cell, int32_t *passenger, int32_t destination, float *reward) {
    int32_t stop = stop_at(cell);
    if (*passenger != TAXI_ABOARD || stop < 0) {
        *reward = -10.0f;
        return false;
    }
    *passenger = stop;
    *reward = stop == destination ? 20.0f : -1.0f;
    return stop == destination;
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    taxi_state *s = state;
    int32_t move = *(const int32_t *)action;
    int32_t destination = s->code % 4, passenger = s->code / 4 % 5, cell = s->code / 20;
    bool terminated = false;
    *reward = -1.0f;
    if (move < 4) {
        cell = drive(cell, move);
    } else if (move == 5) {
        terminated = drop_off(cell, &passenger, destination, reward);
    } else if (passenger != TAXI_ABOARD && taxi_stops[passenger] == cell) {
        passenger = TAXI_ABOARD;
    } else {
        *reward = -10.0f;
    }
    s->code = encode(cell, passenger, destination);
    observation[0] = (float)s->code;
    return terminated;
}

#define TAXI(version)                                                                              \
    {                                                                                              \
        .api_version = RLT_ENV_API_VERSION, .name = "Taxi-" version,                               \
        .help = "Fetch a passenger by taxi and set them down at their stop.",                      \
        .observation_space = {RLT_SPACE_DISCRETE, 500, NULL, NULL, NULL},                          \
        .action_space = {RLT_SPACE_DISCRETE, 6, NULL, NULL, NULL}, .max_episode_steps = 200,       \
        .reward_threshold = 8.0f, .state_size = sizeof(taxi_state), .reset = reset, .step = step,  \
    }

const rlt_env_def rlt_env_taxi = TAXI("v3");
const rlt_env_def rlt_env_taxi_v4 = TAXI("v4");
