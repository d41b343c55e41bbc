/* cli: the live table on the screen. One write draws it over the last one, with what has happened
 * since above it; nothing is cleared before it is replaced, so nothing flickers, and the scrollback
 * keeps the events. Obeys TERM=dumb and NO_COLOR (no-color.org). Thread: main only, but for events.
 */
#include "cli/live.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const double line_every_s = 5;
static pthread_mutex_t pending_lock = PTHREAD_MUTEX_INITIALIZER; /* any thread may log */

static void log_line(void *user, rlt_log_level level, const char *id, const char *text) {
    char line[1200];
    static const char *const names[] = {"debug", "info", "warn", "error"};
    snprintf(line, sizeof(line), "%s: %s: %s", names[level], id, text);
    rlt_live_event(user, line);
}

void rlt_live_init(rlt_live *live, bool quiet) {
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    *live = (rlt_live){.quiet = quiet};
    live->terminal = !quiet && isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
    live->colour = live->terminal && (no_colour == NULL || no_colour[0] == '\0');
    live->next_line = rlt_clock_s() + line_every_s;
    if (live->terminal) {
        rlt_log_set_sink(log_line, live);
    }
}

static void put(const rlt_buf *text) {
    fwrite(text->data, 1, text->size, stderr);
    fflush(stderr);
}

/* view NULL: the events alone, below the table that was there. */
static void draw(rlt_live *live, const rlt_driver_view *view) {
    struct winsize window = {0};
    int columns = 80, rows = 24;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 20 && window.ws_row > 0) {
        columns = window.ws_col;
        rows = window.ws_row;
    }
    rlt_buf text = {0};
    if (live->lines > 0 && view != NULL) {
        rlt_buf_printf(&text, "\033[%dA\r", live->lines);
    }
    pthread_mutex_lock(&pending_lock);
    if (live->pending.size > 0) {
        rlt_buf_append(&text, live->pending.data, live->pending.size);
        live->pending.size = 0;
    }
    pthread_mutex_unlock(&pending_lock);
    if (view != NULL) {
        live->lines = rlt_live_table(view, columns, rows, live->colour, "\033[K\n", &text);
        rlt_buf_printf(&text, "\033[J");
    }
    if (text.size > 0) {
        put(&text);
    }
    rlt_buf_fini(&text);
}

static void plain_line(const rlt_driver_view *v) {
    char rate[32], steps[32], elapsed[32], eta[32], best[192];
    const int64_t *states = v->states;
    rlt_grouped_text((int64_t)v->steps_per_s, rate, sizeof(rate));
    rlt_grouped_text(v->steps, steps, sizeof(steps));
    rlt_duration_text(v->elapsed_s, elapsed, sizeof(elapsed));
    rlt_duration_text(v->eta_s, eta, sizeof(eta));
    if (v->front >= 0) {
        snprintf(best, sizeof(best), "%lld on the Pareto front", (long long)v->front);
    } else if (isnan(v->best_value)) {
        snprintf(best, sizeof(best), "best %s -", v->metric);
    } else {
        snprintf(best, sizeof(best), "best %s %.5g", v->metric, v->best_value);
    }
    fprintf(stderr,
            "%s, %s left: trials %lld/%lld, %lld running, %lld failed; %s steps, %s steps/s; "
            "%s\n",
            elapsed, eta,
            (long long)(states[RLT_TRIAL_STOPPED] + states[RLT_TRIAL_COMPLETED] +
                        states[RLT_TRIAL_FAILED]),
            (long long)v->planned, (long long)states[RLT_TRIAL_RUNNING],
            (long long)states[RLT_TRIAL_FAILED], steps, rate, best);
}

void rlt_live_progress(void *user, const rlt_driver_view *view) {
    rlt_live *live = user;
    if (live->quiet) {
        return;
    }
    if (live->terminal) {
        draw(live, view);
    } else if (rlt_clock_s() >= live->next_line) {
        plain_line(view);
        live->next_line = rlt_clock_s() + line_every_s;
    }
}

/* On a terminal the line waits for the next drawing, at most a tenth of a second. */
void rlt_live_event(void *user, const char *line) {
    rlt_live *live = user;
    if (live->quiet) {
        return;
    }
    pthread_mutex_lock(&pending_lock);
    rlt_buf_text(&live->pending, line, 1200, RLT_TEXT_UTF8);
    rlt_buf_printf(&live->pending, live->terminal ? "\033[K\n" : "\n");
    if (!live->terminal) {
        put(&live->pending);
        live->pending.size = 0;
    }
    pthread_mutex_unlock(&pending_lock);
}

void rlt_live_fini(rlt_live *live) {
    if (live->terminal) {
        draw(live, NULL);
        rlt_log_set_sink(NULL, NULL);
    }
    if (live->lines > 0 && isatty(STDOUT_FILENO)) {
        fputs("\n", stderr); /* what follows on the same screen stands apart */
    }
    live->lines = 0;
    rlt_buf_fini(&live->pending);
}
