/* What the tests of store share: a folder per test, checked calls, small rows. Header only, as each
 * test is one program. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

typedef struct place {
    char folder[64], path[128];
} place;

static inline int set_up(void **state) {
    place *at = calloc(1, sizeof *at);
    snprintf(at->folder, sizeof at->folder, "/tmp/rlt_store_XXXXXX");
    assert_non_null(mkdtemp(at->folder));
    snprintf(at->path, sizeof at->path, "%s/a.db", at->folder);
    *state = at;
    return 0;
}

/* Removes every file of a folder, and counts them. */
static inline int clear_folder(const char *folder) {
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        count += unlink(path) == 0;
    }
    closedir(dir);
    return count;
}

static inline int tear_down(void **state) {
    place *at = *state;
    clear_folder(at->folder);
    assert_int_equal(rmdir(at->folder), 0);
    free(at);
    return 0;
}

static inline void check_ok(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fail_msg("%s: %s", rlt_status_name(status), err->message);
    }
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        rlt_err err = {0};                                                                         \
        check_ok((call), &err);                                                                    \
    } while (0)

/* The call fails with this status and a message that holds `part`. */
#define FAILS(expected, part, call)                                                                \
    do {                                                                                           \
        rlt_err err = {0};                                                                         \
        rlt_status got = (call);                                                                   \
        if (got != (expected) || strstr(err.message, part) == NULL) {                              \
            fail_msg("got %s: %s", rlt_status_name(got), err.message);                             \
        }                                                                                          \
    } while (0)

static inline rlt_store *open_store(const place *at, rlt_store_mode mode) {
    rlt_store *store = NULL;
    OK(rlt_store_open(at->path, mode, &store, &err));
    return store;
}

static inline int64_t add_experiment(rlt_store *store, bool maximise) {
    rlt_experiment_row row = {.name = "sweep",
                              .metric = "eval_return",
                              .maximise = maximise,
                              .config_json = "{\"seed\":1}",
                              .script = "return {}",
                              .script_path = "a.lua",
                              .facts_json = "{\"version\":\"0.1\",\"cpu\":{\"cores\":2}}"};
    int64_t id = 0;
    OK(rlt_store_experiment_create(store, &row, &id, &err));
    return id;
}

static inline int64_t add_trial(rlt_store *store, int64_t experiment, const char *role,
                                int64_t number) {
    rlt_trial_row row = {.experiment = experiment,
                         .number = number,
                         .configuration = number,
                         .seed = 100 + number,
                         .params_json = "{\"ppo.lr\":0.001,\"ppo.epochs\":4,\"model.activation\":"
                                        "\"it's\",\"model.hidden\":[64,64],\"flag\":true}",
                         .config_json = "{\"env\":\"CartPole-v1\"}"};
    snprintf(row.role, sizeof row.role, "%s", role);
    int64_t id = 0;
    OK(rlt_store_trial_create(store, &row, &id, &err));
    return id;
}

static inline rlt_trial_change change_of(int64_t trial, int64_t attempt, const char *from,
                                         const char *to) {
    return (rlt_trial_change){.trial = trial,
                              .attempt = attempt,
                              .from = from,
                              .to = to,
                              .reason = "for the test",
                              .steps = -1,
                              .value = NAN,
                              .best = NAN,
                              .wall_s = NAN};
}

static inline void change(rlt_store *store, int64_t trial, int64_t attempt, const char *from,
                          const char *to) {
    rlt_trial_change c = change_of(trial, attempt, from, to);
    OK(rlt_store_trial_change(store, &c, &err));
}

static inline rlt_status keep_first(void *user, int columns, const char *const *names,
                                    const char *const *values, rlt_err *err) {
    (void)columns, (void)names, (void)err;
    snprintf(user, 256, "%s", values[0] != NULL ? values[0] : "NULL");
    return RLT_OK;
}

/* The first column of the last row as text. */
static inline const char *ask(rlt_store *store, const char *sql) {
    static char text[256];
    text[0] = 0;
    OK(rlt_store_query(store, sql, NULL, 0, keep_first, text, &err));
    return text;
}

/* Runs body(user) in a child and returns what it returned, or -1 when it was killed. The child must
 * use CHECK, not cmocka. */
static inline int in_child(int (*body)(void *user), void *user) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(body(user));
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* For code in a child: the failing line goes to stderr. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

/* The seed of a random test: RLT_TEST_SEED, or new each time; always printed. */
static inline rlt_rng test_rng(void) {
    const char *given = getenv("RLT_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)rlt_wall_ms();
    printf("seed %llu (set RLT_TEST_SEED to repeat)\n", (unsigned long long)seed);
    fflush(stdout); /* or every child prints it again */
    return rlt_rng_make(seed, RLT_STREAM_TEST, 0);
}
#endif
