/* cli: the live table. Redrawn by moving the cursor up, so that scrollback stays usable; obeys
 * TERM=dumb and NO_COLOR. Thread: main only. */
#include "cli/live.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ROWS_MAX = 64, HEAD_ROWS = 3 };
static const double line_every_s = 5;

void rlt_live_init(rlt_live *live, bool quiet) {
    const char *term = getenv("TERM");
    *live = (rlt_live){.quiet = quiet};
    live->terminal = !quiet && isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
    live->next_line = rlt_clock_s() + line_every_s;
}

void rlt_duration_text(double seconds, char *text, size_t size) {
    if (!isfinite(seconds) || seconds > 1e8) {
        snprintf(text, size, "-");
    } else if (seconds < 60) {
        snprintf(text, size, "%.1f s", seconds);
    } else if (seconds < 3600) {
        snprintf(text, size, "%d:%02d", (int)seconds / 60, (int)seconds % 60);
    } else {
        snprintf(text, size, "%d:%02d:%02d", (int)seconds / 3600, (int)seconds / 60 % 60,
                 (int)seconds % 60);
    }
}

/* 1,234,567 */
static void grouped(int64_t n, char *text, size_t size) {
    char digits[32];
    int length = snprintf(digits, sizeof(digits), "%lld", (long long)n);
    size_t at = 0;
    for (int i = 0; i < length && at + 2 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-') {
            text[at++] = ',';
        }
        text[at++] = digits[i];
    }
    text[at] = '\0';
}

static void number(double x, char *text, size_t size) {
    if (isnan(x)) {
        snprintf(text, size, "-");
    } else {
        snprintf(text, size, "%.5g", x);
    }
}

static void summary(const rlt_driver_view *v, char *text, size_t size) {
    char rate[32], steps[32], elapsed[32], eta[32], best[32];
    int64_t ended =
        v->states[RLT_TRIAL_STOPPED] + v->states[RLT_TRIAL_COMPLETED] + v->states[RLT_TRIAL_FAILED];
    grouped((int64_t)v->steps_per_s, rate, sizeof(rate));
    grouped(v->steps, steps, sizeof(steps));
    rlt_duration_text(v->elapsed_s, elapsed, sizeof(elapsed));
    rlt_duration_text(v->eta_s, eta, sizeof(eta));
    number(v->best_value, best, sizeof(best));
    snprintf(text, size,
             "trials %lld/%lld ended, %lld running, %lld stopped early, %lld failed | %s steps, "
             "%s steps/s | best %s %s | %s, ETA %s",
             (long long)ended, (long long)v->planned, (long long)v->states[RLT_TRIAL_RUNNING],
             (long long)v->states[RLT_TRIAL_STOPPED], (long long)v->states[RLT_TRIAL_FAILED], steps,
             rate, v->metric, best, elapsed, eta);
}

/* Running trials first, then the newest of the others, as many as fit. */
static int choose_rows(const rlt_driver_view *v, int room, size_t rows[ROWS_MAX]) {
    int count = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = v->count; i-- > 0 && count < room;) {
            bool running = v->trials[i].state == RLT_TRIAL_RUNNING;
            if (running == (pass == 0)) {
                rows[count++] = i;
            }
        }
    }
    for (int i = 1; i < count; i++) { /* by trial: the table should not jump about */
        for (int j = i; j > 0 && rows[j - 1] > rows[j]; j--) {
            size_t swap = rows[j];
            rows[j] = rows[j - 1];
            rows[j - 1] = swap;
        }
    }
    return count;
}

static void draw_row(const rlt_driver_view *v, size_t i, int columns) {
    const rlt_driver_trial *t = &v->trials[i];
    char steps[32], max[32], rate[32] = "-", last[32], best[32], line[256];
    grouped(t->steps, steps, sizeof(steps));
    grouped(t->steps_max, max, sizeof(max));
    if (t->state == RLT_TRIAL_RUNNING && t->steps_per_s > 0) {
        grouped((int64_t)t->steps_per_s, rate, sizeof(rate));
    }
    number(t->last, last, sizeof(last));
    number(t->best, best, sizeof(best));
    snprintf(line, sizeof(line), "%-6s %5lld  %-9s %12s / %-12s %12s %12s %12s",
             t->final ? "final" : "trial", (long long)t->number, rlt_trial_state_name(t->state),
             steps, max, rate, last, best);
    fprintf(stderr, "\033[2K%.*s\n", columns - 1, line);
}

static void draw(rlt_live *live, const rlt_driver_view *v) {
    struct winsize window = {0};
    int columns = 100, height = 24;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 20) {
        columns = window.ws_col;
        height = window.ws_row;
    }
    int room = height - HEAD_ROWS - 2;
    size_t rows[ROWS_MAX];
    int count = choose_rows(v, room < 1 ? 1 : room < ROWS_MAX ? room : ROWS_MAX, rows);
    char text[512], line[512];
    summary(v, text, sizeof(text));
    if (live->lines > 0) {
        fprintf(stderr, "\033[%dA", live->lines);
    }
    snprintf(line, sizeof(line), "%s, experiment %lld", v->name, (long long)v->experiment);
    fprintf(stderr, "\033[2K%.*s\n\033[2K%.*s\n", columns - 1, line, columns - 1, text);
    snprintf(line, sizeof(line), "%-6s %5s  %-9s %12s / %-12s %12s %12s %12s", "", "", "state",
             "steps", "of", "steps/s", "last", "best");
    fprintf(stderr, "\033[2K%.*s\n", columns - 1, line);
    for (int i = 0; i < count; i++) {
        draw_row(v, rows[i], columns);
    }
    fprintf(stderr, "\033[J");
    live->lines = HEAD_ROWS + count;
}

void rlt_live_progress(void *user, const rlt_driver_view *view) {
    rlt_live *live = user;
    if (live->quiet) {
        return;
    }
    if (live->terminal) {
        draw(live, view);
        fflush(stderr);
        return;
    }
    if (rlt_clock_s() >= live->next_line) {
        char text[512];
        summary(view, text, sizeof(text));
        fprintf(stderr, "%s\n", text);
        live->next_line = rlt_clock_s() + line_every_s;
    }
}

/* On a terminal the line goes above the table, which is drawn again at once. */
void rlt_live_event(void *user, const char *line) {
    rlt_live *live = user;
    if (live->quiet) {
        return;
    }
    if (live->terminal && live->lines > 0) {
        fprintf(stderr, "\033[%dA\033[J", live->lines);
        live->lines = 0;
    }
    fprintf(stderr, "%s\n", line);
}

void rlt_live_fini(rlt_live *live) {
    live->lines = 0;
    fflush(stderr);
}
