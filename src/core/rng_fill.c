/* core: many blocks of Philox4x32-10 at once. Why: random actions for
 * thousands of environments, at a few cycles each. The loop over blocks is vectorised by the
 * compiler for each vector unit; the words are those of rlt_rng_block in every form.
 * Threads: reentrant. */
#include "core/core.h"
#include "core/philox.h"

#include <string.h>

enum { LANES = 32 };

static inline __attribute__((always_inline)) void lanes_body(uint64_t seed, uint32_t stream,
                                                             uint32_t substream, uint64_t block,
                                                             uint32_t *restrict out) {
    for (int i = 0; i < LANES; i++) {
        rlt_philox(seed, stream, substream, block + (uint64_t)i, out + 4 * i);
    }
}

typedef void (*lanes_form)(uint64_t, uint32_t, uint32_t, uint64_t, uint32_t *restrict);

static void lanes_plain(uint64_t seed, uint32_t stream, uint32_t substream, uint64_t block,
                        uint32_t *restrict out) {
    lanes_body(seed, stream, substream, block, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void lanes_avx2(uint64_t seed, uint32_t stream,
                                                       uint32_t substream, uint64_t block,
                                                       uint32_t *restrict out) {
    lanes_body(seed, stream, substream, block, out);
}

#if defined(__clang__)
#define TARGET_AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq")))
#else
#define TARGET_AVX512                                                                              \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,prefer-vector-width=512")))
#endif
TARGET_AVX512 static void lanes_avx512(uint64_t seed, uint32_t stream, uint32_t substream,
                                       uint64_t block, uint32_t *restrict out) {
    lanes_body(seed, stream, substream, block, out);
}

static lanes_form best_form(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
        return lanes_avx512;
    }
    return __builtin_cpu_supports("avx2") ? lanes_avx2 : lanes_plain;
}
#else
static lanes_form best_form(void) {
    return lanes_plain;
}
#endif

void rlt_rng_fill_u32(uint64_t seed, uint32_t stream, uint32_t substream, uint64_t block,
                      uint32_t *out, size_t count) {
    lanes_form form = best_form();
    for (; count >= 4 * LANES; count -= 4 * LANES, out += 4 * LANES, block += LANES) {
        form(seed, stream, substream, block, out);
    }
    if (count > 0) {
        uint32_t rest[4 * LANES];
        form(seed, stream, substream, block, rest);
        memcpy(out, rest, sizeof(uint32_t) * count);
    }
}
