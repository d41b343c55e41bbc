/* cli: run, resume, stop: a script becomes an experiment. Thread: main only; a signal handler
 * counts requests to stop. */
#include "cli/cli.h"
#include "cli/live.h"
#include "cli/report.h"
#include "envs/envs.h"
#include "scheduler/scheduler.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RLT_CLI_ATTACHED_OPTION                                                                    \
    {                                                                                              \
        "--attached", NULL,                                                                        \
            "for programs that start it: say as a line of JSON where it listens, end with "        \
            "standard input"                                                                       \
    }
const rlt_cli_option rlt_cli_run_options[] = {
    {"--set", "KEY=VALUE", "override one field, e.g. ppo.lr=3e-4 (may be given several times)"},
    {"--dry-run", NULL, "check everything and print the configuration, start nothing"},
    {"--quiet", NULL, "no progress"},
    RLT_CLI_ATTACHED_OPTION,
    RLT_CLI_JSON_OPTION,
    RLT_CLI_DB_OPTION,
    {0},
};
const rlt_cli_option rlt_cli_resume_options[] = {
    {"--trials", "N", "as tune.trials from now on: the search grows"},
    {"--quiet", NULL, "no progress"},
    RLT_CLI_ATTACHED_OPTION,
    RLT_CLI_JSON_OPTION,
    RLT_CLI_DB_OPTION,
    {0}};
const rlt_cli_option rlt_cli_join_options[] = {
    {"--parallel", "N", "trials at the same time (default: the cores of this machine)"},
    {"--quiet", NULL, "no progress"},
    RLT_CLI_DB_OPTION,
    {0}};
const rlt_cli_option rlt_cli_stop_options[] = {RLT_CLI_JSON_OPTION, RLT_CLI_DB_OPTION, {0}};

static volatile sig_atomic_t stop_requests;

static void on_signal(int number) {
    (void)number;
    stop_requests++;
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed stderr must not kill a run */
}

/* ---- the script, with what --set changes ---- */

static rlt_status apply_set(const rlt_cli_args *args, rlt_script *script, const char *text,
                            rlt_err *err) {
    char path[RLT_CLI_PATH_MAX];
    const char *value;
    RLT_TRY(rlt_cli_split_set(args, text, path, &value, err));
    return rlt_config_set(rlt_script_json(script), path, value, err);
}

/* A value that --set gave is not to be looked for in the script: "a.lua:3: ppo.lr: ..." becomes
 * "--set ppo.lr=x: ...". */
static void name_set(const rlt_cli_args *args, rlt_err *err) {
    const char *file = args->words[0], *rest = err->message;
    size_t size = strlen(file);
    if (strncmp(rest, file, size) != 0 || rest[size] != ':') {
        return;
    }
    rest += size + 1;
    rest += strspn(rest, "0123456789: ");
    for (int i = args->given_count - 1; i >= 0; i--) {
        const char *value = args->given[i].value;
        size_t key = strcspn(value, "=");
        if (strcmp(args->given[i].name, "--set") == 0 && strncmp(rest, value, key) == 0 &&
            rest[key] == ':') {
            rlt_err inner = *err;
            rlt_fail(err, inner.code, "--set %.100s%s", value,
                     inner.message + (rest - err->message) + key);
            return;
        }
    }
}

static rlt_status open_script(const rlt_cli_args *args, rlt_script **script, rlt_err *err) {
    const char *path = args->words[0];
    rlt_status status = rlt_script_create_file(path, NULL, script, err);
    if (status == RLT_ENOTFOUND) {
        return rlt_fail(err, status,
                        "%s: there is no such script; give the path of a Lua file that returns an "
                        "experiment's table, such as configs/cartpole.lua",
                        path);
    }
    RLT_TRY(status);
    for (int i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].name, "--set") == 0) {
            RLT_TRY(apply_set(args, *script, args->given[i].value, err));
        }
    }
    return RLT_OK;
}

static rlt_status dry_run(const rlt_driver_options *options, rlt_script *script, rlt_err *err) {
    rlt_experiment_config config = {0};
    rlt_status status = rlt_driver_check(options, script, &config, err);
    if (status == RLT_OK) {
        json_dumpf(config.json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
        printf("\n");
        fprintf(stderr, "%s: valid; nothing was started\n", rlt_script_name(script));
    }
    rlt_experiment_config_fini(&config);
    return status;
}

/* ---- what is said at the end ---- */

typedef struct seed_stats {
    int count;
    double sum;
    bool program; /* trials were no trainings */
} seed_stats;

static rlt_status add_seed(void *user, int columns, const char *const *names,
                           const char *const *values, rlt_err *err) {
    (void)columns;
    (void)names;
    (void)err;
    seed_stats *s = user;
    if (values[0] != NULL) {
        s->count++;
        s->sum += strtod(values[0], NULL);
    }
    return RLT_OK;
}

static rlt_status note_program(void *user, int columns, const char *const *names,
                               const char *const *values, rlt_err *err) {
    (void)columns;
    (void)names;
    (void)err;
    ((seed_stats *)user)->program = values[0] != NULL;
    return RLT_OK;
}

/* Final evaluations of the retrained winner, or of the one trial there is. */
static rlt_status read_finals(rlt_store *store, int64_t id, seed_stats *stats, rlt_err *err) {
    *stats = (seed_stats){0};
    const int64_t args[] = {id};
    RLT_TRY(rlt_store_query(store,
                            "SELECT json_extract(config_json, '$.objective') FROM experiments "
                            "WHERE id = ?1",
                            args, 1, note_program, stats, err));
    return rlt_store_query(store,
                           "SELECT m.value FROM trials t JOIN metrics m ON m.trial = t.id "
                           "JOIN metric_names n ON n.id = m.name "
                           "WHERE t.experiment = ?1 AND n.name = 'final_eval_return' "
                           "AND t.state = 'completed' AND ((t.role = 'final' AND t.configuration "
                           "= (SELECT configuration FROM trials WHERE experiment = ?1 AND role = "
                           "'final' ORDER BY number DESC LIMIT 1)) OR "
                           "(SELECT count(*) FROM trials WHERE experiment = ?1) = 1)",
                           args, 1, add_seed, stats, err);
}

static rlt_status print_end(const rlt_cli_args *args, const rlt_driver_result *result,
                            rlt_err *err) {
    const char *db = rlt_report_db(args);
    rlt_store *store = NULL;
    seed_stats finals;
    char id[32];
    snprintf(id, sizeof(id), "%lld", (long long)result->experiment);
    char *show[] = {id, "--db", (char *)db, "--top", "10"};
    RLT_TRY(rlt_cli_show((int)RLT_COUNT(show), show, err));
    RLT_TRY(rlt_store_open(db, RLT_STORE_READ, &store, err));
    rlt_status status = read_finals(store, result->experiment, &finals, err);
    rlt_store_close(&store);
    RLT_TRY(status);
    if (finals.count == 1) { /* several are in what show printed */
        printf("final evaluation: mean return %.6g\n", finals.sum);
    }
    bool named = rlt_cli_flag(args, "--db"); /* what is shown must work when it is pasted */
    const char *option = named ? " --db " : "", *value = named ? db : "";
    printf("\nin %s; next:\n", db);
    static const char *const next[] = {"plot", "best", "eval", "render"};
    size_t count = finals.program ? 2 : RLT_COUNT(next); /* no policy to look at */
    for (size_t i = 0; i < count; i++) {
        printf("  rltune %s %s%s%s\n", next[i], id, option, value);
    }
    return RLT_OK;
}

static rlt_status print_end_json(const char *db, const rlt_driver_result *result, rlt_err *err) {
    rlt_store *store = NULL;
    seed_stats finals;
    RLT_TRY(rlt_store_open(db, RLT_STORE_READ, &store, err));
    rlt_status status = read_finals(store, result->experiment, &finals, err);
    rlt_store_close(&store);
    RLT_TRY(status);
    json_t *value = isfinite(result->best_value) && result->best_number >= 0
                        ? json_real(result->best_value)
                        : json_null();
    json_t *mean = finals.count > 0 ? json_real(finals.sum / finals.count) : json_null();
    json_t *json = json_pack("{s:I, s:I, s:o, s:I, s:b, s:o, s:i, s:s}", "experiment",
                             (json_int_t)result->experiment, "best_trial",
                             (json_int_t)result->best_number, "best_value", value, "failed",
                             (json_int_t)result->failed, "stopped", (int)result->stopped,
                             "final_eval_return", mean, "final_seeds", finals.count, "db", db);
    json_dumpf(json, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(json);
    return RLT_OK;
}

/* The leaderboard comes in any case; a stop by request is its own exit code. */
static rlt_status finish(const rlt_cli_args *args, rlt_status status,
                         const rlt_driver_result *result, rlt_err *err) {
    const char *db = rlt_report_db(args);
    rlt_err why = *err;
    bool attached = rlt_cli_flag(args, "--attached");
    if (!attached && result->experiment > 0 && (status == RLT_OK || status == RLT_EFAILED)) {
        RLT_TRY(rlt_cli_flag(args, "--json") ? print_end_json(db, result, err)
                                             : print_end(args, result, err));
    }
    *err = why;
    if (status == RLT_OK && result->stopped) {
        return rlt_fail(err, RLT_EINTERRUPTED, "stopped; go on with: rltune resume %lld --db %s",
                        (long long)result->experiment, db);
    }
    return status;
}

/* ---- attached ---- */

static void *await_end_of_input(void *unused) {
    char part[256];
    (void)unused;
    while (read(STDIN_FILENO, part, sizeof part) > 0) {
    }
    kill(getpid(), SIGTERM);
    return NULL;
}

static void say_where(void *user, int64_t experiment, const char *name) {
    (void)user;
    json_t *line = json_pack("{s:I, s:s}", "experiment", (json_int_t)experiment, "socket", name);
    json_dumpf(line, stdout, JSON_COMPACT);
    printf("\n");
    fflush(stdout);
    json_decref(line);
}

/* Whoever started this process ends it by ending itself. */
static rlt_status attach(const rlt_cli_args *args, rlt_driver_options *options, rlt_err *err) {
    pthread_t thread;
    if (!rlt_cli_flag(args, "--attached")) {
        return RLT_OK;
    }
    options->listening = say_where;
    if (pthread_create(&thread, NULL, await_end_of_input, NULL) != 0) {
        return rlt_fail(err, RLT_EIO, "could not start a thread");
    }
    pthread_detach(thread);
    return RLT_OK;
}

static rlt_driver_options make_options(const rlt_cli_args *args, rlt_live *live, char *facts_json) {
    rlt_live_init(live, rlt_cli_flag(args, "--quiet"));
    return (rlt_driver_options){
        .db_path = rlt_report_db(args),
        .envs = rlt_envs,
        .facts_json = facts_json,
        .progress = rlt_live_progress,
        .event = rlt_live_event,
        .user = live,
        .stop = &stop_requests,
        .version = RLT_VERSION " (" RLT_COMMIT ")",
    };
}

rlt_status rlt_cli_run(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    rlt_live live;
    rlt_script *script = NULL;
    RLT_TRY(rlt_cli_parse("run", 1, 1, argc, argv, &args, err));
    rlt_status status = open_script(&args, &script, err);
    char *facts = rlt_cli_facts();
    rlt_driver_options options = make_options(&args, &live, facts);
    if (status == RLT_OK && rlt_cli_flag(&args, "--dry-run")) {
        status = dry_run(&options, script, err);
        name_set(&args, err);
    } else if (status == RLT_OK) {
        rlt_driver_result result;
        catch_signals();
        result = (rlt_driver_result){0};
        status = attach(&args, &options, err);
        status = status == RLT_OK ? rlt_driver_run(&options, script, &result, err) : status;
        rlt_live_fini(&live);
        if (result.experiment == 0) {
            name_set(&args, err);
        }
        status = finish(&args, status, &result, err);
    }
    rlt_live_fini(&live);
    rlt_script_destroy(&script);
    free(facts);
    return status;
}

static rlt_status experiment_id(const rlt_cli_args *args, int64_t *id, rlt_err *err) {
    rlt_store *store = NULL;
    RLT_TRY(rlt_store_open(rlt_report_db(args), RLT_STORE_READ, &store, err));
    rlt_status status = rlt_report_find(store, args, args->words[0], id, err);
    rlt_store_close(&store);
    return status;
}

/* What was imported has no program that could run. */
static rlt_status refuse_imported(const char *db, int64_t id, rlt_err *err) {
    rlt_store *store = NULL;
    rlt_experiment_row row = {0};
    RLT_TRY(rlt_store_open(db, RLT_STORE_READ, &store, err));
    rlt_status status = rlt_store_experiment_get(store, id, &row, err);
    json_t *facts = rlt_report_parse(status == RLT_OK ? row.facts_json : "{}");
    const char *from = json_string_value(json_object_get(json_object_get(facts, "import"), "from"));
    if (status == RLT_OK && from != NULL) {
        status = rlt_fail(err, RLT_ENOTSUP,
                          "%s: experiment %lld was imported from %.40s and has no program to run; "
                          "run a script of your own with its search space, which `rltune import "
                          "... --out FILE` writes",
                          db, (long long)id, from);
    }
    json_decref(facts);
    rlt_experiment_row_fini(&row);
    rlt_store_close(&store);
    return status;
}

rlt_status rlt_cli_resume(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    rlt_live live;
    int64_t id;
    RLT_TRY(rlt_cli_parse("resume", 1, 1, argc, argv, &args, err));
    RLT_TRY(experiment_id(&args, &id, err));
    RLT_TRY(refuse_imported(rlt_report_db(&args), id, err));
    rlt_driver_options options = make_options(&args, &live, NULL);
    rlt_driver_result result = {0};
    RLT_TRY(rlt_cli_option_integer(&args, "--trials", 1, 10000000, &options.trials, err));
    catch_signals();
    rlt_status status = attach(&args, &options, err);
    status = status == RLT_OK ? rlt_driver_resume(&options, id, &result, err) : status;
    rlt_live_fini(&live);
    return finish(&args, status, &result, err);
}

/* ---- join ---- */

rlt_status rlt_cli_join(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    rlt_live live;
    int64_t id, parallel = rlt_scheduler_cores(), done = 0;
    RLT_TRY(rlt_cli_parse("join", 1, 1, argc, argv, &args, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--parallel", 1, 4096, &parallel, err));
    RLT_TRY(experiment_id(&args, &id, err));
    rlt_driver_options options = make_options(&args, &live, NULL);
    catch_signals();
    rlt_status status = rlt_driver_join(&options, id, (int)parallel, &done, err);
    rlt_live_fini(&live);
    if (status == RLT_OK) {
        printf("%lld trials of experiment %lld were run here\n", (long long)done, (long long)id);
    }
    return status;
}

/* ---- stop ---- */

enum { STOP_WAIT_S = 120 };

static rlt_status stop_driver(rlt_store *store, const rlt_experiment_row *row, rlt_err *err) {
    if (kill((pid_t)row->driver_pid, SIGTERM) != 0) {
        return rlt_fail(err, RLT_EPEER, "could not signal the driver, process %lld: %s",
                        (long long)row->driver_pid, strerror(errno));
    }
    double deadline = rlt_clock_s() + STOP_WAIT_S;
    while (rlt_store_experiment_is_owned(store, row->id)) {
        if (rlt_clock_s() > deadline) {
            return rlt_fail(err, RLT_ETIMEOUT,
                            "the driver, process %lld, did not end within %d s; it may be in a "
                            "long iteration",
                            (long long)row->driver_pid, STOP_WAIT_S);
        }
        usleep(20000);
    }
    return RLT_OK;
}

/* An experiment whose driver has died: a driver that is asked to stop before it starts anything
 * puts its rows in order. */
static rlt_status stop_orphan(const char *db, int64_t id, rlt_err *err) {
    static const volatile sig_atomic_t once = 1;
    rlt_driver_options options = {.db_path = db, .envs = rlt_envs, .stop = &once};
    rlt_driver_result result;
    return rlt_driver_resume(&options, id, &result, err);
}

rlt_status rlt_cli_stop(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    int64_t id;
    rlt_store *store = NULL;
    rlt_experiment_row row;
    RLT_TRY(rlt_cli_parse("stop", 1, 1, argc, argv, &args, err));
    RLT_TRY(experiment_id(&args, &id, err));
    const char *db = rlt_report_db(&args);
    RLT_TRY(rlt_store_open(db, RLT_STORE_READ, &store, err));
    rlt_status status = rlt_store_experiment_get(store, id, &row, err);
    if (status != RLT_OK) {
        rlt_store_close(&store);
        return status;
    }
    bool live = rlt_store_experiment_is_owned(store, id);
    bool running = strcmp(row.state, "running") == 0;
    status = live ? stop_driver(store, &row, err) : RLT_OK;
    rlt_store_close(&store);
    if (status == RLT_OK && !live && running) {
        status = stop_orphan(db, id, err);
    }
    const char *text = live || running ? "stopped" : row.state;
    if (status == RLT_OK && rlt_cli_flag(&args, "--json")) {
        printf("{\"experiment\": %lld, \"state\": \"%s\"}\n", (long long)id, text);
    } else if (status == RLT_OK) {
        printf("experiment %lld %s %s\n", (long long)id, live || running ? "is" : "was already",
               text);
    }
    rlt_experiment_row_fini(&row);
    return status;
}
