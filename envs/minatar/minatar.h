/* minatar: what the five games of MinAtar have in common (Young & Tian 2019, "MinAtar: An
 * Atari-Inspired Testbed"): a board of 10 x 10 cells seen as planes of zeros and ones, six actions
 * of which version 1 keeps those that a game uses, and sticky actions: one time in ten the action
 * before is done again. As in the authors' package, difficulty ramps; there is no time limit but
 * Freeway's own. Here an episode starts with no action before; there the last one of the episode
 * before remains. Thread: the owner's of the vector environment. */
#ifndef RLT_ENVS_MINATAR_H
#define RLT_ENVS_MINATAR_H
#include "env/env.h"

enum { MINATAR_SIDE = 10, MINATAR_CHANNELS_MAX = 10 };
enum { MINATAR_NONE, MINATAR_LEFT, MINATAR_UP, MINATAR_RIGHT, MINATAR_DOWN, MINATAR_FIRE };

/* The context of an environment's slots. */
typedef struct minatar_game {
    int channels;
    int8_t actions[6]; /* what each action of the environment does */
    /* planes[10][10][channels], of the state alone */
    void (*paint)(const void *state, float *planes);
} minatar_game;

/* What is done after all, for action number `action`; *last is the one before. One word of `rng`.
 */
static inline int minatar_action(const minatar_game *game, rlt_rng *rng, const void *action,
                                 int8_t *last) {
    bool sticks = rlt_rng_u32(rng) < UINT32_C(429496730); /* a tenth of 2^32 */
    *last = sticks ? *last : game->actions[*(const int32_t *)action];
    return *last;
}

/* Sets a cell of a plane; outside of the board: nothing. */
static inline void minatar_set(float *planes, int channels, int y, int x, int channel) {
    if (x >= 0 && x < MINATAR_SIDE && y >= 0 && y < MINATAR_SIDE) {
        planes[(y * MINATAR_SIDE + x) * channels + channel] = 1.0f;
    }
}

/* Sets the cells of a row whose bits are set. */
static inline void minatar_set_row(float *planes, int channels, int y, uint32_t bits, int channel) {
    for (; bits != 0; bits &= bits - 1) {
        minatar_set(planes, channels, y, __builtin_ctz(bits), channel);
    }
}

static inline int minatar_clamp(int x, int low, int high) {
    return x < low ? low : x > high ? high : x;
}

extern const float minatar_low[MINATAR_SIDE * MINATAR_SIDE * MINATAR_CHANNELS_MAX];
extern const float minatar_high[MINATAR_SIDE * MINATAR_SIDE * MINATAR_CHANNELS_MAX];

/* A definition called `title`; step and reset are the file's. */
#define MINATAR_ENV(title, text, game, count)                                                      \
    {                                                                                              \
        .api_version = RLT_ENV_API_VERSION, .name = "MinAtar/" title, .help = text,                \
        .observation_space = {RLT_SPACE_BOX, MINATAR_SIDE * MINATAR_SIDE * CHANNELS, minatar_low,  \
                              minatar_high, NULL},                                                 \
        .image = {MINATAR_SIDE, MINATAR_SIDE, CHANNELS},                                           \
        .action_space = {RLT_SPACE_DISCRETE, count, NULL, NULL, NULL}, .max_episode_steps = 0,     \
        .reward_threshold = NAN, .state_size = sizeof(state), .context = (void *)&(game),          \
        .reset = reset, .step = step,                                                              \
    }
#endif
