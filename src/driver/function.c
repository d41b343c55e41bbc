/* driver: the process of trials that are a function of the script, one after another. What all of
 * them share is on standard input; tasks, reports and answers go over one descriptor, one JSON
 * object a line, as programs report too. Each trial has a sandbox of its own: what one does to its
 * globals, the next does not see. Thread: main of its process. Owner: nothing outlives run. */
#include "command/command.h"
#include "driver/driver.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SETUP_MAX = 8 << 20, TASK_MAX = 64 << 20 };

typedef struct function_process {
    int fd;
    const json_t *setup; /* {script, script_name, metric} */
    rlt_buf in;          /* what was read of the next line */
    int64_t milestone;   /* the step from which a report waits for an answer ... */
    double asks_at;      /* ... or the monotonic second */
    int64_t step;        /* of the newest report */
    bool stop;
} function_process;

static volatile sig_atomic_t terminated;

static void on_terminate(int number) {
    (void)number;
    terminated = 1;
}

static rlt_status write_text(const function_process *p, const char *text, size_t size,
                             rlt_err *err) {
    for (size_t at = 0; at < size;) {
        ssize_t wrote = write(p->fd, text + at, size - at);
        if (wrote < 0 && errno != EINTR) {
            return rlt_fail(err, RLT_EPEER, "the driver does not listen: %s", strerror(errno));
        }
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return RLT_OK;
}

static rlt_status write_line(const function_process *p, const json_t *line, rlt_err *err) {
    char *text = json_dumps(line, JSON_COMPACT);
    size_t size = strlen(text);
    text[size] = '\n'; /* in the place of the final 0 */
    rlt_status status = write_text(p, text, size + 1, err);
    free(text);
    return status;
}

/* The next line as JSON, a new reference; NULL: there is none. Nothing follows a line before it is
 * answered, so that whatever is read belongs to it. */
static json_t *read_line(function_process *p) {
    char part[4096];
    p->in.size = 0;
    while (p->in.size == 0 || p->in.data[p->in.size - 1] != '\n') {
        ssize_t got = read(p->fd, part, sizeof part);
        if (got == 0 || (got < 0 && errno != EINTR) || p->in.size > TASK_MAX) {
            return NULL;
        }
        rlt_buf_append(&p->in, part, got > 0 ? (size_t)got : 0);
    }
    return json_loadb(p->in.data, p->in.size, 0, NULL);
}

/* Of a task or an answer. */
static void read_milestone(function_process *p, const json_t *from) {
    const json_t *seconds = json_object_get(from, "asks_in_s");
    p->milestone = json_integer_value(json_object_get(from, "milestone"));
    p->asks_at =
        json_is_number(seconds) ? rlt_clock_s() + json_number_value(seconds) : (double)INFINITY;
}

static rlt_status read_answer(function_process *p, rlt_err *err) {
    json_t *answer = read_line(p);
    if (answer == NULL) {
        return rlt_fail(err, RLT_EPEER, "the driver gave no answer");
    }
    p->stop |= json_is_true(json_object_get(answer, "stop"));
    read_milestone(p, answer);
    json_decref(answer);
    return RLT_OK;
}

static rlt_status write_report(const function_process *p, int64_t step, const json_t *metrics,
                               bool asks, rlt_err *err) {
    json_t *line = json_copy((json_t *)metrics);
    json_object_set_new(line, "step", json_integer(step));
    json_object_set_new(line, "reply", json_boolean(asks));
    rlt_status status = write_line(p, line, err);
    json_decref(line);
    return status;
}

/* What a function says that goes on although it was told to end is not heard: when its process is
 * ended is a matter of chance. */
static rlt_status report(void *user, int64_t step, const json_t *metrics, bool *stop,
                         rlt_err *err) {
    function_process *p = user;
    bool asks = step >= p->milestone || rlt_clock_s() >= p->asks_at;
    rlt_status status = RLT_OK;
    if (!p->stop) {
        status = write_report(p, step, metrics, asks, err);
        p->step = step;
    }
    if (status == RLT_OK && !p->stop && asks) {
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
        .metric = json_string_value(json_object_get(p->setup, "metric")),
        .trial = json_integer_value(json_object_get(task, "trial")),
        .seed = json_integer_value(json_object_get(task, "seed")),
        .report = report,
        .user = p,
    };
    json_t *result;
    RLT_TRY(rlt_script_call_objective(script, &c, &result, err));
    rlt_status status = result != NULL ? write_report(p, p->step, result, false, err) : RLT_OK;
    json_decref(result);
    return status;
}

static rlt_status run_task(function_process *p, const json_t *task, rlt_err *err) {
    const char *text = json_string_value(json_object_get(p->setup, "script"));
    const char *name = json_string_value(json_object_get(p->setup, "script_name"));
    const rlt_script_options options = {.print = print_line};
    rlt_script *script = NULL;
    if (text == NULL || name == NULL || !json_is_object(json_object_get(task, "params")) ||
        !json_is_string(json_object_get(p->setup, "metric"))) {
        return rlt_fail(err, RLT_EPROTO, "this is no task of a trial");
    }
    read_milestone(p, task);
    p->step = 0;
    p->stop = false;
    RLT_TRY(rlt_script_create(text, strlen(text), name, &options, &script, err));
    rlt_status status = call(p, task, script, err);
    rlt_script_destroy(&script);
    return status;
}

static json_t *read_setup(void) {
    rlt_buf text = {0};
    char part[1 << 16];
    ssize_t got;
    while (text.size < SETUP_MAX && (got = read(STDIN_FILENO, part, sizeof part)) != 0) {
        if (got < 0 && errno != EINTR) {
            break;
        }
        rlt_buf_append(&text, part, got > 0 ? (size_t)got : 0);
    }
    json_t *setup = json_loadb(text.data != NULL ? text.data : "", text.size, 0, NULL);
    rlt_buf_fini(&text);
    return setup;
}

/* A trial that fails says why; only a driver that has gone ends the process. */
static rlt_status serve(function_process *p, const json_t *task, rlt_err *err) {
    static const char done[] = RLT_COMMAND_DONE "\n";
    rlt_err why;
    rlt_status status = run_task(p, task, &why);
    if (status == RLT_EPEER) {
        return rlt_fail(err, status, "%s", why.message);
    }
    if (status != RLT_OK) {
        json_t *line = json_pack("{s:s}", "error", why.message);
        status = write_line(p, line, err);
        json_decref(line);
        RLT_TRY(status);
    }
    return write_text(p, done, sizeof done - 1, err);
}

rlt_status rlt_function_run(int fd, rlt_err *err) {
    struct sigaction action = {.sa_handler = on_terminate};
    sigaction(SIGTERM, &action, NULL); /* report() says that it is time to end */
    json_t *setup = read_setup(), *task;
    function_process p = {.fd = fd, .setup = setup};
    rlt_status status = RLT_OK;
    while (status == RLT_OK && terminated == 0 && (task = read_line(&p)) != NULL) {
        status = serve(&p, task, err);
        json_decref(task);
    }
    rlt_buf_fini(&p.in);
    json_decref(setup);
    return status;
}
