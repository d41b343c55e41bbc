/* tuner: a random permutation of 0 .. n - 1 that needs no memory.
 * Why: the n-th point of a shuffled design is a pure function of (seed, n), for any n. A Feistel
 * network over the next power of 4, walked until it falls within n (Black and Rogaway, "Ciphers
 * with arbitrary finite domains", CT-RSA 2002). Thread: any, no state. */
#include "tuner/tuner_impl.h"

enum { ROUNDS = 8 };

static int half_bits(uint64_t n) {
    int bits = n <= 1 ? 0 : 64 - __builtin_clzll(n - 1);
    return bits < 2 ? 1 : (bits + 1) / 2;
}

static uint64_t round_of(uint64_t half, uint64_t key, int round, uint64_t mask) {
    uint64_t words[2] = {half, (uint64_t)round};
    return rlt_hash64(words, sizeof words, key) & mask;
}

int64_t rlt_shuffle(int64_t n, int64_t index, uint64_t key) {
    RLT_ASSERT(index >= 0 && index < n && n <= INT64_MAX / 2);
    const int bits = half_bits((uint64_t)n);
    const uint64_t mask = (1ull << bits) - 1;
    uint64_t at = (uint64_t)index;
    do {
        uint64_t left = at >> bits, right = at & mask;
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t next = left ^ round_of(right, key, round, mask);
            left = right;
            right = next;
        }
        at = left << bits | right;
    } while (at >= (uint64_t)n);
    return (int64_t)at;
}

int64_t rlt_unshuffle(int64_t n, int64_t place, uint64_t key) {
    RLT_ASSERT(place >= 0 && place < n && n <= INT64_MAX / 2);
    const int bits = half_bits((uint64_t)n);
    const uint64_t mask = (1ull << bits) - 1;
    uint64_t at = (uint64_t)place;
    do {
        uint64_t left = at >> bits, right = at & mask;
        for (int round = ROUNDS - 1; round >= 0; round--) {
            uint64_t before = right ^ round_of(left, key, round, mask);
            right = left;
            left = before;
        }
        at = left << bits | right;
    } while (at >= (uint64_t)n);
    return (int64_t)at;
}
