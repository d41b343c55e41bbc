/* importance: which parameters mattered. Thread: main only. */
#include "cli/importance.h"

#include <math.h>
#include <string.h>

const rlt_cli_option rlt_cli_importance_options[] = {
    RLT_IMPORTANCE_OPTIONS,
    {"--metric", "NAME", "the metric to explain (default: the tuned one)"},
    RLT_CLI_DB_OPTION,
    RLT_CLI_JSON_OPTION,
    {0}};

static const char *const methods[] = {"ped_anova", "fanova", NULL};

rlt_status rlt_importance_compute(const rlt_cli_args *args, const rlt_samples *samples,
                                  rlt_importance *out, int *method, rlt_err *err) {
    int64_t seed = 0;
    *method = 0;
    RLT_TRY(rlt_cli_option_choice(args, "--method", methods, method, err));
    RLT_TRY(rlt_cli_option_integer(args, "--seed", 0, INT64_MAX, &seed, err));
    if (*method == 0) {
        return rlt_importance_ped_anova(&samples->data, &(rlt_ped_anova_options){0}, out, err);
    }
    rlt_fanova_options options = {.log_scale = rlt_cli_flag(args, "--log-scale"),
                                  .seed = (uint64_t)seed};
    return rlt_importance_fanova(&samples->data, &options, out, err);
}

const char *rlt_importance_question(int method) {
    return method == 0 ? "for reaching the best tenth of the trials (PED-ANOVA)"
                       : "as part of the variance over the whole space (fANOVA)";
}

static rlt_status print_json(const rlt_samples *s, const rlt_importance *list, int method,
                             rlt_err *err) {
    json_t *all = json_array();
    for (int i = 0; i < s->data.param_count; i++) {
        json_array_append_new(
            all, json_pack("{s:s, s:o, s:o, s:o, s:b, s:b}", "param", s->info[list[i].param].path,
                           "importance", rlt_report_real(list[i].share), "raw",
                           rlt_report_real(list[i].raw), "deviation",
                           rlt_report_real(list[i].deviation), "left_out", list[i].left_out,
                           "inferred_domain", s->info[list[i].param].inferred));
    }
    return rlt_report_print_json(
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:o}", "method", methods[method], "metric", s->metric,
                  "configurations", s->data.count, "trials", s->trial_count, "stopped_left_out",
                  s->stopped_count, "importances", all),
        err);
}

static void print_left_out(const rlt_samples *s, const rlt_importance *list) {
    int crowded = 0, conditional = 0;
    for (int i = 0; i < s->data.param_count; i++) {
        bool many = s->params[list[i].param].choices > RLT_ANALYSIS_CHOICES_MAX;
        crowded += list[i].left_out && many;
        conditional += list[i].left_out && !many;
    }
    if (crowded > 0) {
        printf("%d left out: more than %d choices\n", crowded, RLT_ANALYSIS_CHOICES_MAX);
    }
    if (conditional > 0) {
        printf("%d left out: not every trial has them; --method ped_anova can use them\n",
               conditional);
    }
}

/* PED-ANOVA's best tenth of fewer is 4 and less. */
enum { PED_TRIALS_FEW = 50, FANOVA_TRIALS_FEW = 20 };

static void print_notes(const rlt_samples *s, const rlt_importance *list, int method) {
    int inferred = 0;
    for (int i = 0; i < s->data.param_count; i++) {
        inferred += s->info[list[i].param].inferred;
    }
    print_left_out(s, list);
    if (inferred > 0) {
        printf("%d of %d domains are not in the configuration and were taken from the values "
               "seen\n",
               inferred, s->data.param_count);
    }
    if (s->stopped_count > 0) {
        printf("%d stopped trials do not count; --stopped takes them too, by their last result\n",
               s->stopped_count);
    }
    if (s->data.count < (method == 0 ? PED_TRIALS_FEW : FANOVA_TRIALS_FEW)) {
        printf("%d %s few: take the order as a hint%s\n", s->data.count,
               s->data.count == s->trial_count ? "trials are" : "configurations are",
               method == 0 ? " (PED-ANOVA wants 5 in the best tenth)" : "");
    }
}

static void print_table(const rlt_report *report, const rlt_samples *s, const rlt_importance *list,
                        int method) {
    rlt_table table = {0};
    rlt_table_column(&table, "parameter", false);
    rlt_table_column(&table, "importance", true);
    if (method == 1) {
        rlt_table_column(&table, "variance explained alone", true);
    }
    for (int i = 0; i < s->data.param_count; i++) {
        char text[64];
        rlt_table_cell(&table, s->info[list[i].param].path);
        snprintf(text, sizeof text, "%.3f", list[i].share);
        rlt_table_cell(&table, list[i].left_out ? "left out" : text);
        if (method == 1) {
            snprintf(text, sizeof text, "%.3f +- %.3f", list[i].raw, list[i].deviation);
            rlt_table_cell(&table, list[i].left_out ? "" : text);
        }
    }
    char trials[64];
    rlt_samples_count_text(s, trials);
    printf("importance for %s of %s (experiment %lld), %s,\n%s\n\n", s->metric,
           report->experiment.name, (long long)report->experiment.id, trials,
           rlt_importance_question(method));
    rlt_table_print(&table, stdout);
    printf("\n");
    print_notes(s, list, method);
}

rlt_status rlt_cli_importance(int argc, char **argv, rlt_err *err) {
    rlt_report report;
    rlt_samples samples = {0};
    rlt_importance *list = NULL;
    int method = 0;
    RLT_TRY(rlt_report_open(&report, "importance", argc, argv, err));
    rlt_status status = rlt_samples_load(&report, rlt_cli_value(&report.args, "--metric"),
                                         rlt_cli_flag(&report.args, "--stopped"), &samples, err);
    if (status == RLT_OK) {
        list = rlt_alloc(sizeof *list * (size_t)(samples.data.param_count + 1));
        status = rlt_importance_compute(&report.args, &samples, list, &method, err);
    }
    if (status == RLT_OK && report.json) {
        status = print_json(&samples, list, method, err);
    } else if (status == RLT_OK) {
        print_table(&report, &samples, list, method);
    }
    rlt_free(list);
    rlt_samples_close(&samples);
    rlt_report_close(&report);
    return status;
}
