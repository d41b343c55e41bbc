/* cpu, advantage: what a step was worth: GAE and V-trace, backwards in time. Thread: any. */
#include "nn/cpu/cpu.h"

#include <math.h>

void rlt_cpu_gae(rlt_device *device, const rlt_gae_args *args) {
    (void)device;
    rlt_nn_kernels_get()->gae(&args->in, args->advantage, args->ret);
}

/* Espeholt et al. 2018, remark 1: v_t - V_t = rho_t (r_t + gamma V_{t+1} - V_t) + gamma c_t
 * (v_{t+1} - V_{t+1}), the last factor being 0 at an end; and the advantage of section 4.2. */
void rlt_cpu_vtrace(rlt_device *device, const rlt_vtrace_args *args) {
    (void)device;
    const rlt_gae_in *in = &args->in;
    size_t envs = (size_t)in->envs;
    for (int t = in->horizon - 1; t >= 0; t--) {
        for (size_t at = (size_t)t * envs; at < ((size_t)t + 1) * envs; at++) {
            bool end = in->terminated[at] || in->truncated[at];
            float next = in->terminated[at]  ? 0
                         : in->truncated[at] ? in->final_value[at]
                                             : in->value[at + envs];
            float beyond = end || t + 1 == in->horizon ? 0 : args->target[at + envs] - next;
            float ratio = expf(args->log_ratio[at]);
            float rho = ratio > args->rho_max ? args->rho_max : ratio;
            float c = in->lambda * (ratio > args->c_max ? args->c_max : ratio);
            float delta = rho * (in->reward[at] + in->gamma * next - in->value[at]);
            args->target[at] = in->value[at] + (delta + in->gamma * c * beyond);
            args->advantage[at] = delta + rho * in->gamma * beyond;
        }
    }
}
