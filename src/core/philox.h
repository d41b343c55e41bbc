/* core, philox: Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", SC'11. Why a header: C, CUDA kernels and the emulation of these
 * compile the same lines, so a draw has the same bits everywhere. Threads: a pure function. */
#ifndef RLT_PHILOX_H
#define RLT_PHILOX_H
#include <stdint.h>

#ifdef __CUDACC__
#define RLT_PHILOX_FN static __host__ __device__ __forceinline__
#else
#define RLT_PHILOX_FN static inline __attribute__((always_inline))
#endif

/* out[4] of the key (seed) and the counter (block, stream, substream); as rlt_rng_block. */
RLT_PHILOX_FN void rlt_philox(uint64_t seed, uint32_t stream, uint32_t substream, uint64_t block,
                              uint32_t *out) {
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = stream, c3 = substream;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
#ifndef __CUDACC__ /* nvcc unrolls it unasked, and its two passes want two pragmas */
#pragma GCC unroll 10
#endif
    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)0xD2511F53u * c0, q = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(q >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)q;
        c2 = (uint32_t)(p >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p;
        k0 += 0x9E3779B9u; /* the golden ratio, and sqrt(3) - 1, in 32 bits */
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}
#endif
