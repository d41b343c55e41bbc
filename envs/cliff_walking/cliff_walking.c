/* CliffWalking-v1 and CliffWalkingSlippery-v1: Sutton and Barto, example 6.6, as in Gymnasium's
 * toy_text/cliffwalking.py. Thread: the owner's of the vector environment. */
#include "envs/cliff_walking/cliff_walking.h"

#include <math.h>

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    (void)rng;
    ((cliff_state *)state)->cell = CLIFF_START;
    observation[0] = CLIFF_START;
}

/* The cell reached from `cell` in `direction`: up, right, down, left; the edge holds. */
static int move(int cell, int direction) {
    int row = cell / CLIFF_COLUMNS, column = cell % CLIFF_COLUMNS;
    switch (direction) {
    case 0:
        row -= row > 0;
        break;
    case 1:
        column += column < CLIFF_COLUMNS - 1;
        break;
    case 2:
        row += row < CLIFF_ROWS - 1;
        break;
    default:
        column -= column > 0;
    }
    return row * CLIFF_COLUMNS + column;
}

static bool walk(cliff_state *s, int direction, float *observation, float *reward) {
    int cell = move(s->cell, direction);
    bool fell = cell > CLIFF_START && cell < CLIFF_GOAL;
    s->cell = fell ? CLIFF_START : cell;
    *reward = fell ? -100.0f : -1.0f;
    observation[0] = (float)s->cell;
    return s->cell == CLIFF_GOAL;
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    (void)context;
    (void)rng;
    return walk(state, *(const int32_t *)action, observation, reward);
}

/* As meant or to either side of that, a third each. */
static bool step_slippery(void *context, void *state, rlt_rng *rng, const void *action,
                          float *observation, float *reward) {
    (void)context;
    int slip = (int)rlt_rng_below(rng, 3) - 1;
    return walk(state, (*(const int32_t *)action + slip + 4) % 4, observation, reward);
}

const rlt_env_def rlt_env_cliff_walking = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "CliffWalking-v1",
    .help = "Walk along a cliff to the goal; a fall costs 100.",
    .observation_space = {RLT_SPACE_DISCRETE, CLIFF_ROWS *CLIFF_COLUMNS, NULL, NULL, NULL},
    .action_space = {RLT_SPACE_DISCRETE, 4, NULL, NULL, NULL},
    .max_episode_steps = 0,
    .reward_threshold = NAN,
    .state_size = sizeof(cliff_state),
    .reset = reset,
    .step = step,
};

const rlt_env_def rlt_env_cliff_walking_slippery = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "CliffWalkingSlippery-v1",
    .help = "CliffWalking where two moves in three go astray.",
    .observation_space = {RLT_SPACE_DISCRETE, CLIFF_ROWS *CLIFF_COLUMNS, NULL, NULL, NULL},
    .action_space = {RLT_SPACE_DISCRETE, 4, NULL, NULL, NULL},
    .max_episode_steps = 0,
    .reward_threshold = NAN,
    .state_size = sizeof(cliff_state),
    .reset = reset,
    .step = step_slippery,
};
