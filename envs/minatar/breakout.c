/* MinAtar/Breakout: a paddle at the bottom, a ball that moves diagonally, three rows of bricks; 1
 * for each brick, a new wall when none is left, the end when the ball passes the paddle.
 * Thread: the owner's of the vector environment. */
#include "envs/minatar/minatar.h"

#include <math.h>
#include <string.h>

enum { PADDLE, BALL, TRAIL, BRICK, CHANNELS };
enum { WALL = 0x3ff };

typedef struct state {
    int8_t last_action; /* here and in the other games: no padding, states are compared as bytes */
    int8_t paddle;
    int8_t x, y, dx, dy;     /* the ball and where it goes */
    int8_t trail_x, trail_y; /* where it was */
    int16_t struck;          /* the last step broke a brick or passed through one just after */
    uint16_t bricks[MINATAR_SIDE];
} state;

static void paint(const void *from, float *planes) {
    const state *s = from;
    memset(planes, 0, sizeof(float) * MINATAR_SIDE * MINATAR_SIDE * CHANNELS);
    minatar_set(planes, CHANNELS, s->y, s->x, BALL);
    minatar_set(planes, CHANNELS, MINATAR_SIDE - 1, s->paddle, PADDLE);
    minatar_set(planes, CHANNELS, s->trail_y, s->trail_x, TRAIL);
    for (int y = 0; y < MINATAR_SIDE; y++) {
        minatar_set_row(planes, CHANNELS, y, s->bricks[y], BRICK);
    }
}

static void build_wall(state *s) {
    s->bricks[1] = s->bricks[2] = s->bricks[3] = WALL;
}

static void reset(void *context, void *memory, rlt_rng *rng, float *observation) {
    (void)context;
    state *s = memory;
    bool right = rlt_rng_below(rng, 2) != 0;
    *s = (state){.paddle = 4, .x = right ? 9 : 0, .y = 3, .dx = right ? -1 : 1, .dy = 1};
    s->trail_x = s->x;
    s->trail_y = s->y;
    build_wall(s);
    paint(s, observation);
}

/* The ball comes to the bottom row at column x; whether it is lost. */
static bool meet_paddle(state *s, int x, int *y) {
    if ((s->bricks[1] | s->bricks[2] | s->bricks[3]) == 0) {
        build_wall(s);
    }
    bool straight = s->trail_x == s->paddle, edge = x == s->paddle;
    if (!straight && !edge) {
        return true;
    }
    if (!straight) {
        s->dx = (int8_t)-s->dx;
    }
    s->dy = (int8_t)-s->dy;
    *y = s->trail_y;
    return false;
}

static bool move_ball(state *s, float *reward) {
    s->trail_x = s->x;
    s->trail_y = s->y;
    int x = s->x + s->dx, y = s->y + s->dy;
    bool lost = false, in_brick = false;
    if (x < 0 || x >= MINATAR_SIDE) {
        x = minatar_clamp(x, 0, MINATAR_SIDE - 1);
        s->dx = (int8_t)-s->dx;
    }
    if (y < 0) {
        y = 0;
        s->dy = (int8_t)-s->dy;
    } else if (s->bricks[y] >> x & 1) {
        in_brick = true;
        if (!s->struck) {
            *reward = 1.0f;
            s->struck = 1;
            s->bricks[y] &= (uint16_t) ~(1u << x);
            y = s->trail_y;
            s->dy = (int8_t)-s->dy;
        }
    } else if (y == MINATAR_SIDE - 1) {
        lost = meet_paddle(s, x, &y);
    }
    s->struck = in_brick ? s->struck : 0;
    s->x = (int8_t)x;
    s->y = (int8_t)y;
    return lost;
}

static bool step(void *context, void *memory, rlt_rng *rng, const void *action, float *observation,
                 float *reward) {
    state *s = memory;
    int move = minatar_action(context, rng, action, &s->last_action);
    int shift = (move == MINATAR_RIGHT) - (move == MINATAR_LEFT);
    s->paddle = (int8_t)minatar_clamp(s->paddle + shift, 0, MINATAR_SIDE - 1);
    *reward = 0.0f;
    bool lost = move_ball(s, reward);
    paint(s, observation);
    return lost;
}

static const char help[] = "Break bricks with a ball that a paddle returns.";
static const minatar_game all = {CHANNELS, {0, 1, 2, 3, 4, 5}, paint};
static const minatar_game used = {CHANNELS, {MINATAR_NONE, MINATAR_LEFT, MINATAR_RIGHT}, paint};
const rlt_env_def rlt_env_minatar_breakout_v0 = MINATAR_ENV("Breakout-v0", help, all, 6);
const rlt_env_def rlt_env_minatar_breakout = MINATAR_ENV("Breakout-v1", help, used, 3);
