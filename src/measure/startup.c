/* measure: how long a person waits: from the spawn of rltune to its end, and to the first step of
 * an environment, by the clock that its processes log with RLTUNE_LOG=debug. Thread: the caller's.
 */
#include "measure/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
enum { RUNS = 9 };
static const double version_ms_target = 5, first_step_ms_target = 50;
static const char script[] =
    "return { env = 'CartPole-v1', envs_per_worker = 8, ppo = { horizon = 32 },\n"
    "  stop = { steps = 256 }, eval = { episodes = 1 } }\n";

/* stderr_fd -1: to /dev/null, where stdout goes. */
static rlt_status start(char *const argv[], int stderr_fd, pid_t *pid, rlt_err *err) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (stderr_fd >= 0) {
        posix_spawn_file_actions_adddup2(&actions, stderr_fd, 2);
    } else {
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    }
    int code = posix_spawn(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code == 0
               ? RLT_OK
               : rlt_fail(err, RLT_EPEER, "%s: could not start it: %s", argv[0], strerror(code));
}

static rlt_status wait_for(pid_t pid, const char *name, rlt_err *err) {
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? RLT_OK
               : rlt_fail(err, RLT_EPEER, "%s: ended with wait status %d", name, status);
}

rlt_status rlt_startup_program(char *const argv[], double *seconds, rlt_err *err) {
    pid_t pid;
    double begin = rlt_clock_s();
    RLT_TRY(start(argv, -1, &pid, err));
    rlt_status status = wait_for(pid, argv[0], err);
    *seconds = rlt_clock_s() - begin;
    return status;
}

static bool known(const rlt_phase *phases, int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (strcmp(phases[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Lines "rltune: debug: ID: clock SECONDS" until the last process has closed its end. */
static void read_phases(FILE *in, double begin, rlt_phase *phases, int *count) {
    char line[512], id[48];
    double clock;
    *count = 0;
    while (fgets(line, sizeof(line), in) != NULL) {
        if (sscanf(line, "rltune: debug: %47[^:]: clock %lf", id, &clock) == 2 &&
            *count < RLT_PHASES_MAX && !known(phases, *count, id)) {
            rlt_phase *phase = &phases[(*count)++];
            snprintf(phase->name, sizeof(phase->name), "%s", id);
            phase->seconds = clock - begin;
        }
    }
}

static rlt_status run(char *const argv[], rlt_phase *phases, int *count, rlt_err *err) {
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return rlt_fail(err, RLT_EIO, "could not make a pipe: %s", strerror(errno));
    }
    setenv("RLTUNE_LOG", "debug", 1);
    double begin = rlt_clock_s();
    rlt_status status = start(argv, ends[1], &pid, err);
    unsetenv("RLTUNE_LOG");
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    RLT_ASSERT(in != NULL);
    if (status == RLT_OK) {
        read_phases(in, begin, phases, count);
        status = wait_for(pid, argv[0], err);
    }
    fclose(in);
    return status;
}

static void remove_files(const char *folder) {
    static const char *const names[] = {"a.lua",     "a.db",
                                        "a.db-lock", "a.db-wal",
                                        "a.db-shm",  "a.db-checkpoints/e1-t1-s256.safetensors"};
    char path[600];
    for (size_t i = 0; i < RLT_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/a.db-checkpoints", folder);
    rmdir(path);
    rmdir(folder);
}

rlt_status rlt_startup_phases(const char *binary, const char *folder, int workers,
                              rlt_phase phases[RLT_PHASES_MAX], int *count, rlt_err *err) {
    char own[512], file[600], db[600], set[32];
    snprintf(own, sizeof(own), "%s/rltune_startup_XXXXXX", folder);
    if (mkdtemp(own) == NULL) {
        return rlt_fail(err, RLT_EIO, "%s: could not make a folder: %s", folder, strerror(errno));
    }
    snprintf(file, sizeof(file), "%s/a.lua", own);
    snprintf(db, sizeof(db), "%s/a.db", own); /* a new database */
    snprintf(set, sizeof(set), "workers=%d", workers);
    char *argv[] = {(char *)binary, "run", file, "--quiet", "--db", db, "--set", set, NULL};
    rlt_status status = rlt_file_write_atomic(file, script, sizeof(script) - 1, err);
    if (status == RLT_OK) {
        status = run(argv, phases, count, err);
    }
    remove_files(own);
    return status;
}

static void put(const rlt_measure *m, const char *name, double *samples, double target_ms) {
    rlt_figure figure = {.name = name,
                         .unit = "ms",
                         .value = rlt_median(samples, RUNS) * 1e3,
                         .limit = target_ms,
                         .limit_name = "target",
                         .less = true};
    m->figure(m->user, &figure);
}

rlt_status rlt_measure_startup(const rlt_measure *m, rlt_err *err) {
    const char *binary = m->binary != NULL ? m->binary : "/proc/self/exe";
    double samples[RUNS];
    char name[64];
    for (int i = 0; i < RUNS; i++) {
        char *argv[] = {(char *)binary, "version", NULL};
        RLT_TRY(rlt_startup_program(argv, &samples[i], err));
    }
    put(m, "rltune version", samples, version_ms_target);
    for (int workers = 0; workers <= 1; workers++) {
        for (int i = 0; i < RUNS; i++) {
            rlt_phase phases[RLT_PHASES_MAX];
            int count = 0;
            RLT_TRY(rlt_startup_phases(binary, m->folder, workers, phases, &count, err));
            samples[i] = 0;
            for (int p = 0; p < count; p++) {
                bool first = strcmp(phases[p].name, "rollout.first_step") == 0;
                samples[i] = first ? phases[p].seconds : samples[i];
            }
            if (samples[i] == 0) {
                return rlt_fail(err, RLT_EPROTO, "rltune run logged no first step");
            }
        }
        snprintf(name, sizeof(name), "rltune run to the first step, workers = %d", workers);
        put(m, name, samples, first_step_ms_target);
    }
    return RLT_OK;
}
