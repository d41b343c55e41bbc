/* core: counter-based random numbers, Philox4x32-10 (core/philox.h).
 * Why: a draw is a pure function of (seed, stream, substream, index), so results do not depend
 * on the number of workers and a checkpoint holds one integer.
 * Layout: key = seed (low, high); counter = block (low, high), stream, substream.
 * Threads: reentrant; one rlt_rng per thread. Owner: the caller. */
#include "core/core.h"
#include "core/philox.h"

#include <math.h>

rlt_rng rlt_rng_make(uint64_t seed, uint32_t stream, uint32_t substream) {
    return (rlt_rng){.seed = seed, .stream = stream, .substream = substream, .index = 0};
}

void rlt_rng_block(uint64_t seed, uint32_t stream, uint32_t substream, uint64_t block,
                   uint32_t out[4]) {
    rlt_philox(seed, stream, substream, block, out);
}

uint32_t rlt_rng_u32(rlt_rng *rng) {
    uint32_t words[4];
    rlt_rng_block(rng->seed, rng->stream, rng->substream, rng->index / 4, words);
    return words[rng->index++ % 4];
}

/* Two consecutive words, low first; one block where both lie in it. */
uint64_t rlt_rng_u64(rlt_rng *rng) {
    if (rng->index % 4 == 3) {
        uint64_t low = rlt_rng_u32(rng);
        return low | (uint64_t)rlt_rng_u32(rng) << 32;
    }
    uint32_t words[4];
    rlt_rng_block(rng->seed, rng->stream, rng->substream, rng->index / 4, words);
    uint64_t i = rng->index % 4;
    rng->index += 2;
    return words[i] | (uint64_t)words[i + 1] << 32;
}

/* Two words make a double; the words of a block are made together. */
void rlt_rng_fill_f64(rlt_rng *rng, double *out, size_t count) {
    while (count > 0 && rng->index % 4 != 0) {
        *out++ = rlt_rng_f64(rng);
        count--;
    }
    for (; count >= 2; count -= 2, out += 2, rng->index += 4) {
        uint32_t w[4];
        rlt_rng_block(rng->seed, rng->stream, rng->substream, rng->index / 4, w);
        out[0] = (double)((w[0] | (uint64_t)w[1] << 32) >> 11) * 0x1p-53;
        out[1] = (double)((w[2] | (uint64_t)w[3] << 32) >> 11) * 0x1p-53;
    }
    if (count > 0) {
        *out = rlt_rng_f64(rng);
    }
}

float rlt_rng_f32(rlt_rng *rng) {
    return (float)(rlt_rng_u32(rng) >> 8) * 0x1p-24f;
}

double rlt_rng_f64(rlt_rng *rng) {
    return (double)(rlt_rng_u64(rng) >> 11) * 0x1p-53;
}

float rlt_rng_uniform(rlt_rng *rng, float low, float high) {
    float x = low + (high - low) * rlt_rng_f32(rng);
    return x < high ? x : nextafterf(high, low); /* the sum may round up to high */
}

/* Box-Muller's cosine half: sqrt(-2 ln u) cos(2 pi v), with u in (0, 1]. */
double rlt_rng_normal(rlt_rng *rng) {
    double u = 1.0 - rlt_rng_f64(rng);
    double v = rlt_rng_f64(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

/* Lemire, "Fast random integer generation in an interval", 2019. */
uint32_t rlt_rng_below(rlt_rng *rng, uint32_t bound) {
    RLT_ASSERT(bound > 0);
    uint64_t product = (uint64_t)rlt_rng_u32(rng) * bound;
    if ((uint32_t)product < bound) {
        uint32_t threshold = -bound % bound;
        while ((uint32_t)product < threshold) {
            product = (uint64_t)rlt_rng_u32(rng) * bound;
        }
    }
    return (uint32_t)(product >> 32);
}

/* FNV-1a, then the finaliser of MurmurHash3 (fmix64). */
uint64_t rlt_hash64(const void *data, size_t size, uint64_t seed) {
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u ^ seed;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    }
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53u;
    return hash ^ hash >> 33;
}
