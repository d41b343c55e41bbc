/* kernels: which form runs. Chosen once, by the processor's features; tests may force one.
 * Thread: any; forcing is for one thread while no other computes. */
#include "nn/kernels.h"

#include <stdatomic.h>

static _Atomic(const rlt_nn_kernels *) chosen;

static const rlt_nn_kernels *form_kernels(rlt_nn_form form) {
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512 && (form == RLT_NN_AVX512 || form == RLT_NN_BEST)) {
        return &rlt_nn_kernels_avx512;
    }
    if (avx2 && (form == RLT_NN_AVX2 || form == RLT_NN_BEST)) {
        return &rlt_nn_kernels_avx2;
    }
#endif
    return form == RLT_NN_PLAIN || form == RLT_NN_BEST ? &rlt_nn_kernels_plain : NULL;
}

const rlt_nn_kernels *rlt_nn_kernels_get(void) {
    const rlt_nn_kernels *kernels = atomic_load_explicit(&chosen, memory_order_acquire);
    if (kernels == NULL) { /* threads that race here choose the same */
        kernels = form_kernels(RLT_NN_BEST);
        atomic_store_explicit(&chosen, kernels, memory_order_release);
    }
    return kernels;
}

bool rlt_nn_force_form(rlt_nn_form form) {
    const rlt_nn_kernels *kernels = form_kernels(form);
    if (kernels != NULL) {
        atomic_store_explicit(&chosen, kernels, memory_order_release);
    }
    return kernels != NULL;
}

const char *rlt_nn_form_name(void) {
    return rlt_nn_kernels_get()->name;
}
