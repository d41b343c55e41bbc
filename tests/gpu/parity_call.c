/* See parity_call.h. */
#include "tests/gpu/parity_call.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static void *add(parity_results *out, const char *name, void *at, bool floats, size_t size) {
    RLT_ASSERT(out->count < PARITY_OUT_MAX);
    int i = out->count++;
    out->name[i] = name;
    out->at[i] = at;
    out->floats[i] = floats;
    out->size[i] = size;
    return at;
}

float *parity_out(parity *p, rlt_device *device, parity_results *out, const char *name,
                  size_t count) {
    float *nothing = parity_host(p, sizeof(float) * count);
    for (size_t i = 0; i < count; i++) {
        nothing[i] = NAN;
    }
    return parity_in_out(p, device, out, name, nothing, count);
}

float *parity_in_out(parity *p, rlt_device *device, parity_results *out, const char *name,
                     const float *contents, size_t count) {
    return add(out, name, parity_up(p, device, contents, sizeof(float) * count), true, count);
}

void *parity_bytes_out(parity *p, rlt_device *device, parity_results *out, const char *name,
                       size_t size) {
    return add(out, name, parity_up(p, device, NULL, size), false, size);
}

rlt_update_state *parity_state_out(parity *p, rlt_device *device, parity_results *out,
                                   const rlt_update_state *contents) {
    return out->update = parity_up(p, device, contents, sizeof *contents);
}

rlt_head parity_head(parity *p, rlt_device *device, const rlt_head *head) {
    rlt_head placed = *head;
    if (head->counts != NULL) {
        placed.counts = parity_up(p, device, head->counts, sizeof(int) * (size_t)head->components);
    }
    return placed;
}

uint8_t *parity_mask(parity *p, const rlt_head *head, int n) {
    uint8_t *mask = parity_host(p, (size_t)n * (size_t)head->width), *at = mask;
    for (int row = 0; row < n; row++) {
        for (int c = 0; c < head->components; c++) {
            int count = head->counts == NULL ? head->width : head->counts[c];
            for (int i = 0; i < count; i++) {
                at[i] = (uint8_t)parity_size(p, 0, 1);
            }
            at[parity_size(p, 0, count - 1)] = 1;
            at += count;
        }
    }
    return mask;
}

void parity_start(parity *p, rlt_device *device, parity_results *out) {
    rlt_err err = {0};
    if (out->record) {
        bool ok = device->backend->record_begin(device, &err) == RLT_OK;
        parity_true(p, ok ? "record_begin" : err.message, ok);
    }
}

static parity_results call_once(parity *p, rlt_device *device, parity_run run, const void *data,
                                bool recorded) {
    const rlt_backend *b = device->backend;
    parity_results out = {.record = recorded};
    rlt_graph *graph = NULL;
    rlt_err err = {0};
    run(p, device, data, &out);
    if (recorded) {
        bool ok = b->record_end(device, &graph, &err) == RLT_OK;
        parity_true(p, ok ? "record_end" : err.message, ok);
        if (ok) {
            b->graph_run(device, graph);
            b->graph_free(device, &graph);
        }
    }
    parity_synced(p, device);
    for (int i = 0; i < out.count; i++) {
        size_t bytes = out.size[i] * (out.floats[i] ? sizeof(float) : 1);
        out.values[i] = parity_host(p, bytes);
        parity_down(device, out.values[i], out.at[i], bytes);
    }
    if (out.update != NULL) {
        parity_down(device, &out.state, out.update, sizeof out.state);
    }
    return out;
}

static void same(parity *p, const char *what, const parity_results *a, const parity_results *b) {
    char text[64];
    for (int i = 0; i < a->count; i++) {
        snprintf(text, sizeof text, "%s has other bits %s", a->name[i], what);
        parity_same(p, text, a->values[i], b->values[i],
                    a->size[i] * (a->floats[i] ? sizeof(float) : 1));
    }
    snprintf(text, sizeof text, "the state has other bits %s", what);
    parity_same(p, text, &a->state, &b->state, sizeof a->state);
}

parity_results parity_call(parity *p, parity_run run, const void *data) {
    parity_results got = call_once(p, p->device, run, data, false);
    parity_results again = call_once(p, p->device, run, data, false);
    parity_results recorded = call_once(p, p->device, run, data, true);
    same(p, "the second time", &got, &again);
    same(p, "from a graph", &got, &recorded);
    return got;
}

static void same_counters(parity *p, const rlt_update_state *a, const rlt_update_state *b) {
    parity_true(p, "stopped", a->stopped == b->stopped);
    parity_true(p, "counters",
                a->step == b->step && a->minibatch == b->minibatch &&
                    a->rows_seen == b->rows_seen && a->steps_done == b->steps_done);
}

void parity_against_twin(parity *p, parity_run run, const void *data, const parity_results *got,
                         double limit) {
    parity_results twin = call_once(p, p->twin, run, data, false);
    char text[64];
    for (int i = 0; i < got->count; i++) {
        snprintf(text, sizeof text, "%s of the CPU twin", got->name[i]);
        if (got->floats[i]) {
            parity_near_floats(p, text, got->values[i], twin.values[i], got->size[i], limit);
        } else {
            parity_same(p, text, got->values[i], twin.values[i], got->size[i]);
        }
    }
    if (got->update == NULL) {
        return;
    }
    same_counters(p, &got->state, &twin.state);
    for (int term = 0; term < RLT_SUM_COUNT; term++) {
        if (isnan(got->state.current[term]) && isnan(twin.state.current[term])) {
            continue;
        }
        float a[] = {(float)got->state.current[term], (float)got->state.sums[term], 16};
        float b[] = {(float)twin.state.current[term], (float)twin.state.sums[term], 16};
        parity_near_floats(p, "a sum of the CPU twin", a, b, 3, limit); /* 16: rows cancel */
    }
    float a = (float)got->state.norm_sum, b = (float)twin.state.norm_sum;
    parity_near_floats(p, "norm_sum of the CPU twin", &a, &b, 1, limit);
}
