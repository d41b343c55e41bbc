/* tuner: what samplers learn from: values and ends of all trials, by number.
 * Why apart from the trials' records: samplers that learn nothing need none of it.
 * Thread: the tuner's. Owner: the tuner. */
#include "tuner/tuner_impl.h"

#include <math.h>
#include <string.h>

static void reserve(rlt_history *history) {
    if (history->count < history->capacity) {
        return;
    }
    const int64_t had = history->capacity;
    int64_t needed = had > 0 ? history->count + 1 : 64;
    struct {
        void **array;
        size_t row;
    } all[] = {
        {(void **)&history->values, sizeof(rlt_value) * (size_t)history->dimensions},
        {(void **)&history->keys, sizeof(double) * (size_t)history->objectives},
        {(void **)&history->limits, sizeof(double) * (size_t)history->constraints},
        {(void **)&history->violations, sizeof(double)},
        {(void **)&history->steps, sizeof(int64_t)},
        {(void **)&history->states, 1},
        {(void **)&history->taken, sizeof(int32_t) * (size_t)history->dimensions},
    };
    const size_t arrays = RLT_COUNT(all) - (history->branching ? 0 : 1);
    for (size_t i = 0; i < arrays; i++) {
        history->capacity = had;
        *all[i].array = rlt_tuner_grow(*all[i].array, &history->capacity, needed, all[i].row);
    }
}

void rlt_history_start(rlt_history *history, const rlt_value *values) {
    reserve(history);
    int64_t number = history->count++;
    size_t row = sizeof(rlt_value) * (size_t)history->dimensions;
    if (row > 0) {
        memcpy(history->values + number * history->dimensions, values, row);
    }
    for (int i = 0; i < history->objectives; i++) {
        history->keys[number * history->objectives + i] = NAN;
    }
    for (int i = 0; i < history->constraints; i++) {
        history->limits[number * history->constraints + i] = NAN;
    }
    history->violations[number] = 0;
    history->steps[number] = 0;
    history->states[number] = RLT_TRIAL_RUNNING;
    for (int i = 0; i < history->dimensions && history->branching; i++) {
        history->taken[number * history->dimensions + i] = -1;
    }
}

void rlt_history_end(rlt_history *history, int64_t number, rlt_trial_state state,
                     const double *keys, const double *limits, int64_t steps) {
    RLT_ASSERT(number >= 0 && number < history->count);
    double violation = 0;
    for (int i = 0; i < history->objectives; i++) {
        history->keys[number * history->objectives + i] = state == RLT_TRIAL_FAILED ? NAN : keys[i];
    }
    for (int i = 0; i < history->constraints; i++) {
        history->limits[number * history->constraints + i] = limits[i];
        violation += isnan(limits[i]) ? INFINITY : fmax(0, limits[i]);
    }
    history->violations[number] = violation;
    history->steps[number] = steps;
    history->states[number] = (uint8_t)state;
}

/* 0: completed, 1: stopped, 2: not feasible. */
static int class_of(const rlt_history *history, int64_t number) {
    return history->violations[number] > 0                ? 2
           : history->states[number] == RLT_TRIAL_STOPPED ? 1
                                                          : 0;
}

static bool key_before(double a, double b) {
    return isnan(b) ? !isnan(a) : a > b;
}

int rlt_history_compare(const rlt_history *history, int64_t a, int64_t b) {
    int class_a = class_of(history, a), class_b = class_of(history, b);
    if (class_a != class_b) {
        return class_a < class_b ? -1 : 1;
    }
    if (class_a == 2) {
        double more_a = history->violations[a], more_b = history->violations[b];
        return (more_a > more_b) - (more_a < more_b);
    }
    if (class_a == 1 && history->steps[a] != history->steps[b]) {
        return history->steps[a] > history->steps[b] ? -1 : 1;
    }
    double key_a = history->keys[a * history->objectives];
    double key_b = history->keys[b * history->objectives];
    return key_before(key_b, key_a) - key_before(key_a, key_b);
}

bool rlt_history_before(const rlt_history *history, int64_t a, int64_t b) {
    int order = rlt_history_compare(history, a, b);
    return order != 0 ? order < 0 : a < b;
}

void rlt_history_point(const rlt_history *history, int64_t number, double *keys) {
    for (int i = 0; i < history->objectives; i++) {
        double key = history->keys[number * history->objectives + i];
        keys[i] = isnan(key) ? -INFINITY : key;
    }
}

void rlt_history_fini(rlt_history *history) {
    rlt_free(history->values);
    rlt_free(history->keys);
    rlt_free(history->limits);
    rlt_free(history->violations);
    rlt_free(history->steps);
    rlt_free(history->states);
    rlt_branches_fini(history);
    *history = (rlt_history){0};
}
