/* driver: the process of a trial that is a function of the script. Its task is on standard input;
 * reports and answers go over one descriptor, one JSON object a line, as programs report too.
 * Thread: main of its process. Owner: nothing outlives run. */
#include "driver/driver.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TASK_MAX = 8 << 20, ANSWER_MAX = 256 };

typedef struct function_process {
    int fd;
    int64_t milestone; /* the step from which a report waits for an answer */
    int64_t step;      /* of the newest report */
    bool stop;
} function_process;

static volatile sig_atomic_t terminated;

static void on_terminate(int number) {
    (void)number;
    terminated = 1;
}

static rlt_status write_line(const function_process *p, json_t *line, rlt_err *err) {
    char *text = json_dumps(line, JSON_COMPACT);
    size_t size = strlen(text), at = 0;
    text[size++] = '\n'; /* in the place of the final 0 */
    while (at < size) {
        ssize_t wrote = write(p->fd, text + at, size - at);
        if (wrote < 0 && errno != EINTR) {
            free(text);
            return rlt_fail(err, RLT_EPEER, "the driver does not listen: %s", strerror(errno));
        }
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    free(text);
    return RLT_OK;
}

/* Byte by byte: answers are short, rare, and nothing else follows before the next question. */
static rlt_status read_answer(function_process *p, rlt_err *err) {
    char text[ANSWER_MAX];
    size_t size = 0;
    while (size + 1 < sizeof text && (size == 0 || text[size - 1] != '\n')) {
        ssize_t got = read(p->fd, text + size, 1);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return rlt_fail(err, RLT_EPEER, "the driver gave no answer");
        }
        size += got > 0 ? (size_t)got : 0;
    }
    json_t *answer = json_loadb(text, size, 0, NULL);
    p->stop |= json_is_true(json_object_get(answer, "stop"));
    p->milestone = json_integer_value(json_object_get(answer, "milestone"));
    json_decref(answer);
    return RLT_OK;
}

static rlt_status report(void *user, int64_t step, const json_t *metrics, bool *stop,
                         rlt_err *err) {
    function_process *p = user;
    json_t *line = json_copy((json_t *)metrics);
    bool asks = step >= p->milestone;
    json_object_set_new(line, "step", json_integer(step));
    json_object_set_new(line, "reply", json_boolean(asks));
    rlt_status status = write_line(p, line, err);
    json_decref(line);
    p->step = step;
    if (status == RLT_OK && asks) {
        status = read_answer(p, err);
    }
    *stop = p->stop || terminated != 0;
    return status;
}

static void print_line(void *user, const char *line) {
    (void)user;
    dprintf(STDOUT_FILENO, "%s\n", line);
}

/* The function, then what it returned as the result at the step of its last report. */
static rlt_status call(function_process *p, const json_t *task, rlt_script *script, rlt_err *err) {
    const rlt_objective_call c = {
        .params = json_object_get(task, "params"),
        .metric = json_string_value(json_object_get(task, "metric")),
        .trial = json_integer_value(json_object_get(task, "trial")),
        .seed = json_integer_value(json_object_get(task, "seed")),
        .report = report,
        .user = p,
    };
    json_t *result;
    bool stop;
    RLT_TRY(rlt_script_call_objective(script, &c, &result, err));
    p->milestone = INT64_MAX;
    rlt_status status = result != NULL ? report(p, p->step, result, &stop, err) : RLT_OK;
    json_decref(result);
    return status;
}

static rlt_status run_task(function_process *p, const json_t *task, rlt_err *err) {
    const char *text = json_string_value(json_object_get(task, "script"));
    const char *name = json_string_value(json_object_get(task, "script_name"));
    const rlt_script_options options = {.print = print_line};
    rlt_script *script = NULL;
    if (text == NULL || name == NULL || !json_is_object(json_object_get(task, "params")) ||
        !json_is_string(json_object_get(task, "metric"))) {
        return rlt_fail(err, RLT_EPROTO, "standard input holds no task of a trial");
    }
    p->milestone = json_integer_value(json_object_get(task, "milestone"));
    RLT_TRY(rlt_script_create(text, strlen(text), name, &options, &script, err));
    rlt_status status = call(p, task, script, err);
    rlt_script_destroy(&script);
    return status;
}

static json_t *read_task(void) {
    rlt_buf text = {0};
    char part[1 << 16];
    ssize_t got;
    while (text.size < TASK_MAX && (got = read(STDIN_FILENO, part, sizeof part)) != 0) {
        if (got < 0 && errno != EINTR) {
            break;
        }
        rlt_buf_append(&text, part, got > 0 ? (size_t)got : 0);
    }
    json_t *task = json_loadb(text.data != NULL ? text.data : "", text.size, 0, NULL);
    rlt_buf_fini(&text);
    return task;
}

rlt_status rlt_function_run(int fd, rlt_err *err) {
    function_process p = {.fd = fd};
    struct sigaction action = {.sa_handler = on_terminate};
    sigaction(SIGTERM, &action, NULL); /* report() says that it is time to end */
    json_t *task = read_task();
    rlt_status status = run_task(&p, task, err);
    json_decref(task);
    if (status != RLT_OK) {
        rlt_err ignored;
        json_t *line = json_pack("{s:s}", "error", err->message);
        write_line(&p, line, &ignored);
        json_decref(line);
    }
    return status;
}
