/* Private to src/command. */
#ifndef RLT_COMMAND_IMPL_H
#define RLT_COMMAND_IMPL_H
#include "command/command.h"
#include "scheduler/scheduler.h"

#include <regex.h>

typedef struct rlt_command rlt_command; /* one that runs */

/* ---- report.c ---- */
typedef struct rlt_pattern {
    char *name; /* owned */
    regex_t regex;
    bool is_step;
} rlt_pattern;
struct rlt_patterns {
    rlt_pattern items[RLT_REPORT_METRICS_MAX];
    int count;
    bool has_step;
};
bool rlt_name_is_metric(const char *name);
/* What the patterns find in a line; bit i of the result: pattern i, a metric. step -1: none. */
uint64_t rlt_patterns_match(const rlt_patterns *patterns, const char *line, rlt_report *report);

/* ---- stream.c ---- */
typedef struct rlt_lines { /* bytes until the next end of a line */
    char *data;            /* owned */
    size_t size, capacity;
    bool skipping; /* the rest of a line that was too long */
    bool cut;      /* there was such a line */
} rlt_lines;
/* Calls `visit` for each line that `data` completes, without its end, 0-terminated. A line longer
 * than `max` bytes is left out. */
typedef rlt_status (*rlt_line_visit)(void *user, char *line, size_t size, rlt_err *err);
rlt_status rlt_lines_add(rlt_lines *lines, const char *data, size_t size, size_t max,
                         rlt_line_visit visit, void *user, rlt_err *err);
/* What came after the last end of a line, as a line. */
rlt_status rlt_lines_end(rlt_lines *lines, rlt_line_visit visit, void *user, rlt_err *err);
void rlt_lines_fini(rlt_lines *lines);

typedef struct rlt_output_log { /* a file of bounded size; written without buffering */
    char *path;                 /* owned; NULL: nothing is kept */
    int fd;                     /* -1: not open yet */
    int64_t size, max;          /* of one of the two files */
    bool holds;                 /* what comes is put into `held` for now */
    rlt_buf held;
} rlt_output_log;
void rlt_output_log_init(rlt_output_log *log, const char *path, int64_t max, bool hold);
void rlt_output_log_keep(rlt_output_log *log); /* no longer held */
void rlt_output_log_add(rlt_output_log *log, const char *data, size_t size);
void rlt_output_log_fini(rlt_output_log *log);

typedef struct rlt_tail { /* the last bytes of all */
    char data[RLT_COMMAND_TAIL_MAX];
    size_t at, total;
} rlt_tail;
void rlt_tail_add(rlt_tail *tail, const char *data, size_t size);
void rlt_tail_text(const rlt_tail *tail, char text[RLT_COMMAND_TAIL_MAX + 1]);

/* ---- tensorboard.c: the event files of one command ---- */
typedef struct rlt_board rlt_board;
rlt_board *rlt_board_open(const char *path);
rlt_status rlt_board_read(rlt_board *board, rlt_event_visit visit, void *user, rlt_err *err);
void rlt_board_close(rlt_board **board);

/* ---- the host ---- */
enum { RLT_TOKEN_SIZE = 33 }; /* 16 random bytes in hexadecimal and a 0 */
typedef enum {
    RLT_SOURCE_OUT,
    RLT_SOURCE_ERR,
    RLT_SOURCE_EXIT,
    RLT_SOURCE_CONNECTION,
    RLT_SOURCE_LISTENER
} rlt_source_kind;
typedef struct rlt_watched { /* what epoll's data points to */
    rlt_source_kind kind;
    int fd; /* -1: closed */
    rlt_command *command;
    rlt_lines lines;
} rlt_watched;
typedef struct rlt_connection {
    rlt_watched watched;
    double deadline; /* to show its token; 0: it has */
    struct rlt_connection *next;
} rlt_connection;
struct rlt_command {
    int64_t id;
    rlt_job job;
    rlt_watched out, err, exit;
    rlt_connection *channel, *asking; /* of the host's list; NULL: none */
    char token[RLT_TOKEN_SIZE];       /* "": no connections over TCP */
    bool json;
    const rlt_patterns *patterns;
    uint64_t seen; /* patterns since the step began */
    int64_t step;  /* the newest; -1: none */
    rlt_output_log log;
    rlt_tail tail;
    rlt_board *board;
    double board_next; /* when it is looked at again */
    double grace_s, silence_s, started, heard;
    double
        term_at; /* a task that was answered to end by itself gets SIGTERM then; 0: it does not */
    double kill_at; /* of SIGKILL; 0: there was no SIGTERM */
    bool told;      /* its last question was answered so */
    bool silent, gone;
    bool takes_tasks;                        /* its process does one after another */
    bool idle;                               /* it has none now, and id is -1 */
    char (*names)[RLT_COMMAND_NAME_MAX + 1]; /* reported so far; owned */
    int name_count, name_capacity, name_last;
    char *error; /* owned */
    char trouble[256];
    rlt_command *next;
};
struct rlt_command_host {
    int epoll;
    rlt_guard guard;
    char mark[64];
    struct rlimit files; /* of this process before it asked for more */
    rlt_watched listener;
    int port;
    rlt_command *commands;
    rlt_connection *connections;
    int count, strangers;             /* commands; connections without a token so far */
    char *buffer;                     /* of reads */
    const rlt_command_events *events; /* of the pump in progress */
};
enum { RLT_READ_SIZE = 256 << 10 };
rlt_status rlt_host_watch(rlt_command_host *host, rlt_watched *watched, rlt_err *err);
void rlt_host_close(rlt_command_host *host, rlt_watched *watched);
void rlt_command_free(rlt_command *command);
/* Everything that the options say of a command, which is new or idle. */
void rlt_command_set(rlt_command *command, const rlt_command_options *options);

/* tasks.c: processes that do one task after another. */
/* One that is idle has the options' task now; NULL: there is none. */
rlt_command *rlt_task_assign(rlt_command_host *host, const rlt_command_options *options);
/* Sends it; a process that does not take it is killed, which its exit will show. */
void rlt_task_send(rlt_command *command, const char *task);
bool rlt_task_is_done(const rlt_command *command, const char *line, size_t size);
/* The task has ended, as events were told: the process waits for another one, or, if it was asked
 * to end, is to leave. */
void rlt_task_end(rlt_command_host *host, rlt_command *command);

/* listen.c */
rlt_status rlt_host_listen(rlt_command_host *host, rlt_err *err);
void rlt_host_accept(rlt_command_host *host);
rlt_connection *rlt_connection_add(rlt_command_host *host, int fd, rlt_command *command);
/* Reads once. *more: there may be more to read at once. A failure is that of an event, never of the
 * peer. */
rlt_status rlt_connection_read(rlt_command_host *host, rlt_connection *connection, bool *more,
                               rlt_err *err);
bool rlt_connection_write(rlt_command_host *host, rlt_connection *connection, const char *line);
void rlt_host_drop_connections(rlt_command_host *host,
                               const rlt_command *command); /* NULL: closed */
rlt_status rlt_token_make(char token[RLT_TOKEN_SIZE], rlt_err *err);

/* host.c, for listen.c: a line of a connection that belongs to a command. */
rlt_status rlt_command_report(rlt_command_host *host, rlt_command *command, rlt_report *report,
                              rlt_err *err);
rlt_status rlt_command_end_task(rlt_command_host *host, rlt_command *command, rlt_err *err);
rlt_status rlt_command_line(rlt_command_host *host, rlt_command *command, const char *line,
                            size_t size, rlt_connection *from, bool *understood, rlt_err *err);
#endif
