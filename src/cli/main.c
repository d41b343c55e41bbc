/* main: finds the subcommand, prints help and errors, turns statuses into exit codes.
 * Thread: main only. Output for scripts goes to stdout, talk and errors to stderr. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const rlt_cli_command commands[] = {
    {"version", "[--json]", "Print the version, the commit and how it was built.",
     "  rltune version\n  rltune version --json\n", rlt_cli_version},
    {"doctor", "[--json]", "Say what this machine has: CPU, memory, libraries, GPUs.",
     "  rltune doctor\n  rltune doctor --json\n", rlt_cli_doctor},
    {"envs", "[--json]", "List the environments with their spaces and time limits.",
     "  rltune envs\n  rltune envs --json\n", rlt_cli_envs},
};

static void print_help(FILE *out) {
    fprintf(out, "usage: rltune COMMAND [OPTIONS]\n\ncommands:\n");
    for (size_t i = 0; i < RLT_COUNT(commands); i++) {
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    }
    fprintf(out, "\n`rltune COMMAND --help` shows options and examples.\n"
                 "exit codes: 0 done, 2 usage, 3 configuration, 4 not found, 5 storage or memory,\n"
                 "            6 processes or network, 7 failed trials, 130 interrupted\n");
}

static void print_command_help(const rlt_cli_command *command) {
    printf("usage: rltune %s %s\n\n%s\n\nexamples:\n%s", command->name, command->usage,
           command->help, command->examples);
}

static bool is_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static const rlt_cli_command *find_command(const char *name, rlt_err *err) {
    const char *names[RLT_COUNT(commands)];
    for (size_t i = 0; i < RLT_COUNT(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
        names[i] = commands[i].name;
    }
    const char *nearest = rlt_str_nearest(name, names, RLT_COUNT(names));
    rlt_fail(err, RLT_EINVAL, "unknown command '%s'%s%s%s; `rltune --help` lists all", name,
             nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
    return NULL;
}

rlt_status rlt_cli_only_json(const char *command, int argc, char **argv, bool *json, rlt_err *err) {
    *json = false;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") != 0) {
            return rlt_fail(err, RLT_EINVAL, "rltune %s: unknown option '%s'; allowed: --json",
                            command, argv[i]);
        }
        *json = true;
    }
    return RLT_OK;
}

static int fail_with(const rlt_err *err) {
    fprintf(stderr, "rltune: error: %s\n", err->message);
    return rlt_status_exit_code(err->code);
}

int main(int argc, char **argv) {
    rlt_err err = {0};
    if (argc < 2) {
        print_help(stderr);
        return rlt_status_exit_code(RLT_EINVAL);
    }
    if (is_help(argv[1])) {
        print_help(stdout);
        return 0;
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
    if (status != RLT_OK) {
        return fail_with(&err);
    }
    if (fflush(stdout) != 0) {
        rlt_fail(&err, RLT_EIO, "cannot write to standard output");
        return fail_with(&err);
    }
    return 0;
}
