/* cpu, batch: the rows of a minibatch out of the whole batch; observations normalised.
 * Thread: any; no state. */
#include "nn/cpu/cpu.h"

#include <math.h>
#include <string.h>

static void copy_row(void *to, size_t to_row, const void *from, size_t from_row, size_t bytes) {
    memcpy((char *)to + to_row * bytes, (const char *)from + from_row * bytes, bytes);
}

/* (a - mean) / (std + 1e-8), in double; one row is left as it is. */
static void normalise_advantages(float *advantage, size_t rows) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < rows; i++) {
        double a = (double)advantage[i];
        sum += a;
        squares += a * a;
    }
    double mean = sum / (double)rows, variance = (squares - sum * mean) / (double)(rows - 1);
    float centre = (float)mean, scale = (float)(1 / (sqrt(fmax(variance, 0)) + 1e-8));
    for (size_t i = 0; i < rows; i++) {
        advantage[i] = (advantage[i] - centre) * scale;
    }
}

void rlt_cpu_gather(rlt_device *device, const rlt_gather_args *a) {
    (void)device;
    size_t n = (size_t)a->n, rows = n * (size_t)a->steps;
    size_t stride = a->order_stride > 0 ? (size_t)a->order_stride : n;
    const uint32_t *order = a->order + (size_t)a->update->minibatch * stride;
    for (size_t to = 0; to < rows; to++) {
        size_t from = to / n * (size_t)a->seqs_all + order[to % n];
        copy_row(a->to_obs, to, a->obs, from, sizeof(float) * (size_t)a->obs_width);
        copy_row(a->to_action, to, a->action, from, 4 * (size_t)a->action_words);
        a->to_log_prob[to] = a->log_prob[from];
        a->to_value[to] = a->value[from];
        a->to_advantage[to] = a->advantage[from];
        a->to_ret[to] = a->ret[from];
        if (a->reset != NULL) {
            a->to_reset[to] = a->reset[from];
        }
        if (a->mask != NULL) {
            copy_row(a->to_mask, to, a->mask, from, (size_t)a->mask_width);
        }
    }
    for (size_t s = 0; a->state != NULL && s < n; s++) {
        copy_row(a->to_state, s, a->state, order[s], sizeof(float) * (size_t)a->state_width);
    }
    if (a->norm_advantage && rows > 1) {
        normalise_advantages(a->to_advantage, rows);
    }
}

void rlt_cpu_normalise(rlt_device *device, const rlt_normalise_args *a) {
    (void)device;
    for (int r = 0; r < a->rows; r++) {
        for (int j = 0; j < a->width; j++) {
            size_t at = (size_t)r * (size_t)a->width + (size_t)j;
            float y = (a->x[at] - a->mean[j]) * a->inv_std[j];
            a->y[at] = y < -a->clip ? -a->clip : y > a->clip ? a->clip : y; /* a NaN stays */
        }
    }
}
