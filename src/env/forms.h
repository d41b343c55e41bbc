/* forms: the compile targets of the vector forms (rlt_env_form), and no more of a CPU than
 * rlt_vec_env_set_form checks for. Thread: nothing to share. */
#ifndef RLT_ENV_FORMS_H
#define RLT_ENV_FORMS_H

#if !defined(__x86_64__)
#define RLT_TARGET_AVX2
#define RLT_TARGET_AVX512
#elif defined(__clang__)
#define RLT_TARGET_AVX2 __attribute__((target("avx2")))
#define RLT_TARGET_AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq")))
#else
#define RLT_TARGET_AVX2 __attribute__((target("avx2")))
#define RLT_TARGET_AVX512                                                                          \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,prefer-vector-width=512")))
#endif
#endif
