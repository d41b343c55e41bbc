/* MinAtar/Freeway: a chicken crosses eight lanes; 1 for each time it gets to the top, where it
 * starts again with other speeds of the cars. One that hits it sends it back. 2501 steps. Thread:
 * the owner's of the vector environment. */
#include "envs/minatar/minatar.h"

#include <math.h>
#include <string.h>

enum { CHICKEN, CAR, SPEED_1, CHANNELS = SPEED_1 + 5 };
enum { CARS = 8, COLUMN = 4, BOTTOM = 9, PLAYER_PAUSE = 3, TIME_LIMIT = 2500 };

typedef struct state {
    int8_t last_action;
    int8_t y;
    int8_t car_x[CARS], car_timer[CARS], car_speed[CARS]; /* speed: steps between moves, signed */
    int16_t move_timer, time_left;
} state;

static void paint(const void *from, float *planes) {
    const state *s = from;
    memset(planes, 0, sizeof(float) * MINATAR_SIDE * MINATAR_SIDE * CHANNELS);
    minatar_set(planes, CHANNELS, s->y, COLUMN, CHICKEN);
    for (int i = 0; i < CARS; i++) {
        int speed = s->car_speed[i], back = (s->car_x[i] + (speed > 0 ? 9 : 1)) % MINATAR_SIDE;
        minatar_set(planes, CHANNELS, i + 1, s->car_x[i], CAR);
        minatar_set(planes, CHANNELS, i + 1, back, SPEED_1 - 1 + (speed > 0 ? speed : -speed));
    }
}

static void draw_speeds(state *s, rlt_rng *rng) {
    for (int i = 0; i < CARS; i++) {
        s->car_timer[i] = (int8_t)(1 + rlt_rng_below(rng, 5));
    }
    for (int i = 0; i < CARS; i++) {
        bool right = rlt_rng_f64(rng) > 0.5;
        s->car_speed[i] = (int8_t)(right ? s->car_timer[i] : -s->car_timer[i]);
    }
}

static void reset(void *context, void *memory, rlt_rng *rng, float *observation) {
    (void)context;
    state *s = memory;
    *s = (state){.y = BOTTOM, .move_timer = PLAYER_PAUSE, .time_left = TIME_LIMIT};
    draw_speeds(s, rng);
    paint(s, observation);
}

static void hit(state *s, int i) {
    s->y = s->car_x[i] == COLUMN && i + 1 == s->y ? BOTTOM : s->y;
}

static void move_cars(state *s) {
    for (int i = 0; i < CARS; i++) {
        hit(s, i);
        if (s->car_timer[i] > 0) {
            s->car_timer[i]--;
            continue;
        }
        int speed = s->car_speed[i];
        s->car_timer[i] = (int8_t)(speed > 0 ? speed : -speed);
        s->car_x[i] = (int8_t)((s->car_x[i] + (speed > 0 ? 1 : 9)) % MINATAR_SIDE);
        hit(s, i);
    }
}

static bool step(void *context, void *memory, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    state *s = memory;
    int move = minatar_action(context, rng, action, &s->last_action);
    if (s->move_timer == 0 && (move == MINATAR_UP || move == MINATAR_DOWN)) {
        s->move_timer = PLAYER_PAUSE;
        s->y = (int8_t)minatar_clamp(s->y + (move == MINATAR_DOWN ? 1 : -1), 0, BOTTOM);
    }
    *reward = 0.0f;
    if (s->y == 0) {
        *reward = 1.0f;
        draw_speeds(s, rng);
        s->y = BOTTOM;
    }
    move_cars(s);
    s->move_timer -= s->move_timer > 0;
    s->time_left--;
    paint(s, observation);
    return s->time_left < 0;
}

static const char help[] = "Cross eight lanes of cars, as often as time allows.";
static const minatar_game all = {CHANNELS, {0, 1, 2, 3, 4, 5}, paint};
static const minatar_game used = {CHANNELS, {MINATAR_NONE, MINATAR_UP, MINATAR_DOWN}, paint};
const rlt_env_def rlt_env_minatar_freeway_v0 = MINATAR_ENV("Freeway-v0", help, all, 6);
const rlt_env_def rlt_env_minatar_freeway = MINATAR_ENV("Freeway-v1", help, used, 3);
