/* learner: the series that a training reports. Thread: any, no state. */
#include "learner/learner_process.h"

#include <math.h>
#include <string.h>

int rlt_series_now(const rlt_train_stats *s, const rlt_train_figures *figures,
                   const rlt_evaluation *evaluation, double steps_per_s,
                   rlt_series out[RLT_SERIES_MAX]) {
    const rlt_series all[] = {
        {"mean_return", s->mean_return},
        {"mean_length", s->mean_length},
        {"episodes", figures->acts ? (double)s->episodes : NAN},
        {"policy_loss", s->policy_loss},
        {"value_loss", s->value_loss},
        {"entropy", s->entropy},
        {"approx_kl", s->approx_kl},
        {"clip_fraction", s->clip_fraction},
        {"grad_norm", s->grad_norm},
        {"explained_variance", s->explained_variance},
        {"lr", s->lr},
        {"staleness", s->staleness},
        {"steps_per_s", steps_per_s},
        {"valid_loss", figures->valid_loss},
        {"valid_accuracy", figures->valid_accuracy},
        {"eval_return", evaluation != NULL ? evaluation->mean : NAN},
        {"eval_std", evaluation != NULL ? evaluation->std : NAN},
    };
    _Static_assert(RLT_COUNT(all) <= RLT_SERIES_MAX, "room for every series");
    int count = 0;
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        if (!isnan(all[i].value)) {
            out[count++] = all[i];
        }
    }
    return count;
}

double rlt_series_find(const rlt_series *all, int count, const char *name) {
    for (int i = 0; i < count; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return all[i].value;
        }
    }
    return NAN;
}
