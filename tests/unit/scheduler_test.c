/* Jobs: the child is this very program, told by its first argument what to do. */
#include "scheduler/scheduler.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int run_child(int argc, char **argv) {
    if (strcmp(argv[1], "exit") == 0) {
        return atoi(argv[2]);
    }
    if (strcmp(argv[1], "secret") == 0) { /* told through the environment alone */
        const char *secret = getenv("RLT_TEST_SECRET");
        return secret != NULL && strcmp(secret, "s3cret") == 0 && argc == 2 ? 0 : 1;
    }
    if (strcmp(argv[1], "parent") == 0) { /* starts a child of its own, then dies */
        char *sleeper[] = {NULL, "sleep", argv[2], NULL};
        rlt_job job;
        int fd = atoi(argv[2]);
        if (rlt_job_start(&job, sleeper, &fd, 1, NULL, NULL, NULL) != RLT_OK) {
            return 1;
        }
        raise(SIGKILL);
    }
    sleep(60);
    return 0;
}

static rlt_job start(char *what, char *argument) {
    char *argv[] = {NULL, what, argument, NULL};
    rlt_job job;
    rlt_err err = {0};
    assert_int_equal(rlt_job_start(&job, argv, NULL, 0, NULL, NULL, &err), RLT_OK);
    assert_true(rlt_job_is_running(&job));
    return job;
}

static bool ends_within(const rlt_job *job, int timeout_ms) {
    struct pollfd item = {.fd = job->pidfd, .events = POLLIN};
    return poll(&item, 1, timeout_ms) == 1;
}

static void test_tells_how_a_job_ended(void **unused) {
    (void)unused;
    char how[64];
    rlt_job job = start("exit", "7");
    assert_true(ends_within(&job, 10000));
    rlt_job_reap(&job, how, sizeof(how));
    assert_string_equal(how, "exit code 7");
    assert_false(rlt_job_is_running(&job));
    job = start("sleep", NULL);
    assert_false(ends_within(&job, 50));
    rlt_job_signal(&job, SIGTERM);
    assert_true(ends_within(&job, 10000));
    rlt_job_reap(&job, how, sizeof(how));
    assert_string_equal(how, "signal 15 (Terminated)");
}

static void test_end_kills_and_leaves_no_zombie(void **unused) {
    (void)unused;
    rlt_job job = start("sleep", NULL);
    pid_t pid = job.pid;
    rlt_job_end(&job, 10);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    rlt_job_end(&job, 10); /* nothing left to end */
}

static void test_secret_is_in_the_child_alone(void **unused) {
    (void)unused;
    char *argv[] = {NULL, "secret", NULL}, how[64];
    rlt_job job;
    rlt_err err = {0};
    assert_int_equal(rlt_job_start(&job, argv, NULL, 0, "RLT_TEST_SECRET", "s3cret", &err), RLT_OK);
    assert_null(getenv("RLT_TEST_SECRET"));
    assert_true(ends_within(&job, 10000));
    rlt_job_reap(&job, how, sizeof(how));
    assert_string_equal(how, "exit code 0");
}

/* I5: the grandchild holds the pipe's write end; end of file says that it is gone too. */
static void test_children_die_with_their_parent(void **unused) {
    (void)unused;
    int pipe_fds[2];
    char number[16], how[64], byte;
    assert_int_equal(pipe(pipe_fds), 0);
    snprintf(number, sizeof(number), "%d", pipe_fds[1]);
    char *argv[] = {NULL, "parent", number, NULL};
    rlt_job job;
    rlt_err err = {0};
    assert_int_equal(rlt_job_start(&job, argv, &pipe_fds[1], 1, NULL, NULL, &err), RLT_OK);
    close(pipe_fds[1]);
    assert_true(ends_within(&job, 10000));
    rlt_job_reap(&job, how, sizeof(how));
    assert_string_equal(how, "signal 9 (Killed)");
    struct pollfd item = {.fd = pipe_fds[0], .events = POLLIN};
    assert_int_equal(poll(&item, 1, 10000), 1);
    assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
    close(pipe_fds[0]);
}

static void test_counts_cores(void **unused) {
    (void)unused;
    assert_true(rlt_scheduler_cores() >= 1);
    assert_true(rlt_scheduler_cores() <= sysconf(_SC_NPROCESSORS_CONF));
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return run_child(argc, argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_how_a_job_ended),
        cmocka_unit_test(test_end_kills_and_leaves_no_zombie),
        cmocka_unit_test(test_secret_is_in_the_child_alone),
        cmocka_unit_test(test_children_die_with_their_parent),
        cmocka_unit_test(test_counts_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
