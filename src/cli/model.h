/* cli: a trained policy, found by experiment, trial or file. Thread: main only. */
#ifndef RLT_CLI_MODEL_H
#define RLT_CLI_MODEL_H
#include "cli/cli.h"
#include "learner/learner.h"

typedef struct rlt_model { /* {0} is empty */
    char path[1024];
    rlt_checkpoint checkpoint;
    rlt_run_config config;
    rlt_env_source env;
    rlt_policy_spec spec;
    float *block;
    rlt_weights_view weights;
    int64_t steps; /* that it was trained for */
} rlt_model;
/* `name`: an experiment's ID or name or "last" (the retrained winner with the best final
 * evaluation, else the best trial), "ID:TRIAL", or a checkpoint's file (it has a slash or ends in
 * .safetensors). args give --db. RLT_ENOTFOUND says what there is. */
rlt_status rlt_model_open(const char *name, const rlt_cli_args *args, rlt_model *model,
                          rlt_err *err);
void rlt_model_close(rlt_model *model);
#endif
