/* cli: one parser for every command's option table. Why: a table gives --help, the man page, the
 * completions and the errors; nothing is written twice. Thread: main only. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const rlt_cli_option rlt_cli_json_options[] = {RLT_CLI_JSON_OPTION, {0}};
const rlt_cli_option rlt_cli_no_options[] = {{0}};

static const rlt_cli_command *command_of(const char *name) {
    for (const rlt_cli_command *command = rlt_cli_commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

static const rlt_cli_option *find(const rlt_cli_option *options, const char *name, size_t size) {
    for (; options->name != NULL; options++) {
        if (strlen(options->name) == size && memcmp(options->name, name, size) == 0) {
            return options;
        }
    }
    return NULL;
}

static rlt_status fail_unknown(const rlt_cli_command *command, const char *word, size_t size,
                               rlt_err *err) {
    const char *names[RLT_CLI_OPTIONS_MAX];
    size_t count = 0;
    rlt_buf allowed = {0};
    for (const rlt_cli_option *option = command->options; option->name != NULL; option++) {
        rlt_buf_printf(&allowed, "%s%s", count > 0 ? ", " : "", option->name);
        names[count++] = option->name;
    }
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)size, word);
    const char *nearest = rlt_str_nearest(name, names, count);
    rlt_status status =
        rlt_fail(err, RLT_EINVAL, "rltune %s: unknown option '%s'%s%s%s; allowed: %s",
                 command->name, name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                 nearest ? "'?)" : "", count > 0 ? allowed.data : "none");
    rlt_buf_fini(&allowed);
    return status;
}

/* Takes argv[*at], and the next word when the option's value stands there. */
static rlt_status parse_option(const rlt_cli_command *command, int argc, char **argv, int *at,
                               rlt_cli_args *args, rlt_err *err) {
    const char *word = argv[*at], *equals = strchr(word, '=');
    size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const rlt_cli_option *option = find(command->options, word, size);
    if (option == NULL) {
        return fail_unknown(command, word, size, err);
    }
    if (option->value == NULL && equals != NULL) {
        return rlt_fail(err, RLT_EINVAL, "rltune %s: %s takes no value", command->name,
                        option->name);
    }
    if (option->value != NULL && equals == NULL && *at + 1 >= argc) {
        return rlt_fail(err, RLT_EINVAL, "rltune %s: %s needs a value: %s %s", command->name,
                        option->name, option->name, option->value);
    }
    if (args->given_count == RLT_CLI_GIVEN_MAX) {
        return rlt_fail(err, RLT_EINVAL, "rltune %s: more than %d options", command->name,
                        RLT_CLI_GIVEN_MAX);
    }
    const char *value = option->value == NULL ? "" : equals != NULL ? equals + 1 : argv[++*at];
    args->given[args->given_count].name = option->name;
    args->given[args->given_count++].value = value;
    return RLT_OK;
}

rlt_status rlt_cli_parse(const char *name, int words_min, int words_max, int argc, char **argv,
                         rlt_cli_args *args, rlt_err *err) {
    const rlt_cli_command *command = command_of(name);
    RLT_ASSERT(command != NULL && command->options != NULL && words_max <= RLT_CLI_WORDS_MAX);
    *args = (rlt_cli_args){.command = name};
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1] != 0) {
            RLT_TRY(parse_option(command, argc, argv, &i, args, err));
        } else if (args->word_count < words_max) {
            args->words[args->word_count++] = argv[i];
        } else {
            return rlt_fail(err, RLT_EINVAL, "rltune %s: unexpected '%s'; usage: rltune %s %s",
                            name, argv[i], name, command->usage);
        }
    }
    if (args->word_count < words_min) {
        return rlt_fail(err, RLT_EINVAL, "rltune %s: something is missing; usage: rltune %s %s",
                        name, name, command->usage);
    }
    return RLT_OK;
}

const char *rlt_cli_value(const rlt_cli_args *args, const char *option) {
    for (int i = args->given_count - 1; i >= 0; i--) {
        if (strcmp(args->given[i].name, option) == 0) {
            return args->given[i].value;
        }
    }
    return NULL;
}

bool rlt_cli_flag(const rlt_cli_args *args, const char *option) {
    return rlt_cli_value(args, option) != NULL;
}

rlt_status rlt_cli_integer(const rlt_cli_args *args, const char *what, const char *text,
                           int64_t low, int64_t high, int64_t *value, rlt_err *err) {
    char *end = NULL;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (end == text || *end != 0 || errno != 0 || parsed < low || parsed > high) {
        return rlt_fail(err, RLT_EINVAL, "rltune %s: %s is '%.40s'; allowed: %lld to %lld",
                        args->command, what, text, (long long)low, (long long)high);
    }
    *value = parsed;
    return RLT_OK;
}

rlt_status rlt_cli_option_integer(const rlt_cli_args *args, const char *option, int64_t low,
                                  int64_t high, int64_t *value, rlt_err *err) {
    const char *text = rlt_cli_value(args, option);
    return text == NULL ? RLT_OK : rlt_cli_integer(args, option, text, low, high, value, err);
}

rlt_status rlt_cli_option_choice(const rlt_cli_args *args, const char *option,
                                 const char *const *choices, int *index, rlt_err *err) {
    const char *text = rlt_cli_value(args, option);
    rlt_buf allowed = {0};
    size_t count = 0;
    for (; choices[count] != NULL; count++) {
        if (text == NULL || strcmp(text, choices[count]) == 0) {
            *index = text == NULL ? *index : (int)count;
            rlt_buf_fini(&allowed);
            return RLT_OK;
        }
        rlt_buf_printf(&allowed, "%s%s", count > 0 ? ", " : "", choices[count]);
    }
    const char *nearest = rlt_str_nearest(text, choices, count);
    rlt_status status = rlt_fail(err, RLT_EINVAL, "rltune %s: %s is '%.40s'%s%s%s; allowed: %s",
                                 args->command, option, text, nearest ? " (did you mean '" : "",
                                 nearest ? nearest : "", nearest ? "'?)" : "", allowed.data);
    rlt_buf_fini(&allowed);
    return status;
}

rlt_status rlt_cli_split_set(const rlt_cli_args *args, const char *text,
                             char path[RLT_CLI_PATH_MAX], const char **value, rlt_err *err) {
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals - text >= RLT_CLI_PATH_MAX) {
        return rlt_fail(err, RLT_EINVAL,
                        "rltune %s: --set '%.80s': expected KEY=VALUE, e.g. --set ppo.lr=3e-4",
                        args->command, text);
    }
    snprintf(path, RLT_CLI_PATH_MAX, "%.*s", (int)(equals - text), text);
    *value = equals + 1;
    return RLT_OK;
}
