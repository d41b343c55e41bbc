/* cli: the table of subcommands and what they share. The only module that prints or exits.
 * Thread: main only. */
#ifndef RLT_CLI_H
#define RLT_CLI_H
#include "core/core.h"

/* One option of a command; tables end with {0}. They give --help, errors, man page, completions. */
typedef struct rlt_cli_option {
    const char *name; /* "--db" */
    const char
        *value;       /* what follows, e.g. "FILE" (completed as one) or "csv|json"; NULL: a flag */
    const char *help; /* a phrase, small first letter, no full stop */
} rlt_cli_option;
#define RLT_CLI_JSON_OPTION                                                                        \
    { "--json", NULL, "print JSON for scripts" }
#define RLT_CLI_DB_OPTION                                                                          \
    { "--db", "FILE", "the database (default: $RLTUNE_DB, else rltune.db)" }
extern const rlt_cli_option rlt_cli_json_options[]; /* --json alone */

typedef struct rlt_cli_command {
    const char *name;
    const char *usage;    /* one line after "rltune NAME", e.g. "ID [OPTIONS]" */
    const char *help;     /* one sentence; NULL: internal, listed nowhere */
    const char *examples; /* ready to paste, one a line */
    /* argc/argv without "rltune NAME"; returns the status whose exit code the process ends with.
     * On failure *err holds the paragraph that main prints. */
    rlt_status (*run)(int argc, char **argv, rlt_err *err);
    const rlt_cli_option *options; /* ends with {0} */
} rlt_cli_command;
extern const rlt_cli_command rlt_cli_commands[]; /* NULL-named end */

/* What was given on the command line; all strings are those of argv. */
enum {
    RLT_CLI_OPTIONS_MAX = 32,
    RLT_CLI_GIVEN_MAX = 128,
    RLT_CLI_WORDS_MAX = 16,
    RLT_CLI_PATH_MAX = 256
};
typedef struct rlt_cli_args {
    const char *command;
    struct {
        const char *name, *value; /* value "" for a flag */
    } given[RLT_CLI_GIVEN_MAX];   /* in their order, repeated ones too */
    int given_count;
    const char *words[RLT_CLI_WORDS_MAX];
    int word_count;
} rlt_cli_args;
/* "--name value", "--name=value", "--" before words that begin with '-'. Refuses unknown options
 * with the nearest, missing values, fewer or more words than allowed. */
rlt_status rlt_cli_parse(const char *command, int words_min, int words_max, int argc, char **argv,
                         rlt_cli_args *args, rlt_err *err);
const char *rlt_cli_value(const rlt_cli_args *args, const char *option); /* the last, or NULL */
bool rlt_cli_flag(const rlt_cli_args *args, const char *option);
/* `what` names the text in the error. */
rlt_status rlt_cli_integer(const rlt_cli_args *args, const char *what, const char *text,
                           int64_t low, int64_t high, int64_t *value, rlt_err *err);
/* The next two leave *value and *index as they are when the option is not given. */
rlt_status rlt_cli_option_integer(const rlt_cli_args *args, const char *option, int64_t low,
                                  int64_t high, int64_t *value, rlt_err *err);
rlt_status rlt_cli_option_choice(const rlt_cli_args *args, const char *option,
                                 const char *const *choices, int *index, rlt_err *err);

/* "ppo.lr=3e-4" of --set in two. */
rlt_status rlt_cli_split_set(const rlt_cli_args *args, const char *text,
                             char path[RLT_CLI_PATH_MAX], const char **value, rlt_err *err);

rlt_status rlt_cli_version(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_doctor(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_envs(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_algos(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_samplers(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_stoppers(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_explain(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_ls(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_show(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_best(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_plot(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_importance(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_compare(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_export(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_import(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_completion(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_man(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_run(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_resume(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_join(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_enqueue(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_stop(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_eval(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_bench(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_render(int argc, char **argv, rlt_err *err);
rlt_status rlt_cli_learner(int argc, char **argv, rlt_err *err);  /* started by the driver */
rlt_status rlt_cli_worker(int argc, char **argv, rlt_err *err);   /* started by a learner */
rlt_status rlt_cli_function(int argc, char **argv, rlt_err *err); /* started by a driver */
rlt_status rlt_cli_guard(int argc, char **argv, rlt_err *err);    /* started beside programs */
char *rlt_cli_facts(void); /* software and hardware as JSON, for the experiment's row; free() */
extern const rlt_cli_option rlt_cli_run_options[], rlt_cli_resume_options[], rlt_cli_stop_options[],
    rlt_cli_enqueue_options[], rlt_cli_join_options[], rlt_cli_eval_options[],
    rlt_cli_render_options[], rlt_cli_bench_options[], rlt_cli_learner_options[],
    rlt_cli_worker_options[], rlt_cli_guard_options[];
extern const rlt_cli_option rlt_cli_ls_options[], rlt_cli_show_options[], rlt_cli_best_options[],
    rlt_cli_plot_options[], rlt_cli_importance_options[], rlt_cli_compare_options[],
    rlt_cli_export_options[], rlt_cli_import_options[], rlt_cli_no_options[];

/* For commands that take nothing but --json: sets *json, refuses the rest with a remedy. */
rlt_status rlt_cli_only_json(const char *command, int argc, char **argv, bool *json, rlt_err *err);
#endif
