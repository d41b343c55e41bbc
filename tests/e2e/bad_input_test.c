/* Bad input through the real binary: each gets one paragraph that names the place, the bad value
 * and a remedy, the documented exit code, and leaves nothing half-written behind. */
#include "core/core.h"
#include "store/store.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { OUT_MAX = 16384, NEEDLES_MAX = 4, FILES_MAX = 32 };
static char folder[64];

/* ---- running ---- */

/* Runs `rltune ARGS` in the folder with stderr joined to stdout; returns the exit code. */
static int run(const char *args, char out[OUT_MAX]) {
    char command[1024];
    snprintf(command, sizeof(command), "cd %s && unset RLTUNE_DB && timeout 60 %s %s 2>&1", folder,
             RLT_BINARY, args);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(out, 1, OUT_MAX - 1, pipe);
    out[got] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const char *path_of(const char *name) {
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text, size_t size) {
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fclose(file);
}

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

/* Errors are one line that begins with "rltune: error: ". */
static void expect(const char *args, int code, const char *const needles[NEEDLES_MAX]) {
    char out[OUT_MAX];
    int got = run(args, out);
    char *error = strstr(out, "rltune: error: ");
    if (got != code || error == NULL || strchr(error, '\n') == NULL) {
        fail_msg("rltune %s: exit code %d instead of %d:\n%s", args, got, code, out);
    }
    if (strchr(error, '\n')[1] != '\0') {
        fail_msg("rltune %s: more than one paragraph:\n%s", args, out);
    }
    for (int i = 0; i < NEEDLES_MAX && needles[i] != NULL; i++) {
        if (strstr(error, needles[i]) == NULL) {
            fail_msg("rltune %s: no '%s' in:\n%s", args, needles[i], error);
        }
    }
}
#define EXPECT(args, code, ...) expect(args, code, (const char *const[NEEDLES_MAX]){__VA_ARGS__})

static int file_count(const char *prefix) {
    DIR *dir = opendir(folder);
    int count = 0;
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    closedir(dir);
    return count;
}

static int64_t experiment_count(const char *db) {
    char out[OUT_MAX], args[128];
    snprintf(args, sizeof(args), "ls --json --db %s", db);
    assert_int_equal(run(args, out), 0);
    int64_t count = 0;
    for (const char *at = out; (at = strstr(at, "\"metric\"")) != NULL; at++) {
        count++;
    }
    return count;
}

static int set_up(void **unused) {
    (void)unused;
    snprintf(folder, sizeof(folder), "/tmp/rltune_bad_input_XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_text("ok.lua",
               "return { env = 'CartPole-v1', envs_per_worker = 8, "
               "ppo = { horizon = 32 }, stop = { steps = 1024 }, eval = { episodes = 2 } }");
    return 0;
}

static int tear_down(void **unused) {
    (void)unused;
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

/* ---- scripts ---- */

typedef struct script_case {
    const char *script, *args;
    int code;
    const char *needles[NEEDLES_MAX];
} script_case;

#define TUNED(rest)                                                                                \
    "return { env = 'CartPole-v1',\n  ppo = { lr = space.uniform(1e-4, 1e-3) },\n" rest "}"

static const script_case scripts[] = {
    {"return {\n  env = 'CartPole-v1'\n  algo = 'ppo',\n}", "", 3, {"bad.lua:3: ", "near 'algo'"}},
    {"return { env = a.b }", "", 3, {"bad.lua:1: ", "global 'a'"}},
    {"x = 1", "", 3, {"bad.lua:1: ", "it must end with `return { ... }`"}},
    {"return { env = 'CartPole-v1',\n  ppo = { lerning_rate = 1 } }",
     "",
     3,
     {"bad.lua:2: ppo.lerning_rate: unknown key", "did you mean 'learning_rate'?",
      "rltune explain ppo"}},
    {"return { env = 'CartPole-v1',\n  pop = { lr = 1 } }",
     "",
     3,
     {"bad.lua:2: pop: ", "did you mean 'ppo'?"}},
    {"return { env = 'CartPole-v1',\n  ppo = { lr = 'fast' } }",
     "",
     3,
     {"bad.lua:2: ppo.lr: \"fast\" is not allowed", "allowed: a number"}},
    {"return { env = 'CartPole-v1',\n\n  ppo = { epochs = 0 } }",
     "",
     3,
     {"bad.lua:3: ppo.epochs: 0 is not allowed", "from 1 to 1000"}},
    {"return {\n  env = 'CartPole-v2' }",
     "",
     3,
     {"bad.lua:2: unknown environment 'CartPole-v2'", "did you mean 'CartPole-v1'?",
      "rltune envs"}},
    {"return { env = 'CartPole-v1', algo = 'dqn' }", "", 3, {"bad.lua:1: algo: \"dqn\"", "'ppo'"}},
    {"while true do end", "", 3, {"bad.lua:1: ", "endless loop"}},
    {"local t = {}\nfor i = 1, 1e9 do t[i] = { i } end", "", 3, {"bad.lua:2: ", "limit"}},
    {"return { env = ('x'):rep(1e10) }", "", 3, {"bad.lua:1: ", "too large"}},
    {"return { env = 'CartPole-v1', device = 'cuda:0' }",
     "",
     3,
     {"bad.lua:1: ", "device = \"cuda:0\": no CUDA module at /nowhere/module.so", "\"cpu\""}},
    {"return { env = 'CartPole-v1', device = 'cuda:O' }",
     "",
     3,
     {"bad.lua:1: device: \"cuda:O\"", "'cuda:0'"}},
    {"return { env = 'CartPole-v1',\n device = 'cuda' }",
     "",
     3,
     {"bad.lua:2: ", "device = \"cuda\": no CUDA module at", "\"auto\"", "rltune doctor"}},
    {"return { env = 'CartPole-v1',\n workers = 3, learners = 2 }",
     "",
     3,
     {"bad.lua:2: learners: ", "2 cannot share workers = 3 evenly", "a multiple of 2"}},
    {"return { env = 'CartPole-v1',\n workers = 2, transport = 'tcp', inference = 'learner' }",
     "",
     3,
     {"bad.lua:2: inference: ", "transport = \"tcp\"", "transport = \"shm\""}},
    {"return { env = 'CartPole-v1',\n workers = 100 }",
     "",
     3,
     {"bad.lua:2: workers: 100", "at most 63"}},
    {"return { env = 'CartPole-v1',\n learners = 3 }",
     "",
     3,
     {"bad.lua:2: learners: 3; allowed: 1, 2 or 4"}},
    {"return { env = 'CartPole-v1',\n model = { squash = true } }",
     "",
     3,
     {"bad.lua:2: model.squash: ", "discrete"}},
    {"return { env = 'CartPole-v1', ppo = { lr = space.uniform(1e-3, 1e-4) } }",
     "",
     3,
     {"bad.lua:1: space.uniform: low (0.001)", "high (0.0001)"}},
    {"return { env = 'CartPole-v1', ppo = { lr = space.uniform(1e-4, 1e-3) } }",
     "",
     3,
     {"bad.lua:1: ppo.lr: ", "tune = { trials = 16 }"}},
    {TUNED("  tune = { sampler = 'grid' }"),
     "",
     3,
     {"bad.lua:2: ppo.lr: ", "grid sampler", "sampler = \"random\""}},
    {TUNED("  tune = { metric = 'eval_retrun' }"),
     "",
     3,
     {"bad.lua:3: tune.metric: \"eval_retrun\"", "'eval_return'"}},
    {TUNED("  tune = { sampler = 'randon' }"),
     "",
     3,
     {"bad.lua:3: tune.sampler: 'randon'", "did you mean 'random'?"}},
    {TUNED("  tune = { stopper = { 'asha', grce = 3 } }"),
     "",
     3,
     {"bad.lua:3: tune.stopper.grce", "did you mean 'grace'?"}},
    {TUNED("  tune = { points = { { ['ppo.epochs'] = 3 } } }"), "", 3, {"bad.lua:3: tune.points"}},
    {"return { env = 'CartPole-v1', ppo = { epochs = space.randint(1, 3),\n"
     "  lr = function(p) return p.nothing.x end }, tune = { trials = 2 } }",
     "",
     3,
     {"bad.lua:2: ", "'nothing'"}},
    {"return { env = 'CartPole-v1', ppo = { epochs = space.randint(1, 3),\n"
     "  lr = function(p) return 'fast' end }, tune = { trials = 2 } }",
     "",
     3,
     {"bad.lua:2: ", "ppo.lr: \"fast\""}},
    {"\x1bLua\x54", "", 3, {"bad.lua:1: ", "precompiled"}},
    {"return { env = 'CartPole-v1' }", "--set ppo.lr", 2, {"--set 'ppo.lr'", "KEY=VALUE"}},
    {"return { env = 'CartPole-v1', ppo = { lr = 1e-3 } }",
     "--set ppo.lr=fast",
     3,
     {"--set ppo.lr=fast: \"fast\" is not allowed", "a number"}},
    {"return { env = 'CartPole-v1' }",
     "--set ppo.lrr=1",
     3,
     {"--set ppo.lrr=1: unknown key", "did you mean 'lr'?"}},
    {"return { env = 'CartPole-v1' }", "--sett x=1", 2, {"'--sett'", "did you mean '--set'?"}},
};

/* The longest messages lose nothing of value: rlt_err.message is 512 bytes. */
static void test_scripts(void **unused) {
    (void)unused;
    for (size_t i = 0; i < RLT_COUNT(scripts); i++) {
        char args[256];
        write_text("bad.lua", scripts[i].script);
        snprintf(args, sizeof(args), "run bad.lua --db bad.db %s", scripts[i].args);
        expect(args, scripts[i].code, scripts[i].needles);
        assert_int_equal(file_count("bad"), 1); /* the script alone */
        snprintf(args, sizeof(args), "run bad.lua --dry-run --db bad.db %s", scripts[i].args);
        expect(args, scripts[i].code, scripts[i].needles);
        unlink(path_of("bad.lua"));
    }
}

static void test_script_files(void **unused) {
    (void)unused;
    EXPECT("run missing.lua", 4, "missing.lua: there is no such script", "configs/cartpole.lua");
    EXPECT("run .", 5, ".: not a regular file");
    EXPECT("run", 2, "usage: rltune run SCRIPT.lua");
    static char large[(1 << 20) + 2];
    memset(large, ' ', sizeof(large));
    write_file("large.lua", large, sizeof(large));
    EXPECT("run large.lua", 3, "large.lua: 1048578 bytes, but at most 1048576 are allowed");
    unlink(path_of("large.lua"));
    assert_int_equal(file_count("rltune.db"), 0);
}

/* A name as long as file systems allow: place, value and remedy are still there. */
static void test_long_names(void **unused) {
    (void)unused;
    char name[256], args[600];
    memset(name, 'n', 200);
    strcpy(name + 200, ".lua");
    write_text(name, "return { env = 'CartPole-v1',\n  ppo = { lerning_rate = 1 } }");
    snprintf(args, sizeof(args), "run %s --db bad.db", name);
    EXPECT(args, 3, ".lua:2: ppo.lerning_rate: unknown key", "'learning_rate'",
           "`rltune explain ppo` lists all keys");
    unlink(path_of(name));
    snprintf(args, sizeof(args), "run ok.lua --db %.200s/x.db", name);
    EXPECT(args, 4, "/x.db: could not create the database: its folder does not exist", "--db");
}

/* ---- databases ---- */

static void test_database_that_is_none(void **unused) {
    (void)unused;
    static const char text[] = "no database, but long enough that its header can be looked at\n";
    char after[sizeof(text)];
    write_text("text.db", text);
    EXPECT("run ok.lua --db text.db", 5, "text.db: is not an SQLite database", "--db");
    EXPECT("ls --db text.db", 5, "text.db: is not an SQLite database", "--db");
    FILE *file = fopen(path_of("text.db"), "r");
    assert_non_null(file);
    assert_int_equal(fread(after, 1, sizeof(after), file), sizeof(text) - 1);
    fclose(file);
    assert_memory_equal(text, after, sizeof(text) - 1);
    EXPECT("run ok.lua --db missing/x.db", 4, "missing/x.db: ", "folder does not exist", "--db");
    EXPECT("run ok.lua --db .", 5, ".: is not a regular file", "--db");
    EXPECT("ls --db none.db", 4, "none.db: there is no database", "rltune run");
    EXPECT("resume 1 --db none.db", 4, "none.db: there is no");
    assert_int_equal(file_count("none"), 0);
}

static void test_foreign_database(void **unused) {
    (void)unused;
    /* the header of an empty database of another program: application_id 7 at offset 68 */
    rlt_store *store = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_store_open(path_of("foreign.db"), RLT_STORE_WRITE, &store, &err), RLT_OK);
    rlt_store_close(&store);
    FILE *file = fopen(path_of("foreign.db"), "r+");
    assert_non_null(file);
    fseek(file, 68, SEEK_SET);
    static const unsigned char other_id[] = {0, 0, 0, 7};
    assert_int_equal(fwrite(other_id, 1, 4, file), 4);
    fclose(file);
    EXPECT("run ok.lua --db foreign.db", 5, "foreign.db: ", "not one of rltune (application_id 7)",
           "--db");
    EXPECT("show 1 --db foreign.db", 5, "foreign.db: ", "not one of rltune");
}

static void test_unreadable_database(void **unused) {
    (void)unused;
    if (geteuid() == 0) {
        EXPECT("run ok.lua --db /proc/x.db", 5, "/proc/x.db: could not create the database",
               "--db");
        print_message("permissions skipped: root may read everything\n");
        return;
    }
    write_text("closed.db", "");
    assert_int_equal(chmod(path_of("closed.db"), 0), 0);
    EXPECT("run ok.lua --db closed.db", 5, "closed.db: could not open", "permissions");
    EXPECT("ls --db closed.db", 5, "closed.db: could not open", "permissions");
}

/* A child that keeps the writer's lock until it is killed. */
static pid_t lock_database(const char *db) {
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a check below fails */
        rlt_store *store = NULL;
        rlt_err err = {0};
        rlt_experiment_row row = {.name = "locker", .metric = "m"};
        int64_t id;
        if (rlt_store_open(db, RLT_STORE_WRITE, &store, &err) != RLT_OK ||
            rlt_store_begin(store, &err) != RLT_OK ||
            rlt_store_experiment_create(store, &row, &id, &err) != RLT_OK ||
            write(ready[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    char byte;
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void end_child(pid_t pid) {
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_locked_database(void **unused) {
    (void)unused;
    char out[OUT_MAX];
    assert_int_equal(run("run ok.lua --quiet --db locked.db", out), 0);
    pid_t pid = lock_database(path_of("locked.db"));
    EXPECT("run ok.lua --quiet --db locked.db", 5, "locked.db: ", "locked for 5 s", "run again");
    end_child(pid);
    assert_int_equal(experiment_count("locked.db"), 1);
}

static void test_full_disk(void **unused) {
    (void)unused;
    mkdir(path_of("full"), 0777);
    if (mount("rlt_bad_input", path_of("full"), "tmpfs", 0, "size=160k") != 0) {
        print_message("skipped: no right to mount a small tmpfs here\n");
        return;
    }
    EXPECT("run ok.lua --db full/x.db", 5, "full/x.db", "o space left");
    assert_int_equal(umount(path_of("full")), 0);
}

/* ---- experiments and models ---- */

static void test_unknown_names(void **unused) {
    (void)unused;
    char out[OUT_MAX];
    assert_int_equal(run("run ok.lua --quiet --db good.db", out), 0);
    static const char *const commands[] = {"show", "eval", "render", "resume",
                                           "stop", "best", "plot",   "export"};
    for (size_t i = 0; i < RLT_COUNT(commands); i++) {
        char args[64];
        snprintf(args, sizeof(args), "%s 77 --db good.db", commands[i]);
        EXPECT(args, 4, "good.db: there is no experiment 77");
    }
    EXPECT("eval 1:5 --db good.db", 4, "good.db: no checkpoint of '1:5'");
    EXPECT("render none.safetensors", 4, "none.safetensors: could not open");
    EXPECT("render 1 --db good.db --out x.jpg", 2, "'x.jpg'", ".gif", ".png");
    EXPECT("render 1 --db good.db --out none/x.gif", 4, "none/x.gif: could not create",
           "folder is missing");
    EXPECT("render 1 --db good.db --fps 0", 2, "--fps is '0'", "1 to 1000");
    EXPECT("render CartPole-v2 --random", 4, "did you mean 'CartPole-v1'?");
    EXPECT("render Blackjack-v1 --random", 2, "Blackjack-v1 has no picture", "CartPole-v1");
    EXPECT("render ./ok.lua", 5, "./ok.lua: ", "no checkpoint");
}

static void test_missing_checkpoint(void **unused) {
    (void)unused;
    char out[OUT_MAX], command[160];
    assert_int_equal(run("run ok.lua --quiet --db lost.db", out), 0);
    snprintf(command, sizeof(command), "rm %s/lost.db-checkpoints/*", folder);
    assert_int_equal(system(command), 0);
    EXPECT("eval 1 --db lost.db", 4, "the checkpoint of '1' cannot be read", "lost.db-checkpoints");
    EXPECT("render 1 --db lost.db", 4, "the checkpoint of '1' cannot be read");
}

/* The experiment belongs to a driver that lives. */
static void test_resume_of_a_running_experiment(void **unused) {
    (void)unused;
    char out[OUT_MAX], command[512];
    snprintf(command, sizeof(command),
             "cd %s && exec %s run ok.lua --quiet --db busy.db --set stop.steps=2000000000 "
             ">/dev/null 2>&1",
             folder, RLT_BINARY);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int found = 1;
    for (int i = 0; i < 500 && found != 0; i++) { /* until its row is there */
        usleep(20000);
        found = run("show 1 --db busy.db", out);
    }
    assert_int_equal(found, 0);
    EXPECT("resume 1 --db busy.db", 5, "busy.db: ", "experiment 1");
    assert_int_equal(run("stop 1 --db busy.db", out), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 130);
}

int main(void) {
    setenv("RLTUNE_CUDA_MODULE", "/nowhere/module.so", 1); /* the same on machines with a GPU */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_script_files),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_database_that_is_none),
        cmocka_unit_test(test_foreign_database),
        cmocka_unit_test(test_unreadable_database),
        cmocka_unit_test(test_locked_database),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_missing_checkpoint),
        cmocka_unit_test(test_resume_of_a_running_experiment),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
