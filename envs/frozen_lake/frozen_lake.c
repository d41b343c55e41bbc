/* FrozenLake-v1 (4x4) and FrozenLake8x8-v1, slippery, as in Gymnasium's toy_text/frozen_lake.py:
 * a move goes where it was meant to or to either side of that, a third each.
 * Thread: the owner's of the vector environment. */
#include "envs/frozen_lake/frozen_lake.h"

static lake_map map_4x4 = {4, "SFFF"
                              "FHFH"
                              "FFFH"
                              "HFFG"};
static lake_map map_8x8 = {8, "SFFFFFFF"
                              "FFFFFFFF"
                              "FFFHFFFF"
                              "FFFFFHFF"
                              "FFFHFFFF"
                              "FHHFFFHF"
                              "FHFFHFHF"
                              "FFFHFFFG"};

static void reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    (void)rng;
    ((lake_state *)state)->cell = 0;
    observation[0] = 0.0f;
}

/* The cell reached from `cell` in `direction`: left, down, right, up; the edge holds. */
static int move(const lake_map *map, int cell, int direction) {
    int row = cell / map->side, column = cell % map->side, last = map->side - 1;
    switch (direction) {
    case 0:
        column -= column > 0;
        break;
    case 1:
        row += row < last;
        break;
    case 2:
        column += column < last;
        break;
    default:
        row -= row > 0;
    }
    return row * map->side + column;
}

static bool step(void *context, void *state, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    const lake_map *map = context;
    lake_state *s = state;
    bool over = map->cells[s->cell] == 'G' || map->cells[s->cell] == 'H';
    if (!over) {
        int slip = (int)rlt_rng_below(rng, 3) - 1;
        s->cell = move(map, s->cell, (*(const int32_t *)action + slip + 4) % 4);
    }
    char letter = map->cells[s->cell];
    *reward = letter == 'G' && !over ? 1.0f : 0.0f;
    observation[0] = (float)s->cell;
    return letter == 'G' || letter == 'H';
}

const rlt_env_def rlt_env_frozen_lake = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "FrozenLake-v1",
    .help = "Cross a slippery 4x4 lake without falling into a hole.",
    .observation_space = {RLT_SPACE_DISCRETE, 16, NULL, NULL, NULL},
    .action_space = {RLT_SPACE_DISCRETE, 4, NULL, NULL, NULL},
    .max_episode_steps = 100,
    .reward_threshold = 0.7f,
    .state_size = sizeof(lake_state),
    .context = &map_4x4,
    .reset = reset,
    .step = step,
};

const rlt_env_def rlt_env_frozen_lake_8x8 = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "FrozenLake8x8-v1",
    .help = "Cross a slippery 8x8 lake without falling into a hole.",
    .observation_space = {RLT_SPACE_DISCRETE, 64, NULL, NULL, NULL},
    .action_space = {RLT_SPACE_DISCRETE, 4, NULL, NULL, NULL},
    .max_episode_steps = 200,
    .reward_threshold = 0.85f,
    .state_size = sizeof(lake_state),
    .context = &map_8x8,
    .reset = reset,
    .step = step,
};
