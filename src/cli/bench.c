/* bench: what this machine does, each figure beside its limit and how much of it is reached.
 * Thread: main only. */
#include "cli/cli.h"
#include "cli/live.h"
#include "cli/report.h"
#include "envs/envs.h"
#include "measure/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const rlt_cli_option rlt_cli_bench_options[] = {
    {"--seconds", "N", "for each figure, roughly, up to 60 (default 0.5)"},
    {"--folder", "FOLDER", "where the database is measured (default: the current one)"},
    RLT_CLI_JSON_OPTION,
    {0},
};

typedef struct part {
    const char *name, *title;
    rlt_status (*measure)(const rlt_measure *m, rlt_err *err);
} part;

static const part parts[] = {
    {"startup", "start-up", rlt_measure_startup},
    {"env", "environments, one core, random actions", rlt_measure_env},
    {"nn", "network, one core", rlt_measure_nn},
    {"train", "training", rlt_measure_train},
    {"transport", "transport", rlt_measure_transport},
    {"tuner", "tuner", rlt_measure_tuner},
    {"store", "database", rlt_measure_store},
};

typedef struct sink {
    json_t *rows; /* NULL: text */
    const char *part;
} sink;

static void number_text(double x, char *text, size_t size) {
    if (x >= 1000) {
        rlt_grouped_text((int64_t)(x + 0.5), text, size);
    } else {
        snprintf(text, size, "%.4g", x);
    }
}

static void put_figure(void *user, const rlt_figure *f) {
    sink *s = user;
    double percent = rlt_figure_percent(f);
    if (s->rows != NULL) {
        json_array_append_new(s->rows,
                              json_pack("{s:s, s:s, s:f, s:s, s:f, s:s, s:b, s:f}", "part", s->part,
                                        "name", f->name, "value", f->value, "unit", f->unit,
                                        "limit", f->limit, "limit_name", f->limit_name,
                                        "less_is_better", (int)f->less, "percent", percent));
        return;
    }
    char value[32], limit[32];
    number_text(f->value, value, sizeof(value));
    number_text(f->limit, limit, sizeof(limit));
    printf("  %-47s %11s %-9s %5.0f %% of %s (%s)\n", f->name, value, f->unit, percent, limit,
           f->limit_name);
    fflush(stdout);
}

static rlt_status read_seconds(const rlt_cli_args *args, double *seconds, rlt_err *err) {
    const char *text = rlt_cli_value(args, "--seconds");
    char *end = NULL;
    if (text == NULL) {
        return RLT_OK;
    }
    *seconds = strtod(text, &end);
    if (end == text || *end != 0 || !(*seconds >= 0.01 && *seconds <= 60)) {
        return rlt_fail(err, RLT_EINVAL, "rltune bench: --seconds is '%.40s'; allowed: 0.01 to 60",
                        text);
    }
    return RLT_OK;
}

/* The index of the part that is named, -1 for all. */
static rlt_status find_part(const char *name, int *index, rlt_err *err) {
    const char *names[RLT_COUNT(parts) + 1];
    rlt_buf allowed = {0};
    *index = -1;
    for (size_t i = 0; i < RLT_COUNT(parts); i++) {
        names[i] = parts[i].name;
        rlt_buf_printf(&allowed, "%s, ", names[i]);
        if (strcmp(name, names[i]) == 0) {
            *index = (int)i;
        }
    }
    names[RLT_COUNT(parts)] = "all";
    rlt_status status = RLT_OK;
    if (*index < 0 && strcmp(name, "all") != 0) {
        const char *nearest = rlt_str_nearest(name, names, RLT_COUNT(names));
        status = rlt_fail(err, RLT_EINVAL, "rltune bench: no part '%.40s'%s%s%s; allowed: %sall",
                          name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                          nearest ? "'?)" : "", allowed.data);
    }
    rlt_buf_fini(&allowed);
    return status;
}

static rlt_status measure(const rlt_measure *m, sink *s, int only, rlt_err *err) {
    for (size_t i = 0; i < RLT_COUNT(parts); i++) {
        if (only >= 0 && only != (int)i) {
            continue;
        }
        s->part = parts[i].name;
        if (s->rows == NULL) {
            printf("%s:\n", parts[i].title);
        }
        RLT_TRY(parts[i].measure(m, err));
    }
    return RLT_OK;
}

rlt_status rlt_cli_bench(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    int only = -1;
    RLT_TRY(rlt_cli_parse("bench", 0, 1, argc, argv, &args, err));
    RLT_TRY(find_part(args.word_count > 0 ? args.words[0] : "all", &only, err));
    sink s = {0};
    const char *folder = rlt_cli_value(&args, "--folder");
    rlt_measure m = {.seconds = 0.5,
                     .folder = folder != NULL ? folder : ".",
                     .envs = rlt_envs,
                     .figure = put_figure,
                     .user = &s};
    RLT_TRY(read_seconds(&args, &m.seconds, err));
    s.rows = rlt_cli_flag(&args, "--json") ? json_array() : NULL;
    rlt_status status = measure(&m, &s, only, err);
    if (status == RLT_OK && s.rows != NULL) {
        return rlt_report_print_json(s.rows, err);
    }
    json_decref(s.rows);
    return status;
}
