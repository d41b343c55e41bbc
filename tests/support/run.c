/* Processes of a run: starting, waiting with a deadline, finding. See run.h. */
#include "tests/support/run.h"

#include "core/core.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define MARK_ENV "RLTUNE_TEST_PLACE"

void run_open(run_place *place) {
    const char *parent = getenv("TMPDIR");
    snprintf(place->folder, sizeof place->folder, "%.40s/rltune-run-XXXXXX",
             parent != NULL && strlen(parent) <= 40 ? parent : "/tmp");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->db, sizeof place->db, "%s/a.db", place->folder);
    snprintf(place->script, sizeof place->script, "%s/a.lua", place->folder);
    snprintf(place->log, sizeof place->log, "%s/log", place->folder);
    snprintf(place->checkpoints, sizeof place->checkpoints, "%s-checkpoints", place->db);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

/* Learners and workers write to the log too; their exit codes are seen by no test. */
static void check_for_reports(const run_place *place) {
    char *output = run_output(place);
    if (strstr(output, "Sanitizer") != NULL || strstr(output, "runtime error") != NULL ||
        strstr(output, "assertion failed") != NULL) {
        fail_msg("%s", output);
    }
    free(output);
}

void run_close(run_place *place) {
    pid_t pids[RUN_PROCESSES_MAX];
    assert_int_equal(run_processes(place, NULL, pids), 0);
    check_for_reports(place);
    assert_int_equal(nftw(place->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void run_write_script(run_place *place, const char *text) {
    rlt_err err = {0};
    if (rlt_file_write_atomic(place->script, text, strlen(text), &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
}

_Noreturn static void become(const run_place *place, void (*prepare)(void), char *const argv[]) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int log = open(place->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(log, 1);
    dup2(log, 2);
    close(log);
    setenv(MARK_ENV, place->folder, 1);
    if (prepare != NULL) {
        prepare();
    }
    execv(argv[0], argv);
    _exit(126);
}

pid_t run_start_with(run_place *place, void (*prepare)(void), const char *words, ...) {
    const char *argv[RUN_WORDS_MAX] = {RLT_BINARY, words};
    int count = 2;
    va_list args;
    va_start(args, words);
    while ((argv[count] = va_arg(args, const char *)) != NULL) {
        count++;
        assert_true(count + 3 < RUN_WORDS_MAX);
    }
    va_end(args);
    argv[count++] = "--db";
    argv[count++] = place->db;
    argv[count] = NULL;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        become(place, prepare, (char *const *)argv);
    }
    return pid;
}

pid_t run_start_join(run_place *place, const char *parallel) {
    run_await_sql(place, "SELECT count(*) FROM trials", 1, 20);
    return run_start(place, "join", "1", "--parallel", parallel);
}

void run_await_joined(const run_place *place, double deadline_s) {
    run_await_sql(place, "SELECT count(*) FROM leases", 1, deadline_s);
}

bool run_has_ended(pid_t pid, int *code) {
    int status;
    pid_t got = waitpid(pid, &status, WNOHANG);
    assert_true(got == 0 || got == pid);
    if (got == pid) {
        *code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return got == pid;
}

int run_wait(run_place *place, pid_t pid, double deadline_s) {
    double deadline = rlt_clock_s() + deadline_s * (RUN_SLOW ? 4 : 1);
    int code;
    while (!run_has_ended(pid, &code)) {
        if (rlt_clock_s() > deadline) {
            char *text = run_output(place);
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            print_error("%s\n", text);
            free(text);
            fail_msg("process %d was still there after %g s", (int)pid, deadline_s);
        }
        run_sleep_ms(2);
    }
    return code;
}

char *run_output(const run_place *place) {
    char *data = NULL;
    size_t size = 0;
    rlt_err err;
    if (rlt_file_read(place->log, 64 << 20, &data, &size, &err) != RLT_OK) {
        return strdup("");
    }
    char *text = strdup(data);
    rlt_free(data);
    return text;
}

void run_expect_code(const run_place *place, int code, int expected) {
    if (code != expected) {
        char *output = run_output(place);
        print_error("%s\n", output);
        free(output);
        fail_msg("exit code %d instead of %d", code, expected);
    }
}

void run_forget_output(run_place *place) {
    assert_int_equal(truncate(place->log, 0), 0);
}

void run_expect_output(const run_place *place, const char *text) {
    char *output = run_output(place);
    bool found = strstr(output, text) != NULL;
    if (!found) {
        print_error("%s\n", output);
        print_error("expected in the output above: %s\n", text);
    }
    free(output);
    assert_true(found);
}

/* A small file of /proc, its separating zeros kept; 0: the process is gone. */
static size_t read_proc(const char *pid, const char *name, char *out, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%.16s/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    size_t used = 0;
    ssize_t got;
    while (used < size - 1 && (got = read(fd, out + used, size - 1 - used)) > 0) {
        used += (size_t)got;
    }
    close(fd);
    out[used] = 0;
    return used;
}

static bool is_of_place(const run_place *place, const char *pid) {
    static char environment[1 << 17];
    char wanted[128];
    int length = snprintf(wanted, sizeof wanted, MARK_ENV "=%s", place->folder) + 1;
    size_t size = read_proc(pid, "environ", environment, sizeof environment);
    return memmem(environment, size, wanted, (size_t)length) != NULL;
}

static bool has_role(const char *pid, const char *role) {
    char words[4096];
    size_t size = read_proc(pid, "cmdline", words, sizeof words);
    bool found = role == NULL;
    for (const char *word = words + strnlen(words, size) + 1; word < words + size && !found;
         word += strlen(word) + 1) {
        found = strcmp(word, role) == 0;
    }
    return found;
}

int run_processes(const run_place *place, const char *role, pid_t pids[RUN_PROCESSES_MAX]) {
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(proc)) != NULL && count < RUN_PROCESSES_MAX) {
        bool number = entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
        if (number && is_of_place(place, entry->d_name) && has_role(entry->d_name, role)) {
            pids[count++] = (pid_t)atoi(entry->d_name);
        }
    }
    closedir(proc);
    return count;
}

pid_t run_await_process(const run_place *place, const char *role, double deadline_s) {
    double deadline = rlt_clock_s() + deadline_s;
    pid_t pids[RUN_PROCESSES_MAX];
    while (run_processes(place, role, pids) == 0) {
        if (rlt_clock_s() > deadline) {
            return 0;
        }
        run_sleep_ms(1);
    }
    return pids[0];
}

void run_sleep_ms(int ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {
    }
}
