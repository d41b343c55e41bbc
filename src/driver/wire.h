/* driver: starts and ends of programs as JSON. Private to src/driver. */
#ifndef RLT_DRIVER_WIRE_H
#define RLT_DRIVER_WIRE_H
#include "driver/programs.h"

typedef struct rlt_task { /* options borrow from the rest, and from the JSON */
    rlt_command_options options;
    rlt_texts argv, environment;
} rlt_task;
/* Without id, patterns and input, which are not the trial's. A new object. */
json_t *rlt_task_json(const rlt_command_options *options);
rlt_status rlt_task_read(const json_t *json, rlt_task *task, rlt_err *err); /* fini in any case */
void rlt_task_fini(rlt_task *task);

void rlt_end_put(json_t *request, const rlt_command_end *end);
rlt_command_end rlt_end_read(const json_t *request); /* borrows from it */
#endif
