/* main: finds the subcommand, prints help and errors, turns statuses into exit codes.
 * Thread: main only. Output for scripts goes to stdout, talk and errors to stderr. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMANDS_MAX = 64, HELP_COLUMN = 22 };

const rlt_cli_command rlt_cli_commands[] = {
    {"run", "SCRIPT.lua [OPTIONS]",
     "Run an experiment: one training run, or a population of trials.",
     "  rltune run configs/cartpole.lua\n"
     "  rltune run configs/cartpole_sweep.lua --set tune.trials=8 --db runs.db\n"
     "  rltune run configs/cartpole_sweep.lua --dry-run\n",
     rlt_cli_run, rlt_cli_run_options},
    {"resume", "ID [OPTIONS]", "Go on with an experiment that was stopped or that crashed.",
     "  rltune resume 3\n  rltune resume 3 --trials 64\n", rlt_cli_resume, rlt_cli_resume_options},
    {"join", "ID [OPTIONS]",
     "Run trials of an experiment that another process drives, as many more at a time.",
     "  rltune join 3\n  rltune join last --parallel 4\n", rlt_cli_join, rlt_cli_join_options},
    {"enqueue", "ID --set KEY=VALUE [OPTIONS]",
     "Have a configuration tried next, in addition to the sampler's trials.",
     "  rltune enqueue 3 --set ppo.lr=3e-4 --set ppo.epochs=10\n", rlt_cli_enqueue,
     rlt_cli_enqueue_options},
    {"stop", "ID [OPTIONS]", "End a running experiment cleanly, with checkpoints.",
     "  rltune stop 3\n", rlt_cli_stop, rlt_cli_stop_options},
    {"eval", "MODEL [OPTIONS]",
     "Run episodes of a trained policy: MODEL is an experiment's ID, ID:TRIAL or a checkpoint "
     "file.",
     "  rltune eval 3\n  rltune eval 3:7 --episodes 1000 --json\n", rlt_cli_eval,
     rlt_cli_eval_options},
    {"render", "MODEL [OPTIONS]",
     "Play episodes of a trained policy on the terminal, or draw them into a file.",
     "  rltune render 3\n  rltune render 3:7 --out cartpole.gif\n"
     "  rltune render 3 --out moments.png --frames 8 --width 300\n"
     "  rltune render Acrobot-v1 --random\n",
     rlt_cli_render, rlt_cli_render_options},
    {"bench", "[startup|env|nn|train|transport|tuner|store|all] [OPTIONS]",
     "Measure the parts of rltune on this machine, each figure beside its limit.",
     "  rltune bench\n  rltune bench train\n  rltune bench store --folder /data --json\n",
     rlt_cli_bench, rlt_cli_bench_options},
    {"version", "[--json]", "Print the version, the commit and how it was built.",
     "  rltune version\n  rltune version --json\n", rlt_cli_version, rlt_cli_json_options},
    {"doctor", "[--json]",
     "Say what this machine has and what is missing: CPU, memory, libraries, database, GPUs.",
     "  rltune doctor\n  rltune doctor --json\n", rlt_cli_doctor, rlt_cli_json_options},
    {"envs", "[--json]", "List the environments with their spaces and time limits.",
     "  rltune envs\n  rltune envs --json\n", rlt_cli_envs, rlt_cli_json_options},
    {"algos", "[--json]", "List the learning algorithms.", "  rltune algos\n", rlt_cli_algos,
     rlt_cli_json_options},
    {"samplers", "[--json]", "List the samplers, which choose the next configuration.",
     "  rltune samplers\n", rlt_cli_samplers, rlt_cli_json_options},
    {"stoppers", "[--json]", "List the stoppers, which end hopeless trials early.",
     "  rltune stoppers\n", rlt_cli_stoppers, rlt_cli_json_options},
    {"explain", "[SECTION[.FIELD]] [--json]",
     "Explain the fields of a configuration: default, bounds, whether it may be tuned.",
     "  rltune explain\n  rltune explain ppo\n  rltune explain ppo.lr\n", rlt_cli_explain,
     rlt_cli_json_options},
    {"ls", "[OPTIONS]", "List the experiments of a database.",
     "  rltune ls\n  rltune ls --db runs.db --json\n", rlt_cli_ls, rlt_cli_ls_options},
    {"show", "ID [OPTIONS]", "Show an experiment's leaderboard, or one of its trials.",
     "  rltune show 3\n  rltune show last --top 10\n  rltune show 3 --trial 7\n"
     "  rltune show 3 --trial 7 --why\n",
     rlt_cli_show, rlt_cli_show_options},
    {"best", "ID [OPTIONS]", "Print the winning trial with its configuration.",
     "  rltune best 3\n  rltune best last --config > winner.json\n", rlt_cli_best,
     rlt_cli_best_options},
    {"plot", "ID [OPTIONS]",
     "Draw learning curves, or what a search found, in the terminal or as SVG.",
     "  rltune plot 3\n  rltune plot last --metric mean_return --top 5\n"
     "  rltune plot 3 --trials 0,7 --svg curves.svg\n"
     "  rltune plot 3 --kind history\n  rltune plot 3 --kind slice --param ppo.lr\n"
     "  rltune plot 3 --kind importance --method fanova\n"
     "  rltune plot 3 --kind contour --param ppo.lr --param ppo.epochs --svg contour.svg\n",
     rlt_cli_plot, rlt_cli_plot_options},
    {"importance", "ID [OPTIONS]", "Say which parameters mattered for the result.",
     "  rltune importance 3\n  rltune importance 3 --method fanova --json\n", rlt_cli_importance,
     rlt_cli_importance_options},
    {"compare", "A B [OPTIONS]",
     "Compare two experiments or two trials (ID:TRIAL), and say how sure the difference is.",
     "  rltune compare 3 4\n  rltune compare 3:0 3:7\n"
     "  rltune compare 3 4 --what search --json\n",
     rlt_cli_compare, rlt_cli_compare_options},
    {"export", "ID [OPTIONS]", "Write trials or metric points as CSV or JSON, or an Optuna study.",
     "  rltune export 3 > trials.csv\n"
     "  rltune export last --what metrics --format json --out metrics.json\n"
     "  rltune export 3 --format optuna --out study.db\n",
     rlt_cli_export, rlt_cli_export_options},
    {"import", "optuna|katib FILE [OPTIONS]",
     "Take over an Optuna study as an experiment, a Katib Experiment as a script.",
     "  rltune import katib experiment.yaml > search.lua\n  rltune import optuna study.db\n"
     "  rltune import optuna study.db --study mnist --db runs.db --out search.lua\n",
     rlt_cli_import, rlt_cli_import_options},
    {"completion", "bash|zsh|fish", "Print the completion script of a shell.",
     "  rltune completion bash > ~/.local/share/bash-completion/completions/rltune\n"
     "  rltune completion zsh > ~/.zfunc/_rltune\n"
     "  rltune completion fish > ~/.config/fish/completions/rltune.fish\n",
     rlt_cli_completion, rlt_cli_no_options},
    {"man", "", "Print the manual page.", "  rltune man | man -l -\n", rlt_cli_man,
     rlt_cli_no_options},
    {"learner", "", NULL, "", rlt_cli_learner, rlt_cli_learner_options},
    {"worker", "", NULL, "", rlt_cli_worker, rlt_cli_worker_options},
    {"function", "", NULL, "", rlt_cli_function, rlt_cli_no_options},
    {"guard", "", NULL, "", rlt_cli_guard, rlt_cli_guard_options},
    {0},
};

static void print_help(FILE *out) {
    fprintf(out, "usage: rltune COMMAND [OPTIONS]\n\ncommands:\n");
    for (const rlt_cli_command *command = rlt_cli_commands; command->name != NULL; command++) {
        if (command->help != NULL) {
            fprintf(out, "  %-10s %s\n", command->name, command->help);
        }
    }
    fprintf(out,
            "\n`rltune COMMAND --help` shows options and examples.\n"
            "exit codes: 0 done, 2 usage, 3 configuration, 4 not found, 5 storage or memory,\n"
            "            6 processes or network, 7 failed trials, 130 interrupted\n"
            "environment: RLTUNE_DB the database, RLTUNE_LOG debug|info|warn|error, NO_COLOR\n");
}

static void print_command_help(const rlt_cli_command *command) {
    printf("usage: rltune %s %s\n\n%s\n", command->name, command->usage, command->help);
    for (const rlt_cli_option *option = command->options; option->name != NULL; option++) {
        char name[160];
        snprintf(name, sizeof name, "%s %s", option->name, option->value ? option->value : "");
        bool wide = strlen(name) > HELP_COLUMN; /* its help stands on a line of its own */
        printf("%s  %s", option == command->options ? "\noptions:\n" : "", name);
        printf("%s%*s %s\n", wide ? "\n  " : "",
               wide ? HELP_COLUMN : HELP_COLUMN - (int)strlen(name), "", option->help);
    }
    printf("\nexamples:\n%s", command->examples);
}

static bool is_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static const rlt_cli_command *find_command(const char *name, rlt_err *err) {
    const char *names[COMMANDS_MAX];
    size_t count = 0;
    for (const rlt_cli_command *command = rlt_cli_commands; command->name != NULL; command++) {
        if (strcmp(name, command->name) == 0) {
            return command;
        }
        RLT_ASSERT(count < COMMANDS_MAX);
        names[count++] = command->name;
    }
    const char *nearest = rlt_str_nearest(name, names, count);
    rlt_fail(err, RLT_EINVAL, "unknown command '%s'%s%s%s; `rltune --help` lists all", name,
             nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
    return NULL;
}

rlt_status rlt_cli_only_json(const char *command, int argc, char **argv, bool *json, rlt_err *err) {
    rlt_cli_args args;
    RLT_TRY(rlt_cli_parse(command, 0, 0, argc, argv, &args, err));
    *json = rlt_cli_flag(&args, "--json");
    return RLT_OK;
}

/* The message may quote a file or a script: nothing of it may control the terminal. */
static int fail_with(const rlt_err *err) {
    rlt_buf text = {0};
    for (const char *line = err->message; line != NULL;) {
        const char *end = strchr(line, '\n');
        char part[sizeof err->message];
        snprintf(part, sizeof part, "%.*s", (int)(end ? (size_t)(end - line) : strlen(line)), line);
        rlt_buf_text(&text, part, (int)sizeof part, RLT_TEXT_UTF8);
        rlt_buf_append(&text, "\n", 1);
        line = end != NULL ? end + 1 : NULL;
    }
    fprintf(stderr, "rltune: error: %s", text.data);
    rlt_buf_fini(&text);
    return rlt_status_exit_code(err->code);
}

/* RLTUNE_LOG=debug|info|warn|error, for this process and those that it starts. */
static rlt_status set_log_level(rlt_err *err) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    const char *wanted = getenv("RLTUNE_LOG");
    for (size_t i = 0; wanted != NULL && wanted[0] != 0; i++) {
        if (i == RLT_COUNT(names)) {
            return rlt_fail(err, RLT_EINVAL,
                            "RLTUNE_LOG is '%.40s'; allowed: debug, info, warn, error", wanted);
        }
        if (strcmp(wanted, names[i]) == 0) {
            rlt_log_set((rlt_log_level)i, NULL, NULL);
            break;
        }
    }
    return RLT_OK;
}

int main(int argc, char **argv) {
    rlt_err err = {0};
    signal(SIGPIPE, SIG_DFL); /* `| head` ends the command quietly, whatever was inherited */
    if (argc < 2) {
        print_help(stderr);
        return rlt_status_exit_code(RLT_EINVAL);
    }
    if (is_help(argv[1])) {
        print_help(stdout);
        return 0;
    }
    if (set_log_level(&err) != RLT_OK) {
        return fail_with(&err);
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    const rlt_cli_command *command = find_command(name, &err);
    if (command == NULL) {
        return fail_with(&err);
    }
    for (int i = 2; i < argc; i++) {
        if (is_help(argv[i])) {
            print_command_help(command);
            return 0;
        }
    }
    rlt_status status = command->run(argc - 2, argv + 2, &err);
    if (status != RLT_OK && command->help == NULL && getenv("RLTUNE_DEBUG") == NULL) {
        return rlt_status_exit_code(status); /* its parent was told, and tells the user */
    }
    if (status != RLT_OK) {
        return fail_with(&err);
    }
    if (fflush(stdout) != 0) {
        rlt_fail(&err, RLT_EIO, "cannot write to standard output");
        return fail_with(&err);
    }
    return 0;
}
