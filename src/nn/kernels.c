/* kernels: which form runs. Chosen once, by the processor's features; tests may force one.
 * Thread: any; forcing is for one thread while no other computes. */
#include "nn/kernels_bf16.h"

#include <stdatomic.h>

static _Atomic(const rlt_nn_kernels *) chosen;

#if defined(__x86_64__)
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

static const rlt_nn_kernels *form_kernels(rlt_nn_form form) {
#if defined(__x86_64__)
    if (has_avx512() && (form == RLT_NN_AVX512 || form == RLT_NN_BEST)) {
        return &rlt_nn_kernels_avx512;
    }
    if (has_avx2() && (form == RLT_NN_AVX2 || form == RLT_NN_BEST)) {
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

const rlt_nn_bf16_kernels *rlt_nn_bf16_get(void) {
#if defined(__x86_64__)
    if (has_avx512() && __builtin_cpu_supports("avx512bf16")) {
        return &rlt_nn_bf16_avx512;
    }
#endif
    return NULL;
}
