/* cli, reporting: two experiments or trials side by side: what is compared, the numbers, how they
 * are printed. Thread: main only. Owner: rlt_cli_compare. */
#ifndef RLT_CLI_COMPARE_H
#define RLT_CLI_COMPARE_H
#include "cli/samples.h"

typedef enum {
    RLT_OF_FINALS,
    RLT_OF_BEST,
    RLT_OF_SEARCH,
    RLT_OF_SEEDS,
    RLT_OF_EPISODES
} rlt_replicates;
typedef struct rlt_side {
    rlt_report report;
    const char *word;              /* as given */
    const rlt_report_trial *trial; /* NULL: the experiment */
    char label[160];
    double *values;
    int count;
    char *config;        /* of a run that is compared, or of the search; owned */
    rlt_moments moments; /* of the values, or of the episodes */
    rlt_estimate iqm;
} rlt_side;
typedef struct rlt_comparison {
    rlt_cli_args args;
    rlt_store *store;
    rlt_side sides[2];
    rlt_replicates of;
    char metric[RLT_NAME_MAX];
    bool maximise;
    rlt_estimate improvement;
    rlt_rank_test ranks;
    rlt_welch welch;
} rlt_comparison;

void rlt_comparison_print(const rlt_comparison *comparison);
/* [{field, a, b}]: where the configurations differ, but for the name; a new reference. */
json_t *rlt_comparison_differences(const rlt_comparison *comparison);
void rlt_comparison_print_differences(const rlt_comparison *comparison);
rlt_status rlt_comparison_print_json(const rlt_comparison *comparison, rlt_err *err);
#endif
