/* trials_bench [TRIALS [FOLDER]]: what trials that are programs or functions cost their driver, by
 * the real binary: time a trial with 16 slots (default 10,000 trials) beside what the kernel needs
 * to start the same program; results a second from a program into SQLite beside what SQLite itself
 * inserts; the driver's memory with 10,000, 50,000 and 100,000 trials. Databases are made in FOLDER
 * (default /tmp) and removed.
 * trials_bench --push COUNT: the program that pushes results over its socket. */
#include "core/core.h"
#include "store/store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 16, RESULTS = 1000000, GROUP = 4096, MARKS = 3, WORDS = 4 };
static const int64_t marks[MARKS] = {10000, 50000, 100000};

typedef struct usage {
    double wall_s, own_s, children_s;
    double rss_mib[MARKS], rss_last_mib;
} usage;

static char folder[256], script_path[300], db_path[300], lines_path[300];

_Noreturn static void die(const char *what) {
    fprintf(stderr, "trials_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void must(rlt_status status, const rlt_err *err) {
    if (status != RLT_OK) {
        fprintf(stderr, "trials_bench: %s\n", err->message);
        exit(rlt_status_exit_code(status));
    }
}

static double seconds(struct timeval t) {
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static double cpu_of(int who) {
    struct rusage r;
    getrusage(who, &r);
    return seconds(r.ru_utime) + seconds(r.ru_stime);
}

static void write_file(const char *path, const char *text) {
    rlt_err err;
    must(rlt_file_write_atomic(path, text, strlen(text), &err), &err);
}

static pid_t start(char *const argv[], bool quiet) {
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    if (quiet) {
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    }
    if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0) {
        die(argv[0]);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* ---- the least that it can cost ---- */

/* The same program, started and waited for, SLOTS at a time, and nothing else. */
static usage floor_of(char *const argv[], int64_t count) {
    double begin = rlt_clock_s(), own = cpu_of(RUSAGE_SELF), children = cpu_of(RUSAGE_CHILDREN);
    int64_t started = 0, ended = 0;
    while (ended < count) {
        while (started < count && started - ended < SLOTS) {
            start(argv, true);
            started++;
        }
        int status;
        if (waitpid(-1, &status, 0) < 0) {
            die("waitpid");
        }
        ended++;
    }
    return (usage){.wall_s = rlt_clock_s() - begin,
                   .own_s = cpu_of(RUSAGE_SELF) - own,
                   .children_s = cpu_of(RUSAGE_CHILDREN) - children};
}

/* ---- one run of rltune ---- */

static double rss_mib(pid_t pid) {
    char path[64];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) {
        pages = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static int64_t trials_so_far(void) {
    static const char sql[] = "SELECT max(id) FROM trials";
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int64_t count = 0;
    if (sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        count = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return count;
}

/* The process itself, and the children that it has waited for, out of /proc/PID/stat. */
static void read_times(pid_t pid, usage *u) {
    char path[64], text[1024] = "";
    unsigned long t[WORDS] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    size_t size = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[size] = 0;
    const char *rest = strrchr(text, ')');
    if (rest == NULL ||
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu", &t[0], &t[1],
               &t[2], &t[3]) != WORDS) {
        die(path);
    }
    fclose(file);
    double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
    u->own_s = (double)(t[0] + t[1]) * tick_s;
    u->children_s = (double)(t[2] + t[3]) * tick_s;
}

static void remove_database(void) {
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    char path[320];
    for (size_t i = 0; i < RLT_COUNT(ends); i++) {
        snprintf(path, sizeof path, "%s%s", db_path, ends[i]);
        unlink(path);
    }
}

static usage run_script(const char *script, bool watch) {
    char *argv[] = {RLT_BINARY, "run", script_path, "--quiet", "--db", db_path, NULL};
    usage u = {0};
    siginfo_t info = {0};
    remove_database();
    write_file(script_path, script);
    double begin = rlt_clock_s();
    pid_t pid = start(argv, true);
    while (info.si_pid == 0) {
        struct timespec nap = {.tv_nsec = 20000000};
        int64_t count = watch ? trials_so_far() : 0;
        for (int i = 0; i < MARKS; i++) {
            if (count >= marks[i] && u.rss_mib[i] == 0) {
                u.rss_mib[i] = rss_mib(pid);
            }
        }
        double now = rss_mib(pid);
        u.rss_last_mib = now > u.rss_last_mib ? now : u.rss_last_mib;
        nanosleep(&nap, NULL);
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            die("waitid");
        }
    }
    u.wall_s = rlt_clock_s() - begin;
    read_times(pid, &u);
    int status;
    waitpid(pid, &status, 0);
    if (status != 0) {
        fprintf(stderr, "trials_bench: rltune run %s failed\n", script_path);
        exit(1);
    }
    return u;
}

/* ---- trials ---- */

static void print_trials(const char *what, const usage *u, int64_t trials, const usage *least) {
    double ms = 1e3 / (double)trials;
    printf("%-38s %7.3f ms wall  %7.3f ms driver's CPU  %7.3f ms children's CPU", what,
           u->wall_s * ms, u->own_s * ms, u->children_s * ms);
    if (least != NULL) {
        double over = (u->wall_s - least->wall_s) * ms, own = u->own_s * ms;
        printf("\n%-38s %7.3f ms wall above the floor; driver's CPU: target < 0.3 ms, %.0f %%\n",
               "", over, 100 * 0.3 / own);
    } else {
        printf("\n");
    }
}

static const char tune[] = "params = { x = space.uniform(0, 1) }, tune = { metric = 'loss', mode = "
                           "'min', trials = %lld, parallel = %d, sampler = 'random' } }\n";

static usage run_trials(const char *objective, int64_t trials, bool watch) {
    rlt_buf text = {0};
    rlt_buf_printf(&text, "return { name = 'bench', objective = %s, ", objective);
    rlt_buf_printf(&text, tune, (long long)trials, SLOTS);
    usage u = run_script(text.data, watch);
    rlt_buf_fini(&text);
    return u;
}

static void bench_trials(int64_t trials) {
    char *echo[] = {"/bin/echo", "{\"loss\": 0.5}", NULL};
    char *shell[] = {"/bin/sh", "-c", "echo '{\"loss\": 0.5}'", NULL};
    printf("%lld trials that do nothing, %d slots, every row committed; a trial:\n",
           (long long)trials, SLOTS);
    usage true_floor = floor_of((char *[]){"/bin/true", NULL}, trials);
    usage echo_floor = floor_of(echo, trials), shell_floor = floor_of(shell, trials);
    print_trials("floor: posix_spawn of /bin/true", &true_floor, trials, NULL);
    print_trials("floor: posix_spawn of echo", &echo_floor, trials, NULL);
    usage u =
        run_trials("{ 'command', argv = { '/bin/echo', '{{\"loss\": {x}}' } }", trials, false);
    print_trials("command: echo", &u, trials, &echo_floor);
    print_trials("floor: posix_spawn of sh -c echo", &shell_floor, trials, NULL);
    u = run_trials("{ 'command', argv = { '/bin/sh', '-c', 'echo \"$0\"', '{{\"loss\": {x}}' } }",
                   trials, false);
    print_trials("command: sh -c echo", &u, trials, &shell_floor);
    u = run_trials("function(params) return params.x end", trials, false);
    print_trials("function", &u, trials, &(usage){0});
}

static void bench_memory(void) {
    usage u = run_trials("function(params) return params.x end", marks[MARKS - 1], true);
    printf("\nthe driver's memory, %lld function trials in %.1f s:\n", (long long)marks[MARKS - 1],
           u.wall_s);
    for (int i = 0; i < MARKS; i++) {
        printf("  with %6lld trials %7.1f MiB\n", (long long)marks[i], u.rss_mib[i]);
    }
    printf("  between the first and the last %.0f bytes a trial; most of all, at the end, with the "
           "table that is printed %.1f MiB\n",
           (u.rss_mib[MARKS - 1] - u.rss_mib[0]) * (1 << 20) /
               (double)(marks[MARKS - 1] - marks[0]),
           u.rss_last_mib);
}

/* ---- results ---- */

/* The same rows by SQLite alone, into the table that we insert into, GROUP a transaction. */
static double bare_inserts(void) {
    static const char sql[] =
        "INSERT INTO metrics (trial, name, step, value) VALUES (1, 1, ?1, ?2)";
    rlt_store *store = NULL;
    rlt_err err;
    remove_database();
    must(rlt_store_open(db_path, RLT_STORE_WRITE, &store, &err), &err);
    rlt_store_close(&store);
    sqlite3 *db;
    sqlite3_stmt *stmt;
    if (sqlite3_open(db_path, &db) != SQLITE_OK ||
        sqlite3_exec(db,
                     "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000; INSERT INTO "
                     "metric_names (name) VALUES ('loss')",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        die("sqlite");
    }
    double begin = rlt_clock_s();
    for (int i = 0; i < RESULTS; i++) {
        if (i % GROUP == 0) {
            sqlite3_exec(db, i == 0 ? "BEGIN" : "COMMIT; BEGIN", NULL, NULL, NULL);
        }
        sqlite3_bind_int64(stmt, 1, i + 1);
        sqlite3_bind_double(stmt, 2, 1.0 / (i + 1));
        if (sqlite3_step(stmt) != SQLITE_DONE) {
            die(sqlite3_errmsg(db));
        }
        sqlite3_reset(stmt);
    }
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    double rate = RESULTS / (rlt_clock_s() - begin);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return rate;
}

static void print_results(const char *what, const usage *u, double limit) {
    double rate = RESULTS / u->wall_s;
    printf("%-38s %10.0f results/s  %10.0f a second of the driver's CPU; target > 100000: %.0f %%; "
           "of SQLite alone: %.0f %%\n",
           what, rate, RESULTS / u->own_s, rate / 1e3, 100 * rate / limit);
}

static void check_results(void) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "SELECT count(*) FROM metrics", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW || sqlite3_column_int64(stmt, 0) != RESULTS) {
        fprintf(stderr, "trials_bench: not all results are in the database\n");
        exit(1);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static usage run_results(const char *objective) {
    rlt_buf text = {0};
    rlt_buf_printf(&text, "return { name = 'bench', objective = { 'command', %s }, ", objective);
    rlt_buf_printf(&text, tune, 1LL, 1);
    usage u = run_script(text.data, false);
    check_results();
    rlt_buf_fini(&text);
    return u;
}

static void bench_results(const char *self) {
    rlt_buf lines = {0};
    char objective[700];
    double limit = bare_inserts();
    for (int i = 1; i <= RESULTS; i++) {
        rlt_buf_printf(&lines, "{\"step\": %d, \"loss\": %.6g}\n", i, 1.0 / i);
    }
    write_file(lines_path, lines.data);
    rlt_buf_fini(&lines);
    printf("\n%d results of one program, from its start to its end:\n", RESULTS);
    printf("%-38s %10.0f results/s\n", "SQLite alone, the same rows", limit);
    snprintf(objective, sizeof objective, "argv = { '/bin/cat', '%s' }, keep_logs = 'failed'",
             lines_path);
    usage u = run_results(objective);
    print_results("JSON lines on standard output", &u, limit);
    snprintf(objective, sizeof objective, "argv = { '%s', '--push', '%d' }, socket = true", self,
             RESULTS);
    u = run_results(objective);
    print_results("JSON lines over its socket", &u, limit);
    unlink(lines_path);
}

/* ---- the program that pushes ---- */

static void send_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(fd, data, size, 0);
        if (sent < 0) {
            die("send");
        }
        data += sent;
        size -= (size_t)sent;
    }
}

static int push(int count) {
    const char *port = getenv("RLTUNE_PORT"), *token = getenv("RLTUNE_TOKEN");
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_port = htons((uint16_t)strtol(port != NULL ? port : "0", NULL, 10));
    if (token == NULL || fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        die("connect");
    }
    rlt_buf lines = {0};
    rlt_buf_printf(&lines, "{\"token\": \"%s\"}\n", token);
    for (int i = 1; i <= count; i++) {
        rlt_buf_printf(&lines, "{\"step\": %d, \"loss\": %.6g}\n", i, 1.0 / i);
        if (lines.size > 60000) {
            send_all(fd, lines.data, lines.size);
            lines.size = 0;
        }
    }
    send_all(fd, lines.data, lines.size);
    rlt_buf_fini(&lines);
    shutdown(fd, SHUT_WR);
    char rest[256];
    while (read(fd, rest, sizeof rest) > 0) {
    }
    close(fd);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--push") == 0) {
        return push((int)strtol(argv[2], NULL, 10));
    }
    long trials = argc > 1 ? strtol(argv[1], NULL, 10) : 10000;
    char self[300];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (argc > 3 || trials < 1 || size <= 0) {
        fprintf(stderr, "usage: trials_bench [TRIALS [FOLDER]]\n");
        return 2;
    }
    self[size] = 0;
    snprintf(folder, sizeof folder, "%s/trials_bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (mkdtemp(folder) == NULL) {
        die(folder);
    }
    snprintf(script_path, sizeof script_path, "%s/bench.lua", folder);
    snprintf(db_path, sizeof db_path, "%s/bench.db", folder);
    snprintf(lines_path, sizeof lines_path, "%s/lines", folder);
    bench_trials(trials);
    bench_results(self);
    bench_memory();
    remove_database();
    unlink(script_path);
    rmdir(folder);
    return 0;
}
