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
    int64_t capacity[3] = {history->capacity, history->capacity, history->capacity};
    int64_t needed = history->capacity > 0 ? history->count + 1 : 64;
    size_t row = sizeof(rlt_value) * (size_t)history->dimensions;
    history->values = rlt_tuner_grow(history->values, &history->capacity, needed, row);
    history->keys = rlt_tuner_grow(history->keys, &capacity[0], needed, sizeof(double));
    history->steps = rlt_tuner_grow(history->steps, &capacity[1], needed, sizeof(int64_t));
    history->states = rlt_tuner_grow(history->states, &capacity[2], needed, 1);
}

void rlt_history_start(rlt_history *history, const rlt_value *values) {
    reserve(history);
    int64_t number = history->count++;
    size_t row = sizeof(rlt_value) * (size_t)history->dimensions;
    if (row > 0) {
        memcpy(history->values + number * history->dimensions, values, row);
    }
    history->keys[number] = NAN;
    history->steps[number] = 0;
    history->states[number] = RLT_TRIAL_RUNNING;
}

void rlt_history_end(rlt_history *history, int64_t number, rlt_trial_state state, double key,
                     int64_t steps) {
    RLT_ASSERT(number >= 0 && number < history->count);
    history->keys[number] = state == RLT_TRIAL_FAILED ? NAN : key;
    history->steps[number] = steps;
    history->states[number] = (uint8_t)state;
}

void rlt_history_fini(rlt_history *history) {
    rlt_free(history->values);
    rlt_free(history->keys);
    rlt_free(history->steps);
    rlt_free(history->states);
    *history = (rlt_history){0};
}
