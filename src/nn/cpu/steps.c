/* steps: what the recurrent operations share. Thread: the device's. */
#include "nn/cpu/cpu.h"

#include <string.h>

/* Without regard to resets; NULL: zeros. */
static const float *h_of(const rlt_op_io *io, int units, int t, int first, ptrdiff_t *stride) {
    *stride = t > 0 ? units : io->state_stride;
    if (t > 0) {
        return io->y + ((ptrdiff_t)(t - 1) * io->seqs + first) * units;
    }
    return io->state == NULL ? NULL : io->state + (ptrdiff_t)first * io->state_stride;
}

void rlt_cpu_copy_h_before(const rlt_op_io *io, int units, int t, int first, int n, float *to) {
    const uint8_t *reset = rlt_cpu_reset(io, t, first);
    size_t bytes = sizeof(float) * (size_t)units;
    ptrdiff_t stride;
    const float *h = h_of(io, units, t, first, &stride);
    for (int i = 0; i < n; i++, to += units) {
        if (h == NULL || (reset != NULL && reset[i] != 0)) {
            memset(to, 0, bytes);
        } else {
            memcpy(to, h + i * stride, bytes);
        }
    }
}

const float *rlt_cpu_h_before(const rlt_op_io *io, int units, int t, int first, int n,
                              float *buffer, ptrdiff_t *stride) {
    const uint8_t *reset = rlt_cpu_reset(io, t, first);
    const float *h = h_of(io, units, t, first, stride);
    int any = 0;
    for (int i = 0; reset != NULL && i < n; i++) {
        any |= reset[i];
    }
    if (h != NULL && any == 0) {
        return h;
    }
    rlt_cpu_copy_h_before(io, units, t, first, n, buffer);
    *stride = units;
    return buffer;
}

void rlt_cpu_clear_reset(const uint8_t *reset, int n, int units, float *d) {
    for (int i = 0; reset != NULL && i < n; i++) {
        if (reset[i] != 0) {
            memset(d + (ptrdiff_t)i * units, 0, sizeof(float) * (size_t)units);
        }
    }
}
