/* completion: scripts for bash, zsh and fish, made from the command and option tables.
 * Thread: main only. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

/* Text within '...' of a shell; `escaped` characters get a backslash first. */
static void put_quoted(const char *text, const char *escaped) {
    for (; *text != 0; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else {
            printf("%s%c", strchr(escaped, *text) != NULL ? "\\" : "", *text);
        }
    }
}

static bool is_choice(const char *value) {
    return strchr(value, '|') != NULL;
}

/* "csv|json" as "csv json". */
static void put_choices(const char *value) {
    for (; *value != 0; value++) {
        putchar(*value == '|' ? ' ' : *value);
    }
}

static bool is_listed(const rlt_cli_command *command) {
    return command->help != NULL;
}

static void bash_values(const rlt_cli_command *command) {
    for (const rlt_cli_option *option = command->options; option->name != NULL; option++) {
        if (option->value == NULL) {
            continue;
        }
        printf("    '%s %s') ", command->name, option->name);
        if (is_choice(option->value)) {
            printf("COMPREPLY=($(compgen -W '");
            put_choices(option->value);
            printf("' -- \"$cur\")); return ;;\n");
        } else if (strcmp(option->value, "FILE") == 0) {
            printf("COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
        } else {
            printf("return ;;\n");
        }
    }
}

static void put_bash(void) {
    printf("_rltune() {\n"
           "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "  local command=${COMP_WORDS[1]} words=''\n"
           "  COMPREPLY=()\n"
           "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "    COMPREPLY=($(compgen -W '");
    for (const rlt_cli_command *c = rlt_cli_commands; c->name != NULL; c++) {
        if (is_listed(c)) {
            printf("%s ", c->name);
        }
    }
    printf("--help --version' -- \"$cur\"))\n    return\n  fi\n  case \"$command $prev\" in\n");
    for (const rlt_cli_command *c = rlt_cli_commands; c->name != NULL; c++) {
        if (is_listed(c)) {
            bash_values(c);
        }
    }
    printf("  esac\n  case \"$command\" in\n");
    for (const rlt_cli_command *c = rlt_cli_commands; c->name != NULL; c++) {
        if (!is_listed(c)) {
            continue;
        }
        printf("    %s) words='", c->name);
        if (is_choice(c->usage) && strchr(c->usage, ' ') == NULL) {
            put_choices(c->usage);
            putchar(' ');
        }
        for (const rlt_cli_option *option = c->options; option->name != NULL; option++) {
            printf("%s ", option->name);
        }
        printf("--help' ;;\n");
    }
    printf("  esac\n"
           "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "}\n"
           "complete -o default -F _rltune rltune\n");
}

static void zsh_option(const rlt_cli_option *option) {
    printf(" \\\n        '%s[", option->name);
    put_quoted(option->help, "[]:\\");
    putchar(']');
    if (option->value != NULL && is_choice(option->value)) {
        printf(":value:(");
        put_choices(option->value);
        putchar(')');
    } else if (option->value != NULL) {
        printf(":%s:%s", option->value, strcmp(option->value, "FILE") == 0 ? "_files" : " ");
    }
    putchar('\'');
}

static void put_zsh(void) {
    printf("#compdef rltune\n"
           "_rltune() {\n"
           "  local -a commands=(\n");
    for (const rlt_cli_command *c = rlt_cli_commands; c->name != NULL; c++) {
        if (is_listed(c)) {
            printf("    '%s:", c->name);
            put_quoted(c->help, ":\\");
            printf("'\n");
        }
    }
    printf("  )\n"
           "  if (( CURRENT == 2 )); then\n"
           "    _describe command commands\n"
           "    return\n"
           "  fi\n"
           "  local command=$words[2]\n"
           "  shift words\n"
           "  (( CURRENT-- ))\n"
           "  case $command in\n");
    for (const rlt_cli_command *c = rlt_cli_commands; c->name != NULL; c++) {
        if (!is_listed(c)) {
            continue;
        }
        printf("    %s)\n      _arguments '--help[show options and examples]'", c->name);
        for (const rlt_cli_option *option = c->options; option->name != NULL; option++) {
            zsh_option(option);
        }
        if (is_choice(c->usage) && strchr(c->usage, ' ') == NULL) {
            printf(" \\\n        '1:value:(");
            put_choices(c->usage);
            printf(")'\n      ;;\n");
        } else {
            printf(" \\\n        '*:file:_files'\n      ;;\n");
        }
    }
    printf("  esac\n}\n_rltune \"$@\"\n");
}

static void fish_option(const rlt_cli_command *command, const rlt_cli_option *option) {
    printf("complete -c rltune -n '__fish_seen_subcommand_from %s' -l %s", command->name,
           option->name + 2);
    if (option->value != NULL && is_choice(option->value)) {
        printf(" -x -a '");
        put_choices(option->value);
        putchar('\'');
    } else if (option->value != NULL) {
        printf(strcmp(option->value, "FILE") == 0 ? " -r -F" : " -x");
    }
    printf(" -d '");
    put_quoted(option->help, "");
    printf("'\n");
}

static void put_fish(void) {
    for (const rlt_cli_command *c = rlt_cli_commands; c->name != NULL; c++) {
        if (!is_listed(c)) {
            continue;
        }
        printf("complete -c rltune -f -n __fish_use_subcommand -a %s -d '", c->name);
        put_quoted(c->help, "");
        printf("'\n");
        for (const rlt_cli_option *option = c->options; option->name != NULL; option++) {
            fish_option(c, option);
        }
        if (is_choice(c->usage) && strchr(c->usage, ' ') == NULL) {
            printf("complete -c rltune -f -n '__fish_seen_subcommand_from %s' -a '", c->name);
            put_choices(c->usage);
            printf("'\n");
        }
    }
}

rlt_status rlt_cli_completion(int argc, char **argv, rlt_err *err) {
    static const char *const shells[] = {"bash", "zsh", "fish"};
    static void (*const writers[])(void) = {put_bash, put_zsh, put_fish};
    rlt_cli_args args;
    RLT_TRY(rlt_cli_parse("completion", 1, 1, argc, argv, &args, err));
    for (size_t i = 0; i < RLT_COUNT(shells); i++) {
        if (strcmp(args.words[0], shells[i]) == 0) {
            writers[i]();
            return RLT_OK;
        }
    }
    const char *nearest = rlt_str_nearest(args.words[0], shells, RLT_COUNT(shells));
    return rlt_fail(err, RLT_EINVAL,
                    "rltune completion: unknown shell '%.40s'%s%s%s; allowed: bash, zsh, fish",
                    args.words[0], nearest ? " (did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?)" : "");
}
