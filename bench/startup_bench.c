/* startup_bench [RUNS]: how long a person waits. `rltune version` from spawn to end, and `rltune
 * run` from spawn to the first environment step, workers = 0 and 1, each phase by the clock that
 * the processes log (RLTUNE_LOG=debug). Medians and minima over RUNS (default 20). The limit beside
 * them: an empty program that loads the same way, and the targets 5 ms and 50 ms. */
#include "core/core.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
enum { RUNS_MAX = 1000, PHASES_MAX = 16 };

static char folder[64];

typedef struct samples {
    char name[48];
    double seconds[RUNS_MAX];
    int count;
} samples;

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_samples(samples *s, double target_ms) {
    qsort(s->seconds, (size_t)s->count, sizeof(double), compare);
    double median = s->seconds[s->count / 2] * 1e3, low = s->seconds[0] * 1e3;
    printf("  %-44s %8.2f ms median %8.2f ms least", s->name, median, low);
    if (target_ms > 0) {
        printf("; target < %g ms: %.0f %% of it", target_ms, 100 * median / target_ms);
    }
    printf("\n");
}

static void die(const char *what) {
    fprintf(stderr, "startup_bench: %s: %s\n", what, strerror(errno));
    exit(6);
}

/* stderr_fd -1: to /dev/null as stdout is. */
static pid_t start(char *const argv[], int stderr_fd) {
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (stderr_fd >= 0) {
        posix_spawn_file_actions_adddup2(&actions, stderr_fd, 2);
    } else {
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    }
    errno = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    if (errno != 0) {
        die(argv[0]);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void wait_for(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "startup_bench: the program failed\n");
        exit(6);
    }
}

static void time_program(samples *s, const char *name, char *const argv[], int runs) {
    snprintf(s->name, sizeof(s->name), "%s", name);
    for (int i = 0; i < runs; i++) {
        double begin = rlt_clock_s();
        wait_for(start(argv, -1));
        s->seconds[s->count++] = rlt_clock_s() - begin;
    }
}

static samples *phase_of(samples *phases, int *count, const char *name) {
    for (int i = 0; i < *count; i++) {
        if (strcmp(phases[i].name, name) == 0) {
            return &phases[i];
        }
    }
    if (*count == PHASES_MAX) {
        return NULL;
    }
    snprintf(phases[*count].name, sizeof(phases->name), "%s", name);
    return &phases[(*count)++];
}

/* Lines "rltune: debug: ID: clock SECONDS", the first of each kind. */
static void read_phases(int fd, double begin, int run, samples *phases, int *count) {
    FILE *in = fdopen(fd, "r");
    char line[512], id[48];
    double clock;
    while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
        if (sscanf(line, "rltune: debug: %47[^:]: clock %lf", id, &clock) == 2) {
            samples *s = phase_of(phases, count, id);
            if (s != NULL && s->count == run) {
                s->seconds[s->count++] = clock - begin;
            }
        }
    }
    if (in != NULL) {
        fclose(in);
    }
}

static void time_run(const char *workers, int runs) {
    static samples phases[PHASES_MAX];
    int count = 0;
    char script[128], db[128], set[64];
    memset(phases, 0, sizeof(phases));
    snprintf(script, sizeof(script), "%s/startup.lua", folder);
    snprintf(set, sizeof(set), "workers=%s", workers);
    for (int i = 0; i < runs; i++) {
        int ends[2];
        snprintf(db, sizeof(db), "%s/%s-%d.db", folder, workers, i); /* a new database each time */
        char *argv[] = {RLT_BINARY, "run", script, "--quiet", "--db", db, "--set", set, NULL};
        if (pipe2(ends, O_CLOEXEC) != 0) {
            die("pipe");
        }
        double begin = rlt_clock_s();
        pid_t pid = start(argv, ends[1]);
        close(ends[1]);
        read_phases(ends[0], begin, i, phases, &count);
        wait_for(pid);
    }
    printf("rltune run, workers = %s, a new database, since its spawn:\n", workers);
    for (int i = 0; i < count; i++) {
        bool last = strcmp(phases[i].name, "rollout.first_step") == 0;
        print_samples(&phases[i], last ? 50 : 0);
    }
}

static void write_script(void) {
    char path[128];
    snprintf(path, sizeof(path), "%s/startup.lua", folder);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        die(path);
    }
    fprintf(file, "return { env = 'CartPole-v1', envs_per_worker = 8, ppo = { horizon = 32 },\n"
                  "  stop = { steps = 256 }, eval = { episodes = 1 } }\n");
    fclose(file);
}

int main(int argc, char **argv) {
    int runs = argc > 1 ? atoi(argv[1]) : 20;
    if (argc > 2 || runs < 1 || runs > RUNS_MAX) {
        fprintf(stderr, "usage: startup_bench [RUNS, 1 to %d]\n", RUNS_MAX);
        return 2;
    }
    static samples nothing, version;
    snprintf(folder, sizeof(folder), "/tmp/rltune_startup_XXXXXX");
    if (mkdtemp(folder) == NULL) {
        die(folder);
    }
    write_script();
    time_program(&nothing, "/bin/true (the limit)", (char *[]){"/bin/true", NULL}, runs);
    time_program(&version, "rltune version", (char *[]){RLT_BINARY, "version", NULL}, runs);
    print_samples(&nothing, 0);
    print_samples(&version, 5);
    setenv("RLTUNE_LOG", "debug", 1);
    time_run("0", runs);
    time_run("1", runs);
    char command[96];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command) == 0 ? 0 : 5;
}
