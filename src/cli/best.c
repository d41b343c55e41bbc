/* best: the winning trial and the configuration that trains it again. Thread: main only. */
#include "cli/show.h"

#include <inttypes.h>

const rlt_cli_option rlt_cli_best_options[] = {
    {"--config", NULL, "print only its configuration, as JSON"},
    {"--trial", "N", "with several metrics: this trial of the Pareto front"},
    RLT_CLI_DB_OPTION,
    RLT_CLI_JSON_OPTION,
    {0}};

/* Of the winner that was trained again; -1: none. */
static int64_t final_configuration(const rlt_report *report) {
    for (int i = 0; i < report->trial_count; i++) {
        if (rlt_report_is_final(report, &report->trials[i])) {
            return report->trials[i].configuration;
        }
    }
    return -1;
}

static json_t *finals_json(const rlt_report *report) {
    double mean, deviation;
    int count = rlt_report_finals(report, &mean, &deviation);
    return json_pack("{s:i, s:o, s:o}", "n", count, "mean", rlt_report_real(mean), "deviation",
                     rlt_report_real(deviation));
}

static rlt_status print_text(const rlt_report *report, const rlt_report_trial *best, rlt_err *err) {
    char text[32], other[32];
    double mean, deviation;
    int finals = rlt_report_finals(report, &mean, &deviation);
    printf("trial %" PRId64 " of experiment %" PRId64 "  %s\n", best->number, report->experiment.id,
           best->state);
    const double *values = rlt_report_values_of(report, best);
    for (int i = 0; i < report->objective_count && values != NULL && report->replicates == NULL;
         i++) {
        printf("  %-9s %s\n", report->objectives[i].metric, rlt_report_value(values[i], text));
    }
    const rlt_seed_group *r = rlt_report_replicates(report, best);
    if (r != NULL) {
        rlt_buf seeds = {0};
        rlt_report_replicates_text(report, r, &seeds);
        printf("  %-9s %s, %s\n", report->experiment.metric, rlt_report_value(r->value, text),
               seeds.data);
        rlt_buf_fini(&seeds);
    } else if (values == NULL) {
        printf("  %-9s %s", report->experiment.metric[0] ? report->experiment.metric : "value",
               rlt_report_value(best->value, text));
    } else {
        printf("  ended    ");
    }
    if (r == NULL) {
        printf(" after %" PRId64 " steps\n", best->steps);
    }
    if (finals > 0) {
        char whose[64] = "";
        int64_t winner = final_configuration(report);
        if (winner != best->configuration) {
            snprintf(whose, sizeof whose, " (of trial %" PRId64 ", the best one then)", winner);
        }
        printf("  again     mean %s, standard deviation %s over %d other seeds%s\n",
               rlt_report_value(mean, text), rlt_report_value(deviation, other), finals, whose);
    }
    rlt_trial_texts texts;
    RLT_TRY(rlt_report_texts(report, best, &texts, err));
    json_t *params = rlt_report_parse(texts.params_json);
    const char *name;
    json_t *value;
    json_object_foreach(params, name, value) {
        rlt_buf shown = {0};
        rlt_report_json_text(value, &shown);
        printf("  %-20s %s\n", name, shown.data != NULL ? shown.data : "-");
        rlt_buf_fini(&shown);
    }
    json_decref(params);
    printf(texts.since > 0 ? "  parameters from %s\n\n" : "\n", texts.origin);
    json_t *config = rlt_report_parse(texts.config_json);
    rlt_trial_texts_fini(&texts);
    rlt_buf model = {0};
    rlt_show_model(config, &model);
    if (model.data != NULL) {
        printf("as a script has it:\n%s\n", model.data);
    }
    rlt_buf_fini(&model);
    return rlt_report_print_json(config, err);
}

static rlt_status print_json(const rlt_report *report, const rlt_report_trial *best,
                             bool config_alone, rlt_err *err) {
    json_t *object, *seeds = NULL;
    RLT_TRY(rlt_report_trial_json(report, best, true, &object, err));
    if (config_alone) {
        json_t *config = json_incref(json_object_get(object, "config"));
        json_decref(object);
        return rlt_report_print_json(config, err);
    }
    json_object_set_new(object, "experiment", json_integer(report->experiment.id));
    json_object_set_new(object, "finals", finals_json(report));
    const rlt_seed_group *r = rlt_report_replicates(report, best);
    rlt_status status = r != NULL ? rlt_report_replicates_json(report, r, &seeds, err) : RLT_OK;
    if (status != RLT_OK) {
        json_decref(object);
        return status;
    }
    if (seeds != NULL) {
        json_object_set_new(object, "seeds", seeds);
    }
    return rlt_report_print_json(object, err);
}

/* Several metrics, and nobody has said which of the front it is to be. */
static rlt_status best_front(const rlt_report *report, rlt_err *err) {
    int size = rlt_report_front_size(report);
    if (rlt_cli_flag(&report->args, "--config")) {
        return rlt_fail(err, RLT_EINVAL,
                        "--config: %d trials are on the Pareto front of experiment %lld; name one "
                        "of them with --trial N",
                        size, (long long)report->experiment.id);
    }
    if (!report->json) {
        rlt_buf text = {0};
        rlt_report_front_text(report, &text);
        printf("Pareto front of experiment %" PRId64 ": %s\n", report->experiment.id, text.data);
        rlt_buf_fini(&text);
        return rlt_show_leaderboard(report, size, err);
    }
    json_t *front = rlt_report_front_json(report), *trials = json_array();
    rlt_status status = RLT_OK;
    for (int i = 0; i < size && status == RLT_OK; i++) {
        json_t *trial;
        status =
            rlt_report_trial_json(report, &report->trials[report->order[i]], false, &trial, err);
        json_array_append_new(trials, trial);
    }
    json_object_set_new(front, "trials", trials);
    json_object_set_new(front, "experiment", json_integer(report->experiment.id));
    if (status != RLT_OK) {
        json_decref(front);
        return status;
    }
    return rlt_report_print_json(front, err);
}

/* The trial that --trial names, which must be on the front. */
static rlt_status choose(const rlt_report *report, const rlt_report_trial **trial, rlt_err *err) {
    int64_t number = 0;
    RLT_TRY(rlt_cli_option_integer(&report->args, "--trial", 0, INT64_MAX, &number, err));
    RLT_TRY(rlt_report_find_trial(report, "search", number, trial, err));
    return rlt_report_rank(report, *trial) == 1
               ? RLT_OK
               : rlt_fail(err, RLT_EINVAL,
                          "--trial: trial %lld is not %s; `rltune show %lld --trial %lld` shows it",
                          (long long)number,
                          report->objective_count > 1 ? "on the Pareto front" : "the best one",
                          (long long)report->experiment.id, (long long)number);
}

static rlt_status best(const rlt_report *report, rlt_err *err) {
    const rlt_report_trial *trial = rlt_report_best(report);
    bool chosen = rlt_cli_flag(&report->args, "--trial");
    if (trial != NULL && chosen) {
        RLT_TRY(choose(report, &trial, err));
    } else if (trial != NULL && report->objective_count > 1) {
        return best_front(report, err);
    }
    if (trial == NULL) {
        return rlt_fail(err, RLT_ENOTFOUND,
                        "%s: none of the %d trials of experiment %lld has a result%s yet; "
                        "`rltune show %lld --db %s` says how far they are",
                        report->path, report->trial_count, (long long)report->experiment.id,
                        report->constraint_count > 0 ? " within its constraints" : "",
                        (long long)report->experiment.id, report->path);
    }
    bool config = rlt_cli_flag(&report->args, "--config");
    return !config && !report->json ? print_text(report, trial, err)
                                    : print_json(report, trial, config, err);
}

rlt_status rlt_cli_best(int argc, char **argv, rlt_err *err) {
    rlt_report report;
    RLT_TRY(rlt_report_open(&report, "best", argc, argv, err));
    rlt_status status = best(&report, err);
    rlt_report_close(&report);
    return status;
}
