/* cli: what the live table says and how it fits the terminal: 80 columns hold every field, wider
 * ones a bar for each trial. Thread: main only. */
#include "cli/live.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_MAX = 64, HEAD_LINES = 4, BAR_COLUMNS = 102, BAR_WIDTH = 20, LINE_MAX = 512 };

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

void rlt_grouped_text(int64_t n, char *text, size_t size) {
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

/* At most columns - 1 characters, so that the cursor never wraps. */
static void add_line(rlt_buf *out, const char *text, int columns, const char *line_end) {
    rlt_buf_text(out, text, columns - 1, RLT_TEXT_UTF8);
    rlt_buf_printf(out, "%s", line_end);
}

static void add_head(const rlt_driver_view *v, int columns, const char *line_end, rlt_buf *out) {
    char rate[32], steps[32], elapsed[32], eta[32], best[32], line[LINE_MAX];
    const int64_t *states = v->states;
    int64_t stopped = states[RLT_TRIAL_STOPPED], completed = states[RLT_TRIAL_COMPLETED],
            failed = states[RLT_TRIAL_FAILED];
    rlt_grouped_text((int64_t)v->steps_per_s, rate, sizeof(rate));
    rlt_grouped_text(v->steps, steps, sizeof(steps));
    rlt_duration_text(v->elapsed_s, elapsed, sizeof(elapsed));
    rlt_duration_text(v->eta_s, eta, sizeof(eta));
    number(v->best_value, best, sizeof(best));
    snprintf(line, sizeof(line), "%.100s, experiment %lld: %s, %s left", v->name,
             (long long)v->experiment, elapsed, eta);
    add_line(out, line, columns, line_end);
    snprintf(line, sizeof(line),
             "trials %lld/%lld: %lld completed, %lld stopped early, %lld failed, %lld running",
             (long long)(stopped + completed + failed), (long long)v->planned, (long long)completed,
             (long long)stopped, (long long)failed, (long long)states[RLT_TRIAL_RUNNING]);
    add_line(out, line, columns, line_end);
    int length = v->front >= 0 ? snprintf(line, sizeof(line),
                                          "%s steps, %s steps/s; %lld on the Pareto front", steps,
                                          rate, (long long)v->front)
                               : snprintf(line, sizeof(line), "%s steps, %s steps/s; best %.60s %s",
                                          steps, rate, v->metric, best);
    if (v->best_number >= 0) {
        snprintf(line + length, sizeof(line) - (size_t)length, " by trial %lld",
                 (long long)v->best_number);
    }
    add_line(out, line, columns, line_end);
}

/* Running trials first, then the newest of the others, as many as fit; in the table's own order, so
 * that it does not jump about. */
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
    for (int i = 1; i < count; i++) {
        for (int j = i; j > 0 && rows[j - 1] > rows[j]; j--) {
            size_t swap = rows[j];
            rows[j] = rows[j - 1];
            rows[j - 1] = swap;
        }
    }
    return count;
}

static const char *colour_of(rlt_trial_state state) {
    switch (state) {
    case RLT_TRIAL_RUNNING:
        return "\033[36m";
    case RLT_TRIAL_COMPLETED:
        return "\033[32m";
    case RLT_TRIAL_FAILED:
        return "\033[31m";
    case RLT_TRIAL_STOPPED:
        return "\033[33m";
    default:
        return "\033[2m";
    }
}

static void bar(const rlt_driver_trial *t, char text[BAR_WIDTH + 4]) {
    double share = t->steps_max > 0 ? (double)t->steps / (double)t->steps_max : 0;
    int full = (int)(fmin(fmax(share, 0), 1) * BAR_WIDTH + 0.5);
    text[0] = '[';
    memset(text + 1, '#', (size_t)full);
    memset(text + 1 + full, '.', (size_t)(BAR_WIDTH - full));
    memcpy(text + 1 + BAR_WIDTH, "]", 2);
}

static void add_trial(const rlt_driver_trial *t, int columns, bool colour, const char *line_end,
                      rlt_buf *out) {
    char steps[32], max[32], rate[32] = "-", last[32], best[32], name[32], line[LINE_MAX];
    char progress[BAR_WIDTH + 4] = "";
    rlt_grouped_text(t->steps, steps, sizeof(steps));
    rlt_grouped_text(t->steps_max, max, sizeof(max));
    if (t->state == RLT_TRIAL_RUNNING && t->steps_per_s > 0) {
        rlt_grouped_text((int64_t)t->steps_per_s, rate, sizeof(rate));
    }
    number(t->last, last, sizeof(last));
    number(t->best, best, sizeof(best));
    if (columns >= BAR_COLUMNS) {
        bar(t, progress);
    }
    snprintf(name, sizeof(name), "%s %*lld  ", t->final ? "final" : "trial", 4,
             (long long)t->number);
    int used = rlt_buf_text(out, name, columns - 1, RLT_TEXT_ASCII);
    rlt_buf_printf(out, "%s", colour ? colour_of(t->state) : "");
    snprintf(line, sizeof(line), "%-9s", rlt_trial_state_name(t->state));
    used += rlt_buf_text(out, line, columns - 1 - used, RLT_TEXT_ASCII);
    rlt_buf_printf(out, "%s", colour ? "\033[0m" : "");
    snprintf(line, sizeof(line), " %11s / %-10s %s%9s %9s %9s", steps, max, progress, rate, last,
             best);
    add_line(out, line, columns - used, line_end);
}

int rlt_live_table(const rlt_driver_view *view, int columns, int rows, bool colour,
                   const char *line_end, rlt_buf *out) {
    int room = rows - HEAD_LINES - 1;
    size_t chosen[ROWS_MAX];
    int count = choose_rows(view, room < 1 ? 1 : room < ROWS_MAX ? room : ROWS_MAX, chosen);
    char line[LINE_MAX];
    add_head(view, columns, line_end, out);
    snprintf(line, sizeof(line), "%10s  %-9s %11s   %-10s %*s%9s %9s %9s", "", "state", "steps",
             "of", columns >= BAR_COLUMNS ? BAR_WIDTH + 2 : 0, "", "steps/s", "last", "best");
    add_line(out, line, columns, line_end);
    for (int i = 0; i < count; i++) {
        add_trial(&view->trials[chosen[i]], columns, colour, line_end, out);
    }
    return HEAD_LINES + count;
}
