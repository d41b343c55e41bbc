/* MinAtar/Asterix: things cross the board in eight rows; gold gives 1, an enemy ends the episode.
 * They come and move faster by and by. Thread: the owner's of the vector environment. */
#include "envs/minatar/minatar.h"

#include <math.h>
#include <string.h>

enum { PLAYER, ENEMY, TRAIL, GOLD, CHANNELS };
enum { ROWS = 8, SPAWN_SPEED = 10, MOVE_INTERVAL = 5, RAMP_INTERVAL = 100 };

typedef struct thing {
    int8_t there, x, right, gold; /* in row 1 + its place in the list */
} thing;

typedef struct state {
    int8_t last_action;
    int8_t x, y;
    int8_t spawn_speed, spawn_timer, move_speed, move_timer, ramp_timer;
    int8_t ramp_odd; /* so many ramps so far, modulo 2 */
    thing things[ROWS];
} state;

static void paint(const void *from, float *planes) {
    const state *s = from;
    memset(planes, 0, sizeof(float) * MINATAR_SIDE * MINATAR_SIDE * CHANNELS);
    minatar_set(planes, CHANNELS, s->y, s->x, PLAYER);
    for (int i = 0; i < ROWS; i++) {
        const thing *t = &s->things[i];
        if (t->there) {
            minatar_set(planes, CHANNELS, i + 1, t->x, t->gold ? GOLD : ENEMY);
            minatar_set(planes, CHANNELS, i + 1, t->right ? t->x - 1 : t->x + 1, TRAIL);
        }
    }
}

static void reset(void *context, void *memory, rlt_rng *rng, float *observation) {
    (void)context;
    (void)rng;
    state *s = memory;
    *s = (state){.x = 5,
                 .y = 5,
                 .spawn_speed = SPAWN_SPEED,
                 .spawn_timer = SPAWN_SPEED,
                 .move_speed = MOVE_INTERVAL,
                 .move_timer = MOVE_INTERVAL,
                 .ramp_timer = RAMP_INTERVAL};
    paint(s, observation);
}

static void spawn(state *s, rlt_rng *rng) {
    bool right = rlt_rng_f64(rng) < 0.5;
    bool gold = rlt_rng_f64(rng) < 1.0 / 3.0;
    uint32_t open = 0;
    for (int i = 0; i < ROWS; i++) {
        open += !s->things[i].there;
    }
    if (open == 0) {
        return;
    }
    uint32_t nth = rlt_rng_below(rng, open);
    int i = 0;
    while (s->things[i].there || nth-- > 0) {
        i++;
    }
    s->things[i] = (thing){1, right ? 0 : 9, right, gold};
}

/* Things where the player is: gold is taken, an enemy ends the episode. */
static bool touch(state *s, int i, float *reward) {
    thing *t = &s->things[i];
    if (!t->there || t->x != s->x || i + 1 != s->y) {
        return false;
    }
    *reward += t->gold ? 1.0f : 0.0f;
    t->there = !t->gold;
    return !t->gold;
}

static bool move_things(state *s, float *reward) {
    bool over = false;
    for (int i = 0; i < ROWS; i++) {
        over |= touch(s, i, reward);
    }
    if (s->move_timer > 0) {
        return over;
    }
    s->move_timer = s->move_speed;
    for (int i = 0; i < ROWS; i++) {
        thing *t = &s->things[i];
        t->x = (int8_t)(t->x + (t->right ? 1 : -1) * t->there);
        t->there &= t->x >= 0 && t->x < MINATAR_SIDE;
        over |= touch(s, i, reward);
    }
    return over;
}

static void ramp(state *s) {
    if (s->spawn_speed <= 1 && s->move_speed <= 1) {
        return;
    }
    if (s->ramp_timer >= 0) {
        s->ramp_timer--;
        return;
    }
    s->move_speed -= s->move_speed > 1 && s->ramp_odd;
    s->spawn_speed -= s->spawn_speed > 1;
    s->ramp_odd ^= 1;
    s->ramp_timer = RAMP_INTERVAL;
}

static bool step(void *context, void *memory, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    state *s = memory;
    int move = minatar_action(context, rng, action, &s->last_action);
    if (s->spawn_timer == 0) {
        spawn(s, rng);
        s->spawn_timer = s->spawn_speed;
    }
    s->x = (int8_t)minatar_clamp(s->x + (move == MINATAR_RIGHT) - (move == MINATAR_LEFT), 0, 9);
    s->y = (int8_t)minatar_clamp(s->y + (move == MINATAR_DOWN) - (move == MINATAR_UP), 1, 8);
    *reward = 0.0f;
    bool over = move_things(s, reward);
    s->spawn_timer--;
    s->move_timer--;
    ramp(s);
    paint(s, observation);
    return over;
}

static const char help[] = "Take gold that passes by, touch no enemy.";
static const minatar_game all = {CHANNELS, {0, 1, 2, 3, 4, 5}, paint};
static const minatar_game used = {
    CHANNELS, {MINATAR_NONE, MINATAR_LEFT, MINATAR_UP, MINATAR_RIGHT, MINATAR_DOWN}, paint};
const rlt_env_def rlt_env_minatar_asterix_v0 = MINATAR_ENV("Asterix-v0", help, all, 6);
const rlt_env_def rlt_env_minatar_asterix = MINATAR_ENV("Asterix-v1", help, used, 5);
