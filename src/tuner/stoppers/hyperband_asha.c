/* tuner: Hyperband's brackets with asha's rule in each, so that nobody waits: Optuna's
 * HyperbandPruner. Bracket b has its rungs at grace * reduction^(b + k), and of all trials a share
 * in proportion to ceil(brackets reduction^s / (s + 1)), s = brackets - 1 - b. Which trial is in
 * which is Optuna's choice, the CRC-32 of "<experiment's name>_<number>", so that a study of the
 * same name allots the same.
 * Memory: 8 bytes per result. Thread: the tuner's. */
#include "tuner/stoppers/asha.h"
#include "tuner/stoppers/hyperband.h"

#include <stdio.h>

typedef struct hyperband_asha_state {
    rlt_asha asha;
    char name[RLT_NAME_MAX];
    int64_t sizes[RLT_ASHA_BRACKETS_MAX], total;
} hyperband_asha_state;

/* CRC-32 as in ISO 3309 and zlib (reflected polynomial 0xEDB88320). */
static uint32_t crc32_of(const char *text) {
    uint32_t crc = ~0u;
    for (; *text != 0; text++) {
        crc ^= (unsigned char)*text;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1));
        }
    }
    return ~crc;
}

static rlt_status hyperband_asha_init(void *state, const rlt_stopper_setup *setup, rlt_err *err) {
    hyperband_asha_state *at = state;
    int64_t max_steps, reduction = setup->config->hyperband.reduction;
    RLT_TRY(rlt_hyperband_check(setup, "hyperband_asha", &max_steps, err));
    snprintf(at->name, sizeof at->name, "%s", setup->name);
    int brackets = rlt_hyperband_brackets(setup->config->hyperband.grace, reduction, max_steps,
                                          RLT_ASHA_BRACKETS_MAX);
    at->asha.bootstrap = setup->config->hyperband.bootstrap_count;
    rlt_asha_rungs(&at->asha, setup->config->hyperband.grace, reduction, max_steps);
    rlt_asha_brackets(&at->asha, brackets);
    for (int b = 0; b < brackets; b++) {
        at->sizes[b] = rlt_hyperband_size(brackets, reduction, brackets - 1 - b);
        at->total += at->sizes[b];
    }
    return RLT_OK;
}

static void hyperband_asha_fini(void *state) {
    rlt_asha_fini(&((hyperband_asha_state *)state)->asha);
}

static int hyperband_asha_bracket(const void *state, int64_t number) {
    const hyperband_asha_state *at = state;
    char text[RLT_NAME_MAX + 24];
    snprintf(text, sizeof text, "%s_%lld", at->name, (long long)number);
    int64_t n = (int64_t)crc32_of(text) % at->total;
    int b = 0;
    while (n >= at->sizes[b]) {
        n -= at->sizes[b++];
    }
    return b;
}

static int64_t hyperband_asha_index(const void *state, int64_t number, int64_t step) {
    const hyperband_asha_state *at = state;
    return rlt_asha_index(&at->asha, hyperband_asha_bracket(state, number), step);
}

static int64_t hyperband_asha_step(const void *state, int64_t number, int64_t index) {
    const hyperband_asha_state *at = state;
    return rlt_asha_step(&at->asha, hyperband_asha_bracket(state, number), index);
}

static void hyperband_asha_judge(void *state, const rlt_stopper_report *report,
                                 rlt_verdict *verdict) {
    hyperband_asha_state *at = state;
    rlt_asha_judge(&at->asha, hyperband_asha_bracket(state, report->number), report, verdict);
}

static void hyperband_asha_explain(const void *state, const rlt_decision *decision,
                                   const char *metric, bool maximise, char *text, size_t size) {
    const hyperband_asha_state *at = state;
    rlt_asha_explain(&at->asha, decision, metric, maximise, text, size);
}

const rlt_stopper_def rlt_stopper_hyperband_asha = {
    .state_size = sizeof(hyperband_asha_state),
    .init = hyperband_asha_init,
    .fini = hyperband_asha_fini,
    .index = hyperband_asha_index,
    .step = hyperband_asha_step,
    .judge = hyperband_asha_judge,
    .bracket = hyperband_asha_bracket,
    .explain = hyperband_asha_explain,
    .names = {"kept"},
};
