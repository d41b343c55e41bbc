/* command: programs that are tuned: started, listened to, asked to end, ended. What a program says
 * comes as reports (a step and metrics), read from lines of its standard output (JSON objects or
 * patterns), from a TensorBoard event file, or from a connection: TCP with a token, or
 * descriptor 3. Knows nothing of trials; a command is an id that the caller chose. All that comes
 * in is untrusted: lines, names, records and connections are bounded, and what is malformed is
 * refused or ignored, never believed. Thread: a host belongs to one thread. Owner: the host owns
 * its commands. */
#ifndef RLT_COMMAND_H
#define RLT_COMMAND_H
#include "core/core.h"

enum {
    RLT_REPORT_METRICS_MAX = 64,         /* of one report */
    RLT_COMMAND_METRICS_MAX = 256,       /* different names of one command; others are ignored */
    RLT_COMMAND_NAME_MAX = 127,          /* bytes of a metric's name */
    RLT_COMMAND_LINE_MAX = 64 << 10,     /* bytes; a longer line is no report */
    RLT_COMMAND_PATTERN_LINE_MAX = 4096, /* bytes of a line that patterns are tried on */
    RLT_COMMAND_TAIL_MAX = 2048,         /* bytes of output kept for messages */
    RLT_COMMAND_HELD_MAX = 4096          /* bytes of output that may wait for their file */
};

#define RLT_COMMAND_DONE "{\"done\":true}" /* of a process with tasks: ready for the next one */

typedef struct rlt_report {
    int64_t step; /* 0 to 2^53 */
    int count;
    const char *names[RLT_REPORT_METRICS_MAX]; /* borrowed for the call */
    double values[RLT_REPORT_METRICS_MAX];     /* NAN: not a finite number */
    bool asks;                                 /* it waits for rlt_command_reply */
} rlt_report;

typedef struct rlt_command_end { /* borrowed for the call */
    const char *how;             /* "exit code 3", "signal 9 (Killed)" */
    int code, signal;            /* code: 0 to 255; signal != 0: ended by it */
    bool stopped, silent;        /* asked to end; killed because it said nothing */
    const char *error;           /* what it gave as {"error": text}, or NULL */
    const char *tail;            /* the last of its output, as text */
    const char *names;           /* the metrics that it reported, "loss, acc"; "" none */
    bool logged;                 /* there is a file of its output */
    const char *trouble;         /* with its reports: "FILE: damaged at byte 90"; "" none */
} rlt_command_end;

typedef struct rlt_command_events {
    void *user;
    rlt_status (*report)(void *user, int64_t id, const rlt_report *report, rlt_err *err);
    /* The process and its group are gone; the command is no more after the call. */
    rlt_status (*ended)(void *user, int64_t id, const rlt_command_end *end, rlt_err *err);
} rlt_command_events;

/* Named patterns, compiled: an extended regular expression (\d is a digit) whose first group with a
 * number is the value. "step" is the step of its line and of later ones. RLT_ECONFIG: no
 * expression, no group. */
typedef struct rlt_patterns rlt_patterns;
rlt_status rlt_patterns_create(const char *const *names, const char *const *texts, int count,
                               rlt_patterns **patterns, rlt_err *err);
void rlt_patterns_destroy(rlt_patterns **patterns);

typedef struct rlt_command_options { /* borrowed for the call, but for patterns */
    int64_t id;
    char *const *argv;
    char *const *environment; /* "NAME=value", added to this process's; NULL-terminated */
    const char *folder;       /* where it runs; NULL: here */
    const char *log_path;     /* its output; PATH.1 holds the part before. NULL: not kept */
    int64_t log_max;          /* bytes of both files together */
    bool hold_log; /* a short output has no file, unless the command runs for 3 seconds or more,
                    * says more than RLT_COMMAND_HELD_MAX, or is kept */
    bool json;     /* lines of standard output that are JSON objects are reports */
    const rlt_patterns *patterns; /* of both outputs; NULL: none; must outlive the command */
    const char *tensorboard;      /* file or folder, looked at every half second; NULL: none */
    bool socket;                  /* RLTUNE_PORT and RLTUNE_TOKEN are set for it */
    const char *input;            /* its standard input; NULL: empty */
    /* A line of text that is sent over its descriptor 3, a connection: the process does one such
     * task after another, and each is a command that ends when the process says so by the line
     * RLT_COMMAND_DONE, or has ended. argv, environment, folder and input are those of the process:
     * the same for all tasks of a host. NULL: the process is the command. */
    const char *task;
    int64_t steps;    /* it has had: a report without a step is one step after them */
    double grace_s;   /* from SIGTERM to SIGKILL */
    double silence_s; /* without a report or output; 0: no limit */
} rlt_command_options;

typedef struct rlt_command_host rlt_command_host;
rlt_status rlt_command_host_create(rlt_command_host **host, rlt_err *err);
/* So many commands will run at once: this process gets the descriptors that it needs for them, as
 * far as its hard limit allows; commands keep the limit that it had. RLT_ELIMIT: not enough. */
rlt_status rlt_command_host_reserve(rlt_command_host *host, int commands, rlt_err *err);
/* Kills what still runs. */
void rlt_command_host_destroy(rlt_command_host **host);
/* Readable when pump has something to do; it must also be called ten times a second. */
int rlt_command_host_fd(const rlt_command_host *host);
/* Calls events for all that has happened; the first failure of one of them is returned. */
rlt_status rlt_command_host_pump(rlt_command_host *host, const rlt_command_events *events,
                                 rlt_err *err);
int rlt_command_host_count(const rlt_command_host *host); /* commands that run */
int rlt_command_host_idle(const rlt_command_host *host);  /* processes that wait for a task */

/* RLT_ENOTFOUND: the program cannot be run. */
rlt_status rlt_command_start(rlt_command_host *host, const rlt_command_options *options,
                             rlt_err *err);
/* Answers the report that asks: {"stop": true or false, "milestone": the next step to ask at}, and
 * "asks_in_s": after so many seconds, if that is not INFINITY. */
void rlt_command_reply(rlt_command_host *host, int64_t id, bool stop, int64_t milestone,
                       double asks_in_s);
/* SIGTERM to its group now, SIGKILL after grace_s; again: nothing more. A task whose last question
 * was answered with stop is given half a second to end by itself before that. */
void rlt_command_stop(rlt_command_host *host, int64_t id);
void rlt_command_kill(rlt_command_host *host, int64_t id);
/* Its output so far, if there is any, has a file from now on; also while its end is told. */
void rlt_command_keep_log(rlt_command_host *host, int64_t id);

/* ---- reading, on its own ---- */
/* One JSON object: numbers and booleans are metrics ("step" and "reply" excepted), NaN and null
 * count as NAN, everything else is ignored. *error: the text of "error", or NULL. False: it is no
 * such object. *owner holds what the report borrows: rlt_report_release. step -1: none given. */
bool rlt_report_read(const char *line, size_t size, rlt_report *report, const char **error,
                     void **owner);
void rlt_report_release(void *owner);

/* A TensorBoard event file that grows. */
typedef struct rlt_event_file rlt_event_file;
rlt_event_file *rlt_event_file_open(const char *path);
/* Calls visit for every complete record that is new; RLT_ECORRUPT names file and place, and the
 * file is read no further. A file that is not there yet is fine. */
typedef rlt_status (*rlt_event_visit)(void *user, const rlt_report *report, rlt_err *err);
rlt_status rlt_event_file_read(rlt_event_file *file, rlt_event_visit visit, void *user,
                               rlt_err *err);
void rlt_event_file_close(rlt_event_file **file);
uint32_t rlt_crc32c(const void *data, size_t size); /* Castagnoli, not masked */
#endif
