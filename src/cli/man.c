/* man: the manual page in man(7) form, made from the command and option tables; the build installs
 * its output as rltune.1. Thread: main only. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

/* roff: backslashes and hyphens are escaped, a control character at a line's start is hidden. */
static void put_roff(const char *text) {
    bool line_start = true;
    for (; *text != 0; text++) {
        if (line_start && (*text == '.' || *text == '\'')) {
            fputs("\\&", stdout);
        }
        fputs(*text == '\\' ? "\\e" : *text == '-' ? "\\-" : (char[]){*text, 0}, stdout);
        line_start = *text == '\n';
    }
}

static void put_option(const rlt_cli_option *option) {
    printf(".TP\n.B ");
    put_roff(option->name);
    if (option->value != NULL) {
        printf(" \\fI");
        put_roff(option->value);
        printf("\\fR");
    }
    putchar('\n');
    put_roff(option->help);
    putchar('\n');
}

static void put_command(const rlt_cli_command *command) {
    printf(".SS rltune %s ", command->name);
    put_roff(command->usage);
    printf("\n");
    put_roff(command->help);
    printf("\n");
    for (const rlt_cli_option *option = command->options; option->name != NULL; option++) {
        put_option(option);
    }
    printf(".PP\nExamples:\n.PP\n.nf\n");
    put_roff(command->examples);
    printf(".fi\n");
}

/* The codes are those of core/status.def; statuses that share one share its line. */
static void put_exit_codes(void) {
    static const struct {
        rlt_status status;
        const char *text;
    } list[] = {
#define X(name, code, exit_code, text) {RLT_##name, text},
#include "core/status.def"
#undef X
    };
    for (int code = 0; code <= 255; code++) {
        bool any = false;
        for (size_t i = 0; i < RLT_COUNT(list); i++) {
            if (rlt_status_exit_code(list[i].status) == code) {
                printf(any ? ", " : ".TP\n.B %d\n", code);
                put_roff(list[i].text);
                any = true;
            }
        }
        printf(any ? "\n" : "");
    }
}

rlt_status rlt_cli_man(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    RLT_TRY(rlt_cli_parse("man", 0, 0, argc, argv, &args, err));
    printf(".TH RLTUNE 1 \"\" \"rltune %s\" \"User Commands\"\n"
           ".SH NAME\nrltune \\- reinforcement learning and hyper\\-parameter tuning\n"
           ".SH SYNOPSIS\n.B rltune\n.I COMMAND\n[\\fIOPTIONS\\fR]\n"
           ".SH DESCRIPTION\nTrains policies by reinforcement learning and tunes their "
           "hyper\\-parameters from a Lua script; keeps every trial, metric and decision in one "
           "SQLite database.\nWhere a command takes an \\fIID\\fR, the name of an experiment or "
           "the word \\fBlast\\fR does too.\n"
           "Data goes to standard output, talk and errors to standard error.\n"
           ".SH COMMANDS\n",
           RLT_VERSION);
    for (const rlt_cli_command *command = rlt_cli_commands; command->name != NULL; command++) {
        if (command->help != NULL) {
            put_command(command);
        }
    }
    printf(".SH EXIT STATUS\n");
    put_exit_codes();
    printf(".SH ENVIRONMENT\n.TP\n.B RLTUNE_DB\nthe database of commands that are given no "
           "\\fB\\-\\-db\\fR\n.TP\n.B NO_COLOR\nset and not empty: no colours\n");
    return RLT_OK;
}
