/* MinAtar/SpaceInvaders: a cannon at the bottom shoots at a block of aliens that moves sideways,
 * and down at each edge; 1 for each alien. They shoot back, the nearest column at a time. A cleared
 * block is followed by one that moves faster. Thread: the owner's of the vector environment. */
#include "envs/minatar/minatar.h"

#include <math.h>
#include <string.h>

enum { CANNON, ALIEN, ALIEN_LEFT, ALIEN_RIGHT, FRIENDLY_BULLET, ENEMY_BULLET, CHANNELS };
enum { SHOT_PAUSE = 5, MOVE_INTERVAL = 12, MOVE_INTERVAL_MIN = 6, ENEMY_SHOT_INTERVAL = 10 };
enum { LAST = MINATAR_SIDE - 1, BLOCK = 0xfc, BLOCK_ROWS = 4 };

typedef struct state {
    int8_t last_action;
    int8_t cannon, direction;
    int8_t shot_timer, move_timer, enemy_shot_timer;
    int16_t move_interval;
    uint16_t aliens[MINATAR_SIDE], shots[MINATAR_SIDE], enemy_shots[MINATAR_SIDE]; /* by row */
} state;

static void paint(const void *from, float *planes) {
    const state *s = from;
    int facing = s->direction < 0 ? ALIEN_LEFT : ALIEN_RIGHT;
    memset(planes, 0, sizeof(float) * MINATAR_SIDE * MINATAR_SIDE * CHANNELS);
    minatar_set(planes, CHANNELS, LAST, s->cannon, CANNON);
    for (int y = 0; y < MINATAR_SIDE; y++) {
        minatar_set_row(planes, CHANNELS, y, s->aliens[y], ALIEN);
        minatar_set_row(planes, CHANNELS, y, s->aliens[y], facing);
        minatar_set_row(planes, CHANNELS, y, s->shots[y], FRIENDLY_BULLET);
        minatar_set_row(planes, CHANNELS, y, s->enemy_shots[y], ENEMY_BULLET);
    }
}

static void place_block(state *s) {
    for (int y = 0; y < BLOCK_ROWS; y++) {
        s->aliens[y] = BLOCK;
    }
}

static void reset(void *context, void *memory, rlt_rng *rng, float *observation) {
    (void)context;
    (void)rng;
    state *s = memory;
    *s = (state){.cannon = 5,
                 .direction = -1,
                 .move_timer = MOVE_INTERVAL,
                 .move_interval = MOVE_INTERVAL,
                 .enemy_shot_timer = ENEMY_SHOT_INTERVAL};
    place_block(s);
    paint(s, observation);
}

static int count_aliens(const state *s) {
    int count = 0;
    for (int y = 0; y < MINATAR_SIDE; y++) {
        count += __builtin_popcount(s->aliens[y]);
    }
    return count;
}

static void act(state *s, int action) {
    if (action == MINATAR_FIRE && s->shot_timer == 0) {
        s->shots[LAST] |= (uint16_t)(1u << s->cannon);
        s->shot_timer = SHOT_PAUSE;
    } else {
        int shift = (action == MINATAR_RIGHT) - (action == MINATAR_LEFT);
        s->cannon = (int8_t)minatar_clamp(s->cannon + shift, 0, LAST);
    }
}

static void move_shots(state *s) {
    for (int y = 0; y < LAST; y++) {
        s->shots[y] = s->shots[y + 1];
    }
    s->shots[LAST] = 0;
    for (int y = LAST; y > 0; y--) {
        s->enemy_shots[y] = s->enemy_shots[y - 1];
    }
    s->enemy_shots[0] = 0;
}

/* Sideways, or at an edge down with the other direction; whether they have landed. */
static bool move_aliens(state *s) {
    uint32_t columns = 0;
    for (int y = 0; y < MINATAR_SIDE; y++) {
        columns |= s->aliens[y];
    }
    bool at_edge = s->direction < 0 ? columns & 1 : columns >> LAST & 1;
    if (!at_edge) {
        for (int y = 0; y < MINATAR_SIDE; y++) {
            s->aliens[y] = (uint16_t)(s->direction < 0 ? s->aliens[y] >> 1 : s->aliens[y] << 1);
        }
        return false;
    }
    uint16_t bottom = s->aliens[LAST];
    s->direction = (int8_t)-s->direction;
    for (int y = LAST; y > 0; y--) {
        s->aliens[y] = s->aliens[y - 1];
    }
    s->aliens[0] = bottom; /* the board wraps around; the episode is over then */
    return bottom != 0;
}

/* The lowest alien of the column nearest to the cannon, of two the left one. */
static void shoot_back(state *s) {
    for (int distance = 0; distance < MINATAR_SIDE; distance++) {
        for (int side = -1; side <= 1; side += 2) {
            int x = s->cannon + side * distance;
            for (int y = LAST; y >= 0 && x >= 0 && x <= LAST; y--) {
                if (s->aliens[y] >> x & 1) {
                    s->enemy_shots[y] |= (uint16_t)(1u << x);
                    return;
                }
            }
        }
    }
}

static float hit_aliens(state *s) {
    int hits = 0;
    for (int y = 0; y < MINATAR_SIDE; y++) {
        uint16_t hit = s->aliens[y] & s->shots[y];
        hits += __builtin_popcount(hit);
        s->aliens[y] ^= hit;
        s->shots[y] ^= hit;
    }
    return (float)hits;
}

static bool at_cannon(const state *s, const uint16_t *rows) {
    return rows[LAST] >> s->cannon & 1;
}

static bool step(void *context, void *memory, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    state *s = memory;
    act(s, minatar_action(context, rng, action, &s->last_action));
    move_shots(s);
    bool over = at_cannon(s, s->enemy_shots) || at_cannon(s, s->aliens);
    if (s->move_timer == 0) {
        int aliens = count_aliens(s);
        s->move_timer = (int8_t)(aliens < s->move_interval ? aliens : s->move_interval);
        over |= move_aliens(s);
        over |= at_cannon(s, s->aliens);
    }
    if (s->enemy_shot_timer == 0) {
        s->enemy_shot_timer = ENEMY_SHOT_INTERVAL;
        shoot_back(s);
    }
    *reward = hit_aliens(s);
    s->shot_timer -= s->shot_timer > 0;
    s->move_timer--;
    s->enemy_shot_timer--;
    if (count_aliens(s) == 0) {
        s->move_interval -= s->move_interval > MOVE_INTERVAL_MIN;
        place_block(s);
    }
    paint(s, observation);
    return over;
}

static const char help[] = "Shoot a block of aliens before it lands.";
static const minatar_game all = {CHANNELS, {0, 1, 2, 3, 4, 5}, paint};
static const minatar_game used = {
    CHANNELS, {MINATAR_NONE, MINATAR_LEFT, MINATAR_RIGHT, MINATAR_FIRE}, paint};
const rlt_env_def rlt_env_minatar_space_invaders_v0 = MINATAR_ENV("SpaceInvaders-v0", help, all, 6);
const rlt_env_def rlt_env_minatar_space_invaders = MINATAR_ENV("SpaceInvaders-v1", help, used, 4);
