/* driver: trials that are programs or functions of the script. Private to src/driver.
 * A trial's folder is DB-trials/e<experiment>-t<trial row>: log, params.json, checkpoint/. */
#ifndef RLT_DRIVER_PROGRAMS_H
#define RLT_DRIVER_PROGRAMS_H
#include "driver/driver_impl.h"

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
#endif
