/* explain: every field of a configuration, from the tables that load it. Thread: main only. */
#include "cli/report.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

enum { PATHS_MAX = 512, ALLOWED_MAX = 256 };

static void path_of(const rlt_config_section *section, const rlt_field *field,
                    char path[RLT_FIELD_PATH_MAX]) {
    snprintf(path, RLT_FIELD_PATH_MAX, "%s%s%s", section->name, section->name[0] ? "." : "",
             field->name);
}

static json_t *words_json(const char *words) {
    json_t *list = json_array();
    while (words != NULL && *words != 0) {
        size_t size = strcspn(words, " ");
        json_array_append_new(list, json_stringn(words, size));
        words += size + strspn(words + size, " ");
    }
    return list;
}

static json_t *field_json(const rlt_config_section *section, const rlt_field *field) {
    char path[RLT_FIELD_PATH_MAX], allowed[ALLOWED_MAX];
    bool bounded = field->choices == NULL &&
                   (field->type == RLT_FIELD_INT || field->type == RLT_FIELD_DOUBLE ||
                    field->type == RLT_FIELD_INT_LIST);
    json_t *choices = field->choices != NULL ? json_array() : json_null();
    for (size_t i = 0; field->choices != NULL && field->choices[i] != NULL; i++) {
        json_array_append_new(choices, json_string(field->choices[i]));
    }
    json_t *initial = field->initial != NULL ? rlt_field_default(field) : json_null();
    path_of(section, field, path);
    rlt_field_allowed(field, allowed, sizeof allowed);
    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:b, s:b, s:o, s:s}", "path", path,
                     "type", rlt_field_type_name(field), "default", initial, "allowed", allowed,
                     "min", bounded ? rlt_report_real(field->min) : json_null(), "max",
                     bounded ? rlt_report_real(field->max) : json_null(), "choices", choices,
                     "tunable", (field->flags & RLT_FIELD_TUNABLE) != 0, "log",
                     (field->flags & RLT_FIELD_LOG) != 0, "aliases", words_json(field->aliases),
                     "help", field->help);
}

static void print_field(const rlt_config_section *section, const rlt_field *field) {
    char path[RLT_FIELD_PATH_MAX], allowed[ALLOWED_MAX];
    path_of(section, field, path);
    rlt_field_allowed(field, allowed, sizeof allowed);
    printf("  %s%s%s\n      %s\n      %s", path, field->initial != NULL ? " = " : ": must be given",
           field->initial != NULL ? field->initial : "", field->help, allowed);
    if (field->flags & RLT_FIELD_TUNABLE) {
        printf("; tunable%s", field->flags & RLT_FIELD_LOG ? ", best on a log scale" : "");
    }
    if (field->aliases != NULL) {
        printf("; also ");
        for (const char *at = field->aliases; *at != 0; at++) {
            printf(*at == ' ' ? ", " : "%c", *at);
        }
    }
    printf("\n");
}

/* Collects JSON when `list` is given, else prints. */
static void put_field(const rlt_config_section *section, const rlt_field *field, json_t *list) {
    if (list != NULL) {
        json_array_append_new(list, field_json(section, field));
    } else {
        print_field(section, field);
    }
}

static void put_section(const rlt_config_section *section, json_t *list) {
    if (list == NULL) {
        printf("%s: %s\n", section->name[0] ? section->name : "outermost table", section->help);
    }
    for (const rlt_field *field = section->fields; field->name != NULL; field++) {
        put_field(section, field, list);
    }
}

/* Fields called `word`, by path, bare name or alias; returns how many. */
static int put_named(const char *word, json_t *list) {
    int count = 0;
    for (const rlt_config_section *s = rlt_config_sections; s->name != NULL; s++) {
        size_t size = strlen(s->name);
        bool prefixed = size > 0 && strncmp(word, s->name, size) == 0 && word[size] == '.';
        for (const rlt_field *field = s->fields; field->name != NULL; field++) {
            if (rlt_field_named(field, prefixed ? word + size + 1 : word)) {
                put_field(s, field, list);
                count++;
            }
        }
    }
    return count;
}

/* The sections "word.x": "sampler", "stopper", "layer", "preset". Returns how many. */
static int put_family(const char *word, json_t *list) {
    int count = 0;
    word += strncmp(word, "tune.", 5) == 0 ? 5 : 0;
    size_t size = strlen(word);
    for (const rlt_config_section *s = rlt_config_sections; s->name != NULL; s++) {
        if (s->holder != RLT_SECTION_RUN && strncmp(s->name, word, size) == 0 &&
            s->name[size] == '.' && strncmp(s->name, "tune.", 5) != 0) {
            put_section(s, list);
            count++;
        }
    }
    return count;
}

static rlt_status fail_unknown(const char *word, rlt_err *err) {
    static char paths[PATHS_MAX][RLT_FIELD_PATH_MAX];
    const char *names[2 * PATHS_MAX];
    size_t count = 0, paths_count = 0;
    for (const rlt_config_section *s = rlt_config_sections; s->name != NULL; s++) {
        names[count++] = s->name;
        for (const rlt_field *field = s->fields; field->name != NULL; field++) {
            RLT_ASSERT(paths_count < PATHS_MAX && count + 2 <= RLT_COUNT(names));
            path_of(s, field, paths[paths_count]);
            names[count++] = paths[paths_count++];
            names[count++] = field->name;
        }
    }
    const char *nearest = rlt_str_nearest(word, names, count);
    return rlt_fail(
        err, RLT_ENOTFOUND, "no field or section '%.64s'%s%s%s; `rltune explain` lists all", word,
        nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
}

rlt_status rlt_cli_explain(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    RLT_TRY(rlt_cli_parse("explain", 0, 1, argc, argv, &args, err));
    json_t *list = rlt_cli_flag(&args, "--json") ? json_array() : NULL;
    const char *word = args.word_count > 0 ? args.words[0] : NULL;
    const rlt_config_section *section = word != NULL ? rlt_config_section_find(word) : NULL;
    if (word == NULL) {
        for (const rlt_config_section *s = rlt_config_sections; s->name != NULL; s++) {
            printf(list == NULL && s != rlt_config_sections ? "\n" : "");
            put_section(s, list);
        }
    } else if (section != NULL) {
        put_section(section, list);
        if (strcmp(word, "model") == 0) {
            put_family(word, list);
        }
    } else if (put_family(word, list) == 0 && put_named(word, list) == 0) {
        json_decref(list);
        return fail_unknown(word, err);
    }
    return list != NULL ? rlt_report_print_json(list, err) : RLT_OK;
}
