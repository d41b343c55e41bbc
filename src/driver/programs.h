/* driver: trials that are programs or functions of the script. Private to src/driver.
 * A trial's folder is DB-trials/e<experiment>-t<trial row>: log, params.json, checkpoint/. It is
 * made for the first of them; what remains in it when the trial has ended, objective.keep_logs
 * says. */
#ifndef RLT_DRIVER_PROGRAMS_H
#define RLT_DRIVER_PROGRAMS_H
#include "driver/driver_impl.h"

#include <limits.h>

typedef struct rlt_texts { /* NULL-terminated once something was added; owned */
    char **items;
    size_t count, capacity;
} rlt_texts;
void rlt_texts_add(rlt_texts *texts, char *text); /* takes ownership */
void rlt_texts_fini(rlt_texts *texts);

/* Appends `text` with {name} replaced by values[name], a text; RLT_ECONFIG begins with `field`. */
rlt_status rlt_driver_fill(const char *field, const char *text, const json_t *values, rlt_buf *out,
                           rlt_err *err);
json_t *rlt_driver_value_text(const json_t *value); /* a new string */

/* Everything that can be wrong with the objective before a trial starts; `run` is the concrete
 * configuration of one. */
rlt_status rlt_driver_check_program(const rlt_run_config *config, const json_t *run, rlt_err *err);

static inline bool rlt_driver_has_programs(const rlt_driver *d) {
    return d->config.run.objective.kind != RLT_OBJECTIVE_TRAIN;
}
rlt_status rlt_driver_open_programs(rlt_driver *d, rlt_err *err);
void rlt_driver_close_programs(rlt_driver *d); /* kills what runs */
rlt_status rlt_driver_start_program(rlt_driver *d, rlt_driver_entry *t, rlt_err *err);
/* What programs have said, inside the group commit. */
rlt_status rlt_driver_pump_programs(rlt_driver *d, rlt_err *err);
void rlt_driver_reply_program(rlt_driver *d, rlt_driver_entry *t); /* after the commit */
void rlt_driver_kill_programs(rlt_driver *d);
/* A new attempt of a trial that is no training begins. */
rlt_status rlt_driver_begin_program(rlt_driver *d, rlt_driver_entry *t, rlt_err *err);
/* What a process that has joined needs to run the trial's program or function. A new object. */
rlt_status rlt_driver_describe_program(rlt_driver *d, rlt_driver_entry *t, json_t **task,
                                       rlt_err *err);
rlt_status rlt_driver_program_report(rlt_driver *d, rlt_driver_entry *t, const rlt_report *report,
                                     rlt_err *err);
/* What it reported last is its result. */
rlt_status rlt_driver_program_complete(rlt_driver *d, rlt_driver_entry *t,
                                       const rlt_command_end *end, const char *reason,
                                       rlt_err *err);
/* Its process is no more, whoever had started it. */
rlt_status rlt_driver_program_ended(rlt_driver *d, rlt_driver_entry *t, const rlt_command_end *end,
                                    rlt_err *err);
bool rlt_driver_is_ending(const rlt_driver_entry *t); /* whether it is to end */
/* Of the entry `metrics` of an objective or a task; NULL: it has none. */
rlt_status rlt_driver_make_patterns(const json_t *objective, rlt_patterns **patterns, rlt_err *err);

/* program_files.c */
typedef struct rlt_program_paths {
    char folder[PATH_MAX], log[PATH_MAX + 16], params[PATH_MAX + 16], checkpoint[PATH_MAX + 16];
} rlt_program_paths;
rlt_status rlt_driver_program_paths(const rlt_driver *d, int64_t trial, rlt_program_paths *paths,
                                    rlt_err *err);
/* program_copies.c: by the kernel, flushed; as of link(2), errno says why not. */
int rlt_driver_copy_file(const char *from, const char *to);
/* A copy of the source's checkpoint folder, for the target to go on from at `step`; before the
 * commit. */
rlt_status rlt_driver_take_folder(rlt_driver *d, int64_t source, int64_t target, int64_t step,
                                  rlt_err *err);
/* Before a program is started: what it took over at its newest exploit's step takes the place of
 * its checkpoint, unless it has already; other copies go. */
void rlt_driver_use_folder(const rlt_program_paths *paths, int64_t step);
/* One that a row tells of: its log may be that of the best so far. */
void rlt_driver_note_log(rlt_driver *d, const rlt_driver_entry *t);
/* The trial is about to end in this final state: what is not to remain of its files goes. */
void rlt_driver_clean_program(rlt_driver *d, rlt_driver_entry *t, rlt_trial_state to);
#endif
