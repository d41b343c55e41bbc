/* cli: recorded episodes as pictures: a file or a terminal. Thread: main only. */
#ifndef RLT_CLI_FRAMES_H
#define RLT_CLI_FRAMES_H
#include "cli/report.h"
#include "envs/renders.h"
#include "worker/worker.h"

#include <signal.h>

typedef struct rlt_frames { /* what is to be drawn; all borrowed */
    const rlt_env_renderer *renderer;
    const rlt_episode *episodes;
    int episode_count;
    int fps;     /* of GIF and terminal */
    int width;   /* of a picture's frames, pixels; the height keeps the aspect */
    int moments; /* of the PNG */
} rlt_frames;

/* All episodes one after the other; *count: frames written. GIF knows at most 50 frames a second:
 * beyond, steps are left out. */
rlt_status rlt_frames_gif(const rlt_frames *frames, const char *path, int64_t *count, rlt_err *err);
/* `moments` equally spaced moments of the first episode in one picture, in rows; 1: its end. */
rlt_status rlt_frames_png(const rlt_frames *frames, const char *path, int64_t *count, rlt_err *err);
/* Plays on standard output in real time, steps left out where the terminal is too slow. *stop is
 * looked at between frames; the cursor is visible again in any case. */
void rlt_frames_play(const rlt_frames *frames, const rlt_screen *screen,
                     const volatile sig_atomic_t *stop);
/* The end of the last episode as plain text. */
void rlt_frames_print_end(const rlt_frames *frames, const rlt_screen *screen);
#endif
