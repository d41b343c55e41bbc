/* eval: episodes of a trained policy, with statistics. Thread: main only. */
#include "cli/model.h"
#include "cli/report.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const rlt_cli_option rlt_cli_eval_options[] = {
    {"--episodes", "N", "fresh episodes, run side by side (default 100)"},
    {"--seed", "N", "of the environments (default 1)"},
    RLT_CLI_JSON_OPTION,
    RLT_CLI_DB_OPTION,
    {0},
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Interquartile mean: of the middle half (Agarwal et al. 2021). */
static double interquartile_mean(double *sorted, int n) {
    int cut = n / 4;
    double sum = 0;
    for (int i = cut; i < n - cut; i++) {
        sum += sorted[i];
    }
    return sum / (n - 2 * cut);
}

static void print_text(const rlt_model *m, const rlt_evaluation *e, double median, double iqm) {
    printf("%s on %s, trained for %lld steps\n", m->path, m->env.def->name, (long long)m->steps);
    printf("episodes %d  mean %.6g  std %.4g  median %.6g  iqm %.6g  min %.6g  max %.6g  length "
           "%.1f\n",
           e->episodes, e->mean, e->std, median, iqm, e->min, e->max, e->mean_length);
    float threshold = m->env.def->reward_threshold;
    if (!isnan(threshold)) {
        printf("reward threshold %g: %s\n", (double)threshold,
               e->mean >= (double)threshold ? "reached" : "not reached");
    }
}

static void print_json(const rlt_model *m, const rlt_evaluation *e, double median, double iqm) {
    json_t *json =
        json_pack("{s:s, s:s, s:I, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "model", m->path,
                  "env", m->env.def->name, "steps", (json_int_t)m->steps, "episodes", e->episodes,
                  "mean", e->mean, "std", e->std, "median", median, "iqm", iqm, "min", e->min,
                  "max", e->max, "mean_length", e->mean_length);
    json_dumpf(json, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(json);
}

rlt_status rlt_cli_eval(int argc, char **argv, rlt_err *err) {
    rlt_cli_args args;
    rlt_model model;
    rlt_evaluation result;
    int64_t episodes = 100, seed = 1;
    RLT_TRY(rlt_cli_parse("eval", 1, 1, argc, argv, &args, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--episodes", 1, 1 << 20, &episodes, err));
    RLT_TRY(rlt_cli_option_integer(&args, "--seed", 0, INT64_MAX, &seed, err));
    RLT_TRY(rlt_model_open(args.words[0], &args, &model, err));
    double *returns = rlt_alloc(sizeof(double) * (size_t)episodes);
    rlt_status status = rlt_evaluate(&model.config, model.env.def, &model.weights, (int)episodes,
                                     (uint64_t)seed, &result, returns, err);
    if (status == RLT_OK) {
        int n = (int)episodes;
        qsort(returns, (size_t)n, sizeof(double), by_value);
        double median = 0.5 * (returns[n / 2] + returns[(n - 1) / 2]);
        double iqm = interquartile_mean(returns, n);
        if (rlt_cli_flag(&args, "--json")) {
            print_json(&model, &result, median, iqm);
        } else {
            print_text(&model, &result, median, iqm);
        }
    }
    rlt_free(returns);
    rlt_model_close(&model);
    return status;
}
