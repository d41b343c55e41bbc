/* cpu, step: the end of a minibatch: is all finite, has the policy moved too far, then clipping and
 * the optimiser. The order of the checks is fns.h's, and algos/ppo/ppo.c's. Thread: any. */
#include "nn/cpu/cpu.h"

#include <math.h>
#include <string.h>

/* The sums and rows of the minibatch; the reason to stop, 0 if there is none. */
static uint32_t add_sums(const rlt_step_args *a) {
    rlt_update_state *u = a->update;
    for (uint32_t term = 0; term < RLT_SUM_COUNT; term++) {
        if (!isfinite(u->current[term])) {
            return 2 + term;
        }
    }
    for (int term = 0; term < RLT_SUM_COUNT; term++) {
        u->sums[term] += u->current[term];
    }
    u->rows_seen += a->rows;
    double kl = u->current[RLT_SUM_KL] / (double)a->rows;
    /* the rule of Stable-Baselines3 (ppo.py): before the step, at 1.5 times the target */
    return a->target_kl > 0 && kl > 1.5 * (double)a->target_kl;
}

void rlt_cpu_step(rlt_device *device, const rlt_step_args *a) {
    (void)device;
    rlt_update_state *u = a->update;
    if (u->stopped == 0) {
        u->stopped = add_sums(a);
    }
    double norm = u->stopped == 0 ? sqrt(rlt_grad_squares(a->grad, a->count)) : 0;
    if (!isfinite(norm)) {
        u->stopped = 2 + RLT_SUM_COUNT;
    }
    if (u->stopped == 0) {
        double scale = (double)a->norm_max / (norm + 1e-6); /* as torch's clip_grad_norm_ */
        u->step++;
        rlt_optimiser_step(a->optimiser, a->params, a->grad, a->m, a->v, a->count, u->lr,
                           a->norm_max > 0 && scale < 1 ? (float)scale : 1, u->step);
        u->norm_sum += norm;
        u->steps_done++;
        u->minibatch++;
    }
    memset(a->grad, 0, sizeof(float) * a->count);
}
