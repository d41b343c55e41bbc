/* What a person sees: the real binary on a pseudo-terminal of a given size: the live table of a run
 * and the player of episodes; and what they become without one. */
#include "core/core.h"

#include <errno.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { OUT_MAX = 4 << 20 };
static char folder[64];
static char out[OUT_MAX];

/* Runs a shell command in the folder on a terminal; `out` is what it wrote. */
static int on_terminal(const char *command, int columns, int rows) {
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    int terminal;
    pid_t pid = forkpty(&terminal, NULL, NULL, &size);
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(folder) == 0) {
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        }
        _exit(127);
    }
    size_t used = 0;
    for (;;) {
        ssize_t got = read(terminal, out + used, OUT_MAX - 1 - used);
        if (got <= 0) {
            break; /* EIO: the other side is closed */
        }
        used += (size_t)got;
        used = used < OUT_MAX - 1 ? used : OUT_MAX / 2;
    }
    out[used] = '\0';
    close(terminal);
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int piped(const char *arguments) {
    char command[512];
    snprintf(command, sizeof(command), "cd %s && %s %s 2>&1", folder, RLT_BINARY, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(out, 1, OUT_MAX - 1, pipe);
    out[got] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A small model of the screen: how many columns each line takes, escapes left out. */
static int widest_line(const char *text) {
    int widest = 0, column = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (at[0] == '\033' && at[1] == '[') {
            at += 2;
            at += strspn(at, "0123456789;?");
        } else if (*at == '\n' || *at == '\r') {
            column = 0;
        } else if ((*at & 0xc0) != 0x80) { /* the first byte of a character */
            column++;
            widest = column > widest ? column : widest;
        }
    }
    return widest;
}

static int count_of(const char *text) {
    int count = 0;
    for (const char *at = out; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

#define EXPECT(text)                                                                               \
    do {                                                                                           \
        if (strstr(out, text) == NULL) {                                                           \
            fail_msg("no '%s' in:\n%s", text, out);                                                \
        }                                                                                          \
    } while (0)

static void write_script(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **unused) {
    (void)unused;
    snprintf(folder, sizeof(folder), "/tmp/rltune_screen_XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_script("sweep.lua",
                 "return { name = 'sweep', env = 'CartPole-v1', envs_per_worker = 8, threads = 1,\n"
                 "  ppo = { horizon = 32, lr = space.loguniform(1e-4, 1e-2) },\n"
                 "  stop = { steps = 4096 }, eval = { every = 1024, episodes = 5 },\n"
                 "  tune = { trials = 6, parallel = 2, final = { seeds = 2, episodes = 5 },\n"
                 "    stopper = { 'asha', grace = 1024, reduction = 2 } } }");
    write_script("one.lua", "return { env = 'CartPole-v1', envs_per_worker = 8,\n"
                            "  ppo = { horizon = 32 }, stop = { steps = 1024 } }");
    return piped("run one.lua --quiet --db one.db");
}

static int tear_down(void **unused) {
    (void)unused;
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static void test_live_table_fits(void **unused) {
    (void)unused;
    static const struct { int columns, rows; } sizes[] = {{80, 24}, {120, 40}, {60, 12}};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        char command[512];
        snprintf(command, sizeof(command),
                 "TERM=xterm NO_COLOR= %s run sweep.lua --db s%zu.db >/dev/null", RLT_BINARY, i);
        assert_int_equal(on_terminal(command, sizes[i].columns, sizes[i].rows), 0);
        const char *table = strstr(out, "sweep, experiment 1: ");
        assert_non_null(table);
        EXPECT("trials 8/8: ");
        EXPECT("\033[36mrunning");
        EXPECT("\033[K\r\n");
        EXPECT("trial    0  ");
        EXPECT("is best; it is trained again with 2 fresh seeds");
        assert_null(strstr(out, "\033[2J")); /* never cleared: no flicker */
        /* only event lines, which stand above the table, may be longer than the screen */
        const char *last = out;
        for (const char *at = out; (at = strstr(at, "sweep, experiment 1: ")) != NULL; at++) {
            last = at;
        }
        assert_true(widest_line(last) < sizes[i].columns);
        int lines = 0;
        for (const char *at = last; *at != '\0'; at++) {
            lines += *at == '\n';
        }
        assert_true(lines < sizes[i].rows); /* else the cursor could not get back to the top */
        assert_int_equal(count_of("[#") > 0, sizes[i].columns >= 102);
    }
}

/* A function that reports no steps: what is left follows from the trials that have ended. */
static void test_time_left_without_steps(void **unused) {
    (void)unused;
    write_script("steps.lua",
                 "return { name = 'steps', params = { x = space.uniform(0, 1) },\n"
                 "  objective = function(p) local n = 0; while n < 1e7 do n = n + 1 end\n"
                 "    return p.x end,\n"
                 "  tune = { metric = 'loss', mode = 'min', trials = 6, parallel = 1 } }");
    char command[512];
    snprintf(command, sizeof(command), "TERM=xterm NO_COLOR= %s run steps.lua --db e.db >/dev/null",
             RLT_BINARY);
    assert_int_equal(on_terminal(command, 80, 24), 0);
    int unknown = 0, known = 0, running = 0;
    for (const char *at = out; (at = strstr(at, "experiment 1: ")) != NULL; at++) {
        const char *left = strstr(at, " left"), *ended = strstr(at, "trials ");
        assert_true(left != NULL && ended != NULL);
        bool none = strncmp(left - 3, ", -", 3) == 0;
        assert_int_equal(none, ended[strlen("trials ")] == '0');
        unknown += none;
        known += !none;
        running += !none && strncmp(left - 7, ", 0.0 s", 7) != 0;
    }
    assert_true(unknown > 0 && known > 1 && running > 0);
}

static void test_stopped_trials_say_why(void **unused) {
    (void)unused;
    assert_int_equal(piped("run sweep.lua --db why.db"), 0);
    EXPECT(" stopped after ");
    EXPECT("the cutoff of the best 1/2 of ");
    assert_null(strstr(out, ": stopper\n"));
    assert_int_equal(piped("show 1 --db why.db --json"), 0);
    EXPECT("the cutoff of the best 1/2 of");
}

static void test_no_colour_and_dumb_terminals(void **unused) {
    (void)unused;
    char command[512];
    snprintf(command, sizeof(command),
             "TERM=xterm NO_COLOR=1 %s run sweep.lua --db c.db >/dev/null", RLT_BINARY);
    assert_int_equal(on_terminal(command, 80, 24), 0);
    EXPECT("\033[K");
    assert_null(strstr(out, "\033[36m"));
    assert_null(strstr(out, "\033[0m"));
    snprintf(command, sizeof(command), "TERM=dumb %s run sweep.lua --db d.db", RLT_BINARY);
    assert_int_equal(on_terminal(command, 80, 24), 0);
    assert_null(strchr(out, '\033'));
    EXPECT("search done: trial ");
    assert_int_equal(piped("run sweep.lua --db p.db"), 0);
    assert_null(strchr(out, '\033'));
    EXPECT("final trial 1 completed after 4096 steps");
    EXPECT("  rltune plot 1 --db p.db\n");
    assert_int_equal(piped("run sweep.lua --quiet --json --db q.db"), 0);
    assert_int_equal(out[0], '{');
}

static void test_leaderboard_fits_a_narrow_terminal(void **unused) {
    (void)unused;
    char command[512];
    assert_int_equal(piped("run sweep.lua --quiet --db narrow.db"), 0);
    snprintf(command, sizeof(command), "TERM=xterm %s show 1 --top 3 --db narrow.db", RLT_BINARY);
    assert_int_equal(on_terminal(command, 48, 24), 0);
    EXPECT(" lr\r\n"); /* without its section */
    assert_int_equal(on_terminal(command, 120, 24), 0);
    EXPECT(" ppo.lr\r\n");
}

static void test_render_plays(void **unused) {
    (void)unused;
    char command[512];
    snprintf(command, sizeof(command),
             "LC_ALL=C.UTF-8 TERM=xterm NO_COLOR= %s render 1 --db one.db --steps 20 --fps 200 "
             "--episodes 2",
             RLT_BINARY);
    assert_int_equal(on_terminal(command, 80, 24), 0);
    EXPECT("\033[?25l");
    EXPECT("\033[?25h"); /* the cursor comes back */
    EXPECT("\u2580");
    EXPECT("CartPole-v1  episode 1 of 2  step 0  return 0");
    EXPECT("episode 2 of 2  step 20  return 20  cut");
    assert_true(widest_line(out) < 81);
    snprintf(command, sizeof(command),
             "TERM=xterm NO_COLOR=1 %s render CartPole-v1 --random --steps 3 --fps 200",
             RLT_BINARY);
    assert_int_equal(on_terminal(command, 40, 12), 0);
    assert_null(strstr(out, "\033[38;2"));
    EXPECT("\033[11A"); /* over the frame before */
}

static size_t read_file(const char *name, unsigned char *data, size_t room) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(data, 1, room, file);
    fclose(file);
    return size;
}

static void test_render_files(void **unused) {
    (void)unused;
    unsigned char data[64];
    assert_int_equal(piped("render 1 --db one.db --steps 30 --out a.gif --width 120"), 0);
    EXPECT("a.gif: 31 frames of CartPole-v1");
    assert_true(read_file("a.gif", data, sizeof(data)) == sizeof(data));
    assert_memory_equal(data, "GIF89a", 6);
    assert_int_equal(data[6] + 256 * data[7], 120);
    assert_int_equal(data[8] + 256 * data[9], 80);
    assert_int_equal(
        piped("render Acrobot-v1 --random --steps 50 --out b.png --frames 6 --width 100 --json"),
        0);
    EXPECT("\"frames\": 6");
    EXPECT("\"file\": \"b.png\"");
    assert_true(read_file("b.png", data, sizeof(data)) == sizeof(data));
    assert_memory_equal(data, "\x89PNG", 4);
    assert_int_equal(data[18] * 256 + data[19], 4 * 100 + 3 * 2); /* four in a row, gaps between */
    assert_int_equal(data[22] * 256 + data[23], 2 * 100 + 2);
    assert_int_equal(piped("render 1 --db one.db --steps 5"), 0); /* no terminal: its end as text */
    EXPECT("episode 1 of 1  step 5  return 5  cut\n");
    assert_null(strchr(out, '\033'));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_table_fits),
        cmocka_unit_test(test_time_left_without_steps),
        cmocka_unit_test(test_stopped_trials_say_why),
        cmocka_unit_test(test_no_colour_and_dumb_terminals),
        cmocka_unit_test(test_leaderboard_fits_a_narrow_terminal),
        cmocka_unit_test(test_render_plays),
        cmocka_unit_test(test_render_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
