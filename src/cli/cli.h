/* cli: the table of subcommands and what they share. The only module that prints or exits.
 * Thread: main only. */
#ifndef RLT_CLI_H
#define RLT_CLI_H
#include "core/core.h"

typedef struct rlt_cli_command {
    const char *name;
    const char *usage;    /* one line after "rltune NAME", e.g. "[--json]" */
    const char *help;     /* one sentence */
    const char *examples; /* ready to paste, one a line */
    /* argc/argv without "rltune NAME"; returns the status whose exit code the process ends with.
     * On failure *err holds the paragraph that main prints. */
    rlt_status (*run)(int argc, char **argv, rlt_err *err);
} rlt_cli_command;

rlt_status rlt_cli_version(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_doctor(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_envs(int argc, char **argv, rlt_err *err);

/* For commands that take nothing but --json: sets *json, refuses the rest with a remedy. */
rlt_status rlt_cli_only_json(const char *command, int argc, char **argv, bool *json, rlt_err *err);
#endif
