/* batch: where each column of a segment lies, and whether a foreign one can be believed.
 * Threads: any. Owner: the block's. */
#include "batch/batch.h"

#include <string.h>

enum { ALIGN = 64 };
static const uint64_t segment_magic = 0x31474553544c52; /* "RLTSEG1" */
static const size_t segment_bytes_max = (size_t)1 << 32;

enum {
    COL_HEADER,
    COL_OBS,
    COL_ACTION,
    COL_LOG_PROB,
    COL_VALUE,
    COL_REWARD,
    COL_FINAL_VALUE,
    COL_RETURN,
    COL_LENGTH,
    COL_TERMINATED,
    COL_TRUNCATED,
    COL_MASK,
    COL_NORM,
    COL_ENV_STATE,
    COL_MEMORY,
    COL_COUNT
};

static size_t memory_bytes(const rlt_batch_spec *spec) {
    return sizeof(float) * (size_t)spec->envs * (size_t)spec->memory_width;
}

/* Offsets of the columns; the last entry is the size of the whole. */
static void layout(const rlt_batch_spec *spec, size_t offset[COL_COUNT + 1]) {
    size_t n = (size_t)spec->envs, rows = n * (size_t)spec->horizon;
    size_t width = (size_t)spec->obs_width;
    const size_t bytes[COL_COUNT] = {
        [COL_HEADER] = sizeof(rlt_segment_header),
        [COL_OBS] = sizeof(float) * (rows + n) * width,
        [COL_ACTION] = rows * spec->action_bytes,
        [COL_LOG_PROB] = sizeof(float) * rows,
        [COL_VALUE] = sizeof(float) * (rows + n),
        [COL_REWARD] = sizeof(float) * rows,
        [COL_FINAL_VALUE] = sizeof(float) * rows,
        [COL_RETURN] = sizeof(float) * rows,
        [COL_LENGTH] = sizeof(int32_t) * rows,
        [COL_TERMINATED] = rows,
        [COL_TRUNCATED] = rows,
        [COL_MASK] = rows * (size_t)spec->mask_width,
        [COL_NORM] = 2 * sizeof(float) * width,
        [COL_ENV_STATE] = spec->env_state_bytes,
        [COL_MEMORY] = 2 * memory_bytes(spec),
    };
    offset[0] = 0;
    for (int i = 0; i < COL_COUNT; i++) {
        offset[i + 1] = offset[i] + (bytes[i] + ALIGN - 1) / ALIGN * ALIGN;
    }
}

size_t rlt_segment_size(const rlt_batch_spec *spec) {
    if (spec->horizon < 1 || spec->envs < 1 || spec->obs_width < 1 ||
        (int64_t)spec->horizon * spec->envs > 1 << 28 || spec->obs_width > 1 << 20 ||
        spec->action_bytes == 0 || spec->action_bytes > 1 << 20 ||
        spec->env_state_bytes > segment_bytes_max || spec->memory_width < 0 ||
        spec->memory_width > 1 << 24 || spec->mask_width < 0 || spec->mask_width > 1 << 16) {
        return 0;
    }
    size_t offset[COL_COUNT + 1];
    layout(spec, offset);
    return offset[COL_COUNT] <= segment_bytes_max ? offset[COL_COUNT] : 0;
}

void rlt_segment_bind(const rlt_batch_spec *spec, void *block, rlt_segment *segment) {
    RLT_ASSERT(block != NULL && (uintptr_t)block % ALIGN == 0);
    size_t offset[COL_COUNT + 1];
    layout(spec, offset);
    unsigned char *base = block;
    *segment = (rlt_segment){
        .header = block,
        .obs = (float *)(base + offset[COL_OBS]),
        .action = base + offset[COL_ACTION],
        .log_prob = (float *)(base + offset[COL_LOG_PROB]),
        .value = (float *)(base + offset[COL_VALUE]),
        .reward = (float *)(base + offset[COL_REWARD]),
        .final_value = (float *)(base + offset[COL_FINAL_VALUE]),
        .episode_return = (float *)(base + offset[COL_RETURN]),
        .episode_length = (int32_t *)(base + offset[COL_LENGTH]),
        .terminated = base + offset[COL_TERMINATED],
        .truncated = base + offset[COL_TRUNCATED],
        .mask = base + offset[COL_MASK],
        .norm = (float *)(base + offset[COL_NORM]),
        .env_state = base + offset[COL_ENV_STATE],
        .memory = (float *)(base + offset[COL_MEMORY]),
    };
}

static uint64_t spec_hash(const rlt_batch_spec *spec) {
    const uint64_t fields[] = {(uint64_t)spec->horizon,   (uint64_t)spec->envs,
                               (uint64_t)spec->obs_width, spec->action_bytes,
                               spec->env_state_bytes,     (uint64_t)spec->memory_width,
                               (uint64_t)spec->mask_width};
    return rlt_hash64(fields, sizeof(fields), segment_magic);
}

void rlt_segment_seal(const rlt_batch_spec *spec, rlt_segment *segment, uint32_t worker,
                      uint64_t index, uint64_t weights_version) {
    *segment->header = (rlt_segment_header){
        .magic = segment_magic,
        .spec_hash = spec_hash(spec),
        .worker = worker,
        .index = index,
        .weights_version = weights_version,
    };
}

static size_t row_bytes(const rlt_batch_spec *spec) {
    return sizeof(float) * (size_t)spec->envs * (size_t)spec->obs_width;
}

size_t rlt_segment_state_size(const rlt_batch_spec *spec) {
    return spec->env_state_bytes + row_bytes(spec) + memory_bytes(spec);
}

void rlt_segment_keep_state(const rlt_batch_spec *spec, const rlt_segment *segment, void *state) {
    size_t floats = (size_t)spec->horizon * (size_t)spec->envs * (size_t)spec->obs_width;
    memcpy(state, segment->env_state, spec->env_state_bytes);
    unsigned char *row = (unsigned char *)state + spec->env_state_bytes;
    memcpy(row, segment->obs + floats, row_bytes(spec));
    const float *after = segment->memory + (size_t)spec->envs * (size_t)spec->memory_width;
    memcpy(row + row_bytes(spec), after, memory_bytes(spec));
}

static bool flags_are_valid(const rlt_batch_spec *spec, const rlt_segment *segment) {
    size_t rows = (size_t)spec->envs * (size_t)spec->horizon;
    unsigned bad = 0;
    for (size_t i = 0; i < rows; i++) {
        bad |= segment->terminated[i] | segment->truncated[i];
        bad |= (unsigned)(segment->terminated[i] & segment->truncated[i]) << 1;
    }
    return bad <= 1;
}

static bool actions_are_valid(const rlt_batch_spec *spec, const rlt_segment *segment,
                              rlt_batch_actions actions) {
    size_t rows = (size_t)spec->envs * (size_t)spec->horizon, at = 0;
    const int32_t *action = (const int32_t *)segment->action;
    bool valid = true;
    for (size_t i = 0; i < rows; i++) {
        for (int c = 0; c < actions.components; c++) {
            valid &= (uint32_t)action[at++] < (uint32_t)actions.counts[c];
        }
    }
    return valid;
}

/* Masks of 0 and 1 that allow the actions, which are in range. */
static bool masks_are_valid(const rlt_batch_spec *spec, const rlt_segment *segment,
                            rlt_batch_actions actions) {
    size_t rows = (size_t)spec->envs * (size_t)spec->horizon, width = (size_t)spec->mask_width;
    const int32_t *action = (const int32_t *)segment->action;
    const uint8_t *mask = segment->mask;
    unsigned bits = 0;
    bool valid = true;
    for (size_t i = 0; i < rows * width; i++) {
        bits |= mask[i];
    }
    for (size_t i = 0; i < rows; i++) {
        for (int c = 0; c < actions.components; mask += actions.counts[c++]) {
            valid &= mask[*action++] != 0;
        }
    }
    return valid && bits <= 1;
}

rlt_status rlt_segment_check(const rlt_batch_spec *spec, const rlt_segment *segment, size_t size,
                             uint32_t worker, uint64_t index, rlt_batch_actions actions,
                             rlt_err *err) {
    if (size != rlt_segment_size(spec)) {
        return rlt_fail(err, RLT_EPROTO, "worker %u: a segment of %zu bytes, expected %zu", worker,
                        size, rlt_segment_size(spec));
    }
    const rlt_segment_header *h = segment->header;
    if (h->magic != segment_magic || h->spec_hash != spec_hash(spec)) {
        return rlt_fail(err, RLT_EPROTO, "worker %u: the segment has another layout", worker);
    }
    if (h->worker != worker || h->index != index) {
        return rlt_fail(err, RLT_EPROTO,
                        "worker %u: segment %llu of worker %u came, segment %llu was due", worker,
                        (unsigned long long)h->index, h->worker, (unsigned long long)index);
    }
    if (!flags_are_valid(spec, segment) || !actions_are_valid(spec, segment, actions)) {
        return rlt_fail(err, RLT_EPROTO,
                        "worker %u: segment %llu has flags or actions out of range", worker,
                        (unsigned long long)index);
    }
    if (spec->mask_width > 0 && !masks_are_valid(spec, segment, actions)) {
        return rlt_fail(err, RLT_EPROTO,
                        "worker %u: segment %llu has actions that its masks forbid", worker,
                        (unsigned long long)index);
    }
    return RLT_OK;
}
