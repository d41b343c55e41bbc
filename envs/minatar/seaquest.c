/* MinAtar/Seaquest: a submarine shoots fish and other submarines (1 each), picks up divers, and has
 * to surface with one of them before its oxygen ends; with six of them that gives 1 for each cell
 * of oxygen left. Each time, enemies come and move faster. The authors' lists are kept in their
 * order, with their rule that what is removed is the first entry equal to the one meant. No list
 * can outgrow its array: at most one enemy a step comes, and none stays for more than ten moves of
 * six steps. Thread: the owner's of the vector environment. */
#include "envs/minatar/minatar.h"

#include <math.h>
#include <string.h>

enum {
    SUB_FRONT,
    SUB_BACK,
    FRIENDLY_BULLET,
    TRAIL,
    ENEMY_BULLET,
    ENEMY_FISH,
    ENEMY_SUB,
    OXYGEN_GAUGE,
    DIVER_GAUGE,
    DIVER,
    CHANNELS
};
enum { MAX_OXYGEN = 200, SPAWN_SPEED = 20, DIVER_SPAWN_SPEED = 30, MOVE_INTERVAL = 5 };
enum { SHOT_PAUSE = 5, ENEMY_SHOT_INTERVAL = 10, DIVERS_MAX = 6, SURFACE = 0, DEEPEST = 8 };
enum { THINGS_MAX = 72 };

typedef struct thing {
    int8_t x, y, right, move_timer, shot_timer; /* 0 where a kind has no such timer */
} thing;

typedef struct list {
    thing things[THINGS_MAX];
    int8_t count;
} list;

typedef struct state {
    int8_t last_action;
    int8_t x, y, right;
    int8_t spawn_speed, spawn_timer, diver_timer, move_speed, shot_timer;
    int8_t ramp_odd; /* so many ramps so far, modulo 2 */
    int16_t surfaced, oxygen, divers_aboard;
    list shots, enemy_shots, fish, subs, divers;
} state;

/* ---- lists ---- */

static void append(list *l, thing t) {
    if (l->count < THINGS_MAX) {
        l->things[l->count++] = t;
    }
}

static void remove_at(list *l, int i) {
    l->count--;
    memmove(&l->things[i], &l->things[i + 1], sizeof(thing) * (size_t)(l->count - i));
}

/* Returns where the entry was. */
static int remove_equal(list *l, thing t) {
    int i = 0;
    while (memcmp(&l->things[i], &t, sizeof t) != 0) {
        i++;
    }
    remove_at(l, i);
    return i;
}

/* The first at (x, y), or -1. */
static int find(const list *l, int x, int y) {
    for (int i = 0; i < l->count; i++) {
        if (l->things[i].x == x && l->things[i].y == y) {
            return i;
        }
    }
    return -1;
}

static bool at_player(const state *s, const thing *t) {
    return t->x == s->x && t->y == s->y;
}

static bool advance(thing *t) {
    t->x = (int8_t)(t->x + (t->right ? 1 : -1));
    return t->x >= 0 && t->x < MINATAR_SIDE;
}

/* ---- planes ---- */

static void paint_things(const list *l, int channel, bool trail, float *planes) {
    for (int i = 0; i < l->count; i++) {
        const thing *t = &l->things[i];
        minatar_set(planes, CHANNELS, t->y, t->x, channel);
        if (trail) {
            minatar_set(planes, CHANNELS, t->y, t->right ? t->x - 1 : t->x + 1, TRAIL);
        }
    }
}

static void paint(const void *from, float *planes) {
    const state *s = from;
    memset(planes, 0, sizeof(float) * MINATAR_SIDE * MINATAR_SIDE * CHANNELS);
    minatar_set(planes, CHANNELS, s->y, s->x, SUB_FRONT);
    minatar_set(planes, CHANNELS, s->y, s->right ? s->x - 1 : s->x + 1, SUB_BACK);
    int air = s->oxygen > 0 ? s->oxygen * 10 / MAX_OXYGEN : 0;
    for (int x = 0; x < air; x++) {
        minatar_set(planes, CHANNELS, 9, x, OXYGEN_GAUGE);
    }
    for (int i = 0; i < s->divers_aboard; i++) {
        minatar_set(planes, CHANNELS, 9, 8 - i, DIVER_GAUGE);
    }
    paint_things(&s->shots, FRIENDLY_BULLET, false, planes);
    paint_things(&s->enemy_shots, ENEMY_BULLET, false, planes);
    paint_things(&s->fish, ENEMY_FISH, true, planes);
    paint_things(&s->subs, ENEMY_SUB, true, planes);
    paint_things(&s->divers, DIVER, true, planes);
}

static void reset(void *context, void *memory, rlt_rng *rng, float *observation) {
    (void)context;
    (void)rng;
    state *s = memory;
    memset(s, 0, sizeof *s);
    s->oxygen = MAX_OXYGEN;
    s->x = 5;
    s->spawn_speed = s->spawn_timer = SPAWN_SPEED;
    s->diver_timer = DIVER_SPAWN_SPEED;
    s->move_speed = MOVE_INTERVAL;
    s->surfaced = 1;
    paint(s, observation);
}

/* ---- what comes ---- */

/* Whether something in row y goes the other way. */
static bool row_taken(const list *l, int y, bool right) {
    for (int i = 0; i < l->count; i++) {
        if (l->things[i].y == y && l->things[i].right != right) {
            return true;
        }
    }
    return false;
}

static void spawn_enemy(state *s, rlt_rng *rng) {
    bool right = rlt_rng_f64(rng) < 0.5;
    bool sub = rlt_rng_f64(rng) < 1.0 / 3.0;
    int y = 1 + (int)rlt_rng_below(rng, 8);
    thing t = {right ? 0 : 9, (int8_t)y, right, s->move_speed, sub ? ENEMY_SHOT_INTERVAL : 0};
    if (!row_taken(&s->subs, y, right) && !row_taken(&s->fish, y, right)) {
        append(sub ? &s->subs : &s->fish, t);
    }
}

static void spawn_diver(state *s, rlt_rng *rng) {
    bool right = rlt_rng_f64(rng) < 0.5;
    int y = 1 + (int)rlt_rng_below(rng, 8);
    append(&s->divers, (thing){right ? 0 : 9, (int8_t)y, right, MOVE_INTERVAL, 0});
}

static void spawn(state *s, rlt_rng *rng) {
    if (s->spawn_timer == 0) {
        spawn_enemy(s, rng);
        s->spawn_timer = s->spawn_speed;
    }
    if (s->diver_timer == 0) {
        spawn_diver(s, rng);
        s->diver_timer = DIVER_SPAWN_SPEED;
    }
}

/* ---- what moves ---- */

static void act(state *s, int action) {
    if (action == MINATAR_FIRE && s->shot_timer == 0) {
        append(&s->shots, (thing){s->x, s->y, s->right, 0, 0});
        s->shot_timer = SHOT_PAUSE;
        return;
    }
    s->x = (int8_t)minatar_clamp(s->x + (action == MINATAR_RIGHT) - (action == MINATAR_LEFT), 0,
                                 MINATAR_SIDE - 1);
    s->y = (int8_t)minatar_clamp(s->y + (action == MINATAR_DOWN) - (action == MINATAR_UP), SURFACE,
                                 DEEPEST);
    s->right = action == MINATAR_RIGHT || (s->right && action != MINATAR_LEFT);
}

static void move_shots(state *s, float *reward) {
    for (int i = s->shots.count - 1; i >= 0; i--) {
        thing *shot = &s->shots.things[i];
        if (!advance(shot)) {
            remove_equal(&s->shots, *shot);
            continue;
        }
        list *hit = &s->fish;
        int target = find(hit, shot->x, shot->y);
        if (target < 0) {
            hit = &s->subs;
            target = find(hit, shot->x, shot->y);
        }
        if (target >= 0) {
            remove_at(hit, target);
            remove_equal(&s->shots, *shot);
            *reward += 1.0f;
        }
    }
}

static void move_divers(state *s) {
    for (int i = s->divers.count - 1; i >= 0; i--) {
        thing *t = &s->divers.things[i];
        bool room = s->divers_aboard < DIVERS_MAX;
        bool taken = room && at_player(s, t), gone = false;
        if (!taken && t->move_timer == 0) {
            t->move_timer = MOVE_INTERVAL;
            gone = !advance(t);
            taken = !gone && room && at_player(s, t);
        } else if (!taken) {
            t->move_timer--;
        }
        s->divers_aboard += taken;
        if (taken || gone) {
            remove_equal(&s->divers, *t);
        }
    }
}

/* Moves entry i of fish or submarines when its time has come: off the board, into the player (which
 * ends the episode) or into a shot. Returns the entry, in *gone where it has left the list. */
static thing *move_enemy(state *s, list *l, int i, float *reward, bool *over, thing *gone) {
    thing *t = &l->things[i];
    bool leaves = false;
    *over |= at_player(s, t);
    if (t->move_timer > 0) {
        t->move_timer--;
        return t;
    }
    t->move_timer = s->move_speed;
    if (!advance(t)) {
        leaves = true;
    } else if (at_player(s, t)) {
        *over = true;
    } else {
        int shot = find(&s->shots, t->x, t->y);
        leaves = shot >= 0;
        if (leaves) {
            remove_at(&s->shots, shot);
            *reward += 1.0f;
        }
    }
    if (!leaves) {
        return t;
    }
    *gone = *t;
    return remove_equal(l, *gone) < i ? &l->things[i - 1] : gone;
}

static bool move_subs(state *s, float *reward) {
    bool over = false;
    for (int i = s->subs.count - 1; i >= 0; i--) {
        thing gone, *t = move_enemy(s, &s->subs, i, reward, &over, &gone);
        if (t->shot_timer == 0) {
            t->shot_timer = ENEMY_SHOT_INTERVAL;
            append(&s->enemy_shots, (thing){t->x, t->y, t->right, 0, 0});
        } else {
            t->shot_timer--;
        }
    }
    return over;
}

static bool move_enemy_shots(state *s) {
    bool over = false;
    for (int i = s->enemy_shots.count - 1; i >= 0; i--) {
        thing *t = &s->enemy_shots.things[i];
        over |= at_player(s, t);
        if (!advance(t)) {
            remove_equal(&s->enemy_shots, *t);
        } else {
            over |= at_player(s, t);
        }
    }
    return over;
}

static bool move_fish(state *s, float *reward) {
    bool over = false;
    for (int i = s->fish.count - 1; i >= 0; i--) {
        thing gone;
        move_enemy(s, &s->fish, i, reward, &over, &gone);
    }
    return over;
}

/* ---- oxygen ---- */

/* With six divers all leave, and one more as always: what is left is -1, as in the authors' code.
 */
static float surface(state *s) {
    float reward = 0.0f;
    if (s->divers_aboard == DIVERS_MAX) {
        s->divers_aboard = 0;
        reward = (float)(s->oxygen * 10 / MAX_OXYGEN);
    }
    s->oxygen = MAX_OXYGEN;
    s->divers_aboard--;
    if (s->spawn_speed > 1 || s->move_speed > 2) {
        s->move_speed -= s->move_speed > 2 && s->ramp_odd;
        s->spawn_speed -= s->spawn_speed > 1;
        s->ramp_odd ^= 1;
    }
    return reward;
}

static bool breathe(state *s, float *reward) {
    bool over = s->oxygen <= 0;
    if (s->y > SURFACE) {
        s->oxygen--;
        s->surfaced = 0;
    } else if (!s->surfaced && s->divers_aboard == 0) {
        over = true;
    } else if (!s->surfaced) {
        s->surfaced = 1;
        *reward += surface(s);
    }
    return over;
}

static bool step(void *context, void *memory, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    state *s = memory;
    int done = minatar_action(context, rng, action, &s->last_action);
    *reward = 0.0f;
    spawn(s, rng);
    act(s, done);
    move_shots(s, reward);
    move_divers(s);
    bool over = move_subs(s, reward);
    over |= move_enemy_shots(s);
    over |= move_fish(s, reward);
    s->spawn_timer -= s->spawn_timer > 0;
    s->diver_timer -= s->diver_timer > 0;
    s->shot_timer -= s->shot_timer > 0;
    over |= breathe(s, reward);
    paint(s, observation);
    return over;
}

static const char help[] = "Shoot what swims, save divers, surface in time.";
static const minatar_game all = {CHANNELS, {0, 1, 2, 3, 4, 5}, paint};
const rlt_env_def rlt_env_minatar_seaquest_v0 = MINATAR_ENV("Seaquest-v0", help, all, 6);
const rlt_env_def rlt_env_minatar_seaquest = MINATAR_ENV("Seaquest-v1", help, all, 6);
