/* ppo: which rows make up a minibatch, and their copies. Thread: any; no state. */
#include "algos/ppo/ppo_impl.h"

#include <math.h>
#include <string.h>

/* The words of one stream in order, a block of four at a time. */
typedef struct word_stream {
    uint64_t seed, block;
    uint32_t substream, words[4];
    int used;
} word_stream;

static uint32_t next_word(word_stream *s) {
    if (s->used == 4) {
        rlt_rng_block(s->seed, RLT_STREAM_SHUFFLE, s->substream, s->block++, s->words);
        s->used = 0;
    }
    return s->words[s->used++];
}

/* As rlt_rng_below: Lemire, "Fast random integer generation in an interval", 2019. */
static uint32_t next_below(word_stream *s, uint32_t bound) {
    uint64_t product = (uint64_t)next_word(s) * bound;
    if ((uint32_t)product < bound) {
        uint32_t threshold = -bound % bound;
        while ((uint32_t)product < threshold) {
            product = (uint64_t)next_word(s) * bound;
        }
    }
    return (uint32_t)(product >> 32);
}

/* Fisher-Yates, inside out. An iteration has 2^32 words of the epoch's stream to itself. */
void rlt_ppo_shuffle(uint64_t seed, int64_t iteration, int64_t epoch, uint32_t count,
                     uint32_t *order) {
    word_stream s = {seed, (uint64_t)iteration << 30, (uint32_t)epoch, {0}, 4};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = next_below(&s, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

rlt_ppo_moments rlt_ppo_measure(const float *advantage, const rlt_ppo_minibatch *minibatch) {
    double n = (double)(minibatch->n * minibatch->steps), sum = 0, squares = 0;
    if (n < 2) {
        return (rlt_ppo_moments){0, 1};
    }
    for (int64_t t = 0; t < minibatch->steps; t++) {
        const float *row = advantage + t * minibatch->sequences;
        for (int64_t i = 0; i < minibatch->n; i++) {
            double x = (double)row[minibatch->order[i]];
            sum += x;
            squares += x * x;
        }
    }
    double mean = sum / n, variance = (squares - sum * mean) / (n - 1);
    return (rlt_ppo_moments){(float)mean, (float)(1 / (sqrt(fmax(variance, 0)) + 1e-8))};
}

/* Rows of `words` 4-byte words; for the few words of a row a loop is faster than memcpy's call. */
static void gather_rows(void *restrict to, const void *restrict from, const uint32_t *order,
                        size_t n, size_t words) {
    uint32_t *restrict out = to;
    const uint32_t *restrict in = from;
    if (words > 32) {
        for (size_t i = 0; i < n; i++) {
            memcpy(out + i * words, in + order[i] * words, 4 * words);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t *row = in + order[i] * words;
        for (size_t k = 0; k < words; k++) {
            *out++ = row[k];
        }
    }
}

/* One step of the chosen sequences: a row each. `to`: the first row written. */
static void gather_step(const rlt_policy_spec *spec, const rlt_ppo_minibatch *minibatch,
                        const uint32_t *order, size_t count, size_t step, rlt_ppo_shard *shard) {
    const rlt_ppo_rows *from = minibatch->rows;
    size_t first = step * (size_t)minibatch->sequences, to = step * count;
    size_t words = rlt_policy_action_bytes(spec) / 4, width = (size_t)spec->obs_dim;
    gather_rows(shard->obs + to * width, from->obs + first * width, order, count, width);
    gather_rows(shard->action + to * 4 * words,
                (const unsigned char *)from->action + first * 4 * words, order, count, words);
    float mean = minibatch->moments.mean, scale = minibatch->moments.scale;
    for (size_t i = 0; i < count; i++) {
        size_t r = first + order[i];
        shard->log_prob[to + i] = from->log_prob[r];
        shard->value[to + i] = from->value[r];
        shard->advantage[to + i] = (from->advantage[r] - mean) * scale;
        shard->ret[to + i] = from->ret[r];
    }
    size_t logits = (size_t)spec->action_dim;
    for (size_t i = 0; shard->mask != NULL && i < count; i++) {
        memcpy(shard->mask + (to + i) * logits, from->mask + (first + order[i]) * logits, logits);
    }
    for (size_t i = 0; minibatch->steps > 1 && i < count; i++) {
        shard->reset[to + i] = from->reset[first + order[i]];
    }
}

void rlt_ppo_gather(const rlt_policy_spec *spec, const rlt_ppo_minibatch *minibatch, int64_t first,
                    int64_t n, rlt_ppo_shard *shard) {
    const uint32_t *order = minibatch->order + first;
    for (int64_t step = 0; step < minibatch->steps; step++) {
        gather_step(spec, minibatch, order, (size_t)n, (size_t)step, shard);
    }
    if (minibatch->steps > 1) {
        gather_rows(shard->memory, minibatch->rows->memory, order, (size_t)n,
                    (size_t)rlt_policy_state_width(spec));
    }
}
