/* cli: pictures of recorded episodes. Thread: main only. */
#include "cli/frames.h"

#include <string.h>
#include <time.h>

enum { GIF_FPS_MAX = 50, ROW_MOMENTS = 4, CAPTION_LINES = 2, TEXT_COLUMNS_MAX = 160, GAP = 2 };
static const double end_pause_s = 0.7; /* so that an episode's end can be seen */

static void draw(const rlt_frames *f, const rlt_episode *e, int64_t step, rlt_picture *picture) {
    const rlt_env_def *def = f->renderer->def;
    f->renderer->draw(def, e->states + def->state_size * (size_t)step, picture);
}

static rlt_status make_picture(const rlt_frames *f, int width, rlt_picture **picture,
                               rlt_err *err) {
    int height = (int)((int64_t)f->renderer->height * width / f->renderer->width);
    return rlt_picture_create(width, height > 0 ? height : 1, picture, err);
}

/* ---- files ---- */

static rlt_status add_episodes(const rlt_frames *f, rlt_gif *gif, rlt_picture *picture,
                               int64_t *count, rlt_err *err) {
    int stride = (f->fps + GIF_FPS_MAX - 1) / GIF_FPS_MAX;
    for (int i = 0; i < f->episode_count; i++) {
        const rlt_episode *e = &f->episodes[i];
        for (int64_t step = 0; step <= e->steps; step++) {
            if (step % stride == 0 || step == e->steps) {
                draw(f, e, step, picture);
                RLT_TRY(rlt_gif_add(gif, picture, err));
                ++*count;
            }
        }
    }
    return RLT_OK;
}

rlt_status rlt_frames_gif(const rlt_frames *f, const char *path, int64_t *count, rlt_err *err) {
    rlt_gif *gif = NULL;
    rlt_picture *picture = NULL;
    int stride = (f->fps + GIF_FPS_MAX - 1) / GIF_FPS_MAX;
    *count = 0;
    RLT_TRY(rlt_gif_create(path, 1000 * stride / f->fps, &gif, err));
    rlt_status status = make_picture(f, f->width, &picture, err);
    if (status == RLT_OK) {
        status = add_episodes(f, gif, picture, count, err);
    }
    rlt_picture_destroy(&picture);
    if (status != RLT_OK) {
        rlt_gif_discard(&gif);
        return status;
    }
    return rlt_gif_close(&gif, err);
}

static void paste(const rlt_picture *part, int x, int y, rlt_picture *whole) {
    for (int row = 0; row < part->height; row++) {
        size_t at = (size_t)(y + row) * (size_t)whole->width + (size_t)x;
        memcpy(whole->rgb + 3 * at, part->rgb + 3 * (size_t)row * (size_t)part->width,
               3 * (size_t)part->width);
    }
}

rlt_status rlt_frames_png(const rlt_frames *f, const char *path, int64_t *count, rlt_err *err) {
    const rlt_episode *e = &f->episodes[0];
    rlt_picture *part = NULL, *whole = NULL;
    int columns = f->moments < ROW_MOMENTS ? f->moments : ROW_MOMENTS;
    int rows = (f->moments + columns - 1) / columns;
    RLT_TRY(make_picture(f, f->width, &part, err));
    int across = part->width + GAP, down = part->height + GAP;
    rlt_status status = rlt_picture_create(columns * across - GAP, rows * down - GAP, &whole, err);
    if (status == RLT_OK) {
        rlt_picture_fill(whole, (rlt_color){160, 160, 160});
        for (int i = 0; i < f->moments; i++) {
            int64_t step = f->moments == 1 ? e->steps : e->steps * i / (f->moments - 1);
            draw(f, e, step, part);
            paste(part, i % columns * across, i / columns * down, whole);
        }
        status = rlt_png_write(whole, path, err);
    }
    *count = f->moments;
    rlt_picture_destroy(&part);
    rlt_picture_destroy(&whole);
    return status;
}

/* ---- the terminal ---- */

/* The widest text that leaves room for the caption. */
static int columns_for(const rlt_frames *f, const rlt_screen *screen) {
    int lines = screen->rows - CAPTION_LINES;
    int columns = 2 * (lines > 1 ? lines : 1) * f->renderer->width / f->renderer->height;
    columns = columns < screen->columns ? columns : screen->columns;
    columns = columns < TEXT_COLUMNS_MAX ? columns : TEXT_COLUMNS_MAX;
    return columns > 1 ? columns - 1 : 1;
}

static void append_frame(const rlt_frames *f, int episode, int64_t step, const rlt_screen *screen,
                         rlt_picture *picture, rlt_buf *text) {
    const rlt_episode *e = &f->episodes[episode];
    double sum = 0;
    for (int64_t i = 0; i < step; i++) {
        sum += (double)e->rewards[i];
    }
    draw(f, e, step, picture);
    rlt_picture_text(picture, columns_for(f, screen),
                     screen->unicode && screen->colour ? RLT_RENDER_COLOR : RLT_RENDER_ASCII, text);
    const char *end = step < e->steps ? ""
                      : e->terminated ? "  terminated"
                      : e->truncated  ? "  truncated by the time limit"
                                      : "  cut";
    rlt_buf_printf(text, "%s  episode %d of %d  step %lld  return %.6g%s\n", f->renderer->def->name,
                   episode + 1, f->episode_count, (long long)step, sum, end);
}

static int line_count(const rlt_buf *text) {
    int lines = 0;
    for (size_t i = 0; i < text->size; i++) {
        lines += text->data[i] == '\n';
    }
    return lines;
}

static void sleep_until(double when) {
    struct timespec at = {.tv_sec = (time_t)when};
    at.tv_nsec = (long)((when - (double)at.tv_sec) * 1e9);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void play_one(const rlt_frames *f, int episode, const rlt_screen *screen,
                     rlt_picture *picture, int *lines, const volatile sig_atomic_t *stop) {
    const rlt_episode *e = &f->episodes[episode];
    rlt_buf text = {0};
    double start = rlt_clock_s();
    for (int64_t step = 0;; step = (int64_t)((rlt_clock_s() - start) * f->fps)) {
        step = step < e->steps ? step : e->steps;
        text.size = 0;
        if (*lines > 0) { /* over the frame before: nothing is cleared, nothing flickers */
            rlt_buf_printf(&text, "\033[%dA", *lines);
        }
        append_frame(f, episode, step, screen, picture, &text);
        text.size--; /* the caption may get shorter */
        rlt_buf_printf(&text, "\033[K\n");
        *lines = line_count(&text);
        fwrite(text.data, 1, text.size, stdout);
        fflush(stdout);
        if (step == e->steps || *stop) {
            break;
        }
        sleep_until(start + (double)(step + 1) / f->fps);
    }
    rlt_buf_fini(&text);
}

void rlt_frames_play(const rlt_frames *f, const rlt_screen *screen,
                     const volatile sig_atomic_t *stop) {
    rlt_picture *picture = NULL;
    int lines = 0;
    if (make_picture(f, f->renderer->width, &picture, NULL) != RLT_OK) {
        return;
    }
    fputs("\033[?25l", stdout);
    for (int i = 0; i < f->episode_count && !*stop; i++) {
        play_one(f, i, screen, picture, &lines, stop);
        if (i + 1 < f->episode_count && !*stop) {
            sleep_until(rlt_clock_s() + end_pause_s);
        }
    }
    fputs("\033[?25h", stdout);
    fflush(stdout);
    rlt_picture_destroy(&picture);
}

void rlt_frames_print_end(const rlt_frames *f, const rlt_screen *screen) {
    rlt_picture *picture = NULL;
    rlt_buf text = {0};
    int last = f->episode_count - 1;
    if (make_picture(f, f->renderer->width, &picture, NULL) == RLT_OK) {
        append_frame(f, last, f->episodes[last].steps, screen, picture, &text);
        fwrite(text.data, 1, text.size, stdout);
    }
    rlt_buf_fini(&text);
    rlt_picture_destroy(&picture);
}
