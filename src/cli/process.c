/* cli: the two data-plane processes, as started by their parents. Thread: main only. */
#include "cli/cli.h"
#include "driver/driver.h"
#include "envs/envs.h"
#include "learner/learner_process.h"
#include "scheduler/scheduler.h"
#include "worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const rlt_cli_option rlt_cli_learner_options[] = {
    {"--endpoint", "ENDPOINT", "where the driver listens"},
    {"--name", "NAME", "this learner's name among the driver's peers"},
    {"--epoch", "N", "the attempt"},
    {"--folder", "FOLDER", "where it runs"},
    {"--rank", "N", "of several learners, from 1; the endpoint is then the first one's"},
    {"--group-fd", "FD", "inherited shared memory of the learners, or -1"},
    {0},
};
const rlt_cli_option rlt_cli_worker_options[] = {
    {"--endpoint", "ENDPOINT", "where the learner listens"},
    {"--worker", "N", "this worker's number"},
    {"--epoch", "N", "this worker's incarnation"},
    {"--segments-fd", "FD", "inherited shared memory, or -1"},
    {"--weights-fd", "FD", "inherited shared memory, or -1"},
    {"--asking-fd", "FD", "inherited shared memory, or -1"},
    {0},
};

const rlt_cli_option rlt_cli_guard_options[] = {
    {"--fd", "FD", "inherited; ends with the parent"},
    {"--mark", "NAME=VALUE", "in the environment of what is to end"},
    {0},
};

static rlt_status required(const rlt_cli_args *args, const char *option, const char **value,
                           rlt_err *err) {
    *value = rlt_cli_value(args, option);
    return *value != NULL
               ? RLT_OK
               : rlt_fail(err, RLT_EINVAL, "rltune %s: %s is missing", args->command, option);
}

/* Ctrl-C reaches the whole process group, a batch system's SIGTERM all processes of a job; what to
 * do about it is the driver's decision, whose end is theirs too. */
static void leave_signals_to_driver(void) {
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

rlt_status rlt_cli_learner(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    rlt_learner_args learner = {.envs = rlt_envs};
    int64_t epoch = 0, rank = 0, group_fd = -1;
    leave_signals_to_driver();
    RLT_TRY(rlt_cli_parse("learner", 0, 0, argc, argv, &args, err));
    RLT_TRY(required(&args, "--endpoint", &learner.endpoint, err));
    RLT_TRY(required(&args, "--name", &learner.name, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--epoch", 0, INT64_MAX, &epoch, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--rank", 0, 63, &rank, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--group-fd", -1, 1 << 20, &group_fd, err));
    const char *folder = rlt_cli_value(&args, "--folder");
    if (folder != NULL && chdir(folder) != 0) { /* whoever started it may be elsewhere */
        return rlt_fail(err, RLT_EIO, "%s: %s", folder, strerror(errno));
    }
    learner.epoch = (uint64_t)epoch;
    learner.rank = (int)rank;
    learner.group_fd = (int)group_fd;
    return rank > 0 ? rlt_learner_peer_run(&learner, err) : rlt_learner_run(&learner, err);
}

rlt_status rlt_cli_worker(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    rlt_worker_args worker = {.envs = rlt_envs};
    int64_t number = 0, epoch = 0, segments_fd = -1, weights_fd = -1, asking_fd = -1;
    leave_signals_to_driver();
    RLT_TRY(rlt_cli_parse("worker", 0, 0, argc, argv, &args, err));
    RLT_TRY(required(&args, "--endpoint", &worker.endpoint, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--worker", 0, 4096, &number, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--epoch", 0, INT64_MAX, &epoch, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--segments-fd", -1, 1 << 20, &segments_fd, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--weights-fd", -1, 1 << 20, &weights_fd, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--asking-fd", -1, 1 << 20, &asking_fd, err));
    worker.worker = (uint32_t)number;
    worker.epoch = (uint64_t)epoch;
    worker.segments_fd = (int)segments_fd;
    worker.weights_fd = (int)weights_fd;
    worker.asking_fd = (int)asking_fd;
    return rlt_worker_run(&worker, err);
}

rlt_status rlt_cli_guard(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    const char *mark;
    int64_t fd = -1;
    leave_signals_to_driver();
    RLT_TRY(rlt_cli_parse("guard", 0, 0, argc, argv, &args, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--fd", 3, 1 << 20, &fd, err));
    RLT_TRY(required(&args, "--mark", &mark, err));
    return rlt_guard_run((int)fd, mark, err);
}

rlt_status rlt_cli_function(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    RLT_TRY(rlt_cli_parse("function", 0, 0, argc, argv, &args, err));
    return rlt_function_run(3, err);
}
