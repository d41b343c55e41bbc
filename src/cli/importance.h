/* cli, reporting: importance of parameters, for the table and for the plot. Thread: main only. */
#ifndef RLT_CLI_IMPORTANCE_H
#define RLT_CLI_IMPORTANCE_H
#include "cli/samples.h"

#define RLT_IMPORTANCE_OPTIONS                                                                     \
    {"--method", "ped_anova|fanova", "how importance is computed (default: ped_anova)"},           \
        {"--log-scale", NULL, "fanova: measure log parameters on their log scale"},                \
        {"--seed", "N", "fanova: the seed of the forest (default: 0)"}, RLT_SAMPLES_STOPPED_OPTION

/* By --method, --log-scale and --seed; *method: 0 PED-ANOVA, 1 fANOVA. out[param_count]. */
rlt_status rlt_importance_compute(const rlt_cli_args *args, const rlt_samples *samples,
                                  rlt_importance *out, int *method, rlt_err *err);
const char *rlt_importance_question(int method); /* what the numbers answer */
#endif
