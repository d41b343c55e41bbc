/* The kernels of bfloat16 as plain loops: the definition that the vector form is tested against.
 * Thread: any; no state. */
#include "nn/kernels_bf16.h"

#include <math.h>
#include <string.h>

static uint32_t rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x)) {
        return bits >> 16 | 0x40;
    }
    if ((bits & 0x7f800000) == 0) {
        return bits >> 16 & 0x8000;
    }
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static float pair(float first, float second) {
    uint32_t word = rounded(first) | rounded(second) << 16;
    float carried;
    memcpy(&carried, &word, sizeof carried);
    return carried;
}

static void pack_rows(const float *x, int x_stride, int n, int k, float *to) {
    for (int r = 0; r < n; r++, x += x_stride) {
        for (int i = 0; i < k; i += 2) {
            *to++ = pair(x[i], i + 1 < k ? x[i + 1] : 0);
        }
    }
}

static void pack_pairs(const float *x, int x_stride, int k, int n, float *to) {
    for (int r = 0; r < k; r += 2, x += 2 * (ptrdiff_t)x_stride) {
        for (int j = 0; j < n; j++) {
            *to++ = pair(x[j], r + 1 < k ? x[x_stride + j] : 0);
        }
    }
}

static float half(const float *carried, int shift) {
    uint32_t word;
    float x;
    memcpy(&word, carried, sizeof word);
    word = word << shift & 0xffff0000;
    memcpy(&x, &word, sizeof x);
    return x;
}

static void product(const rlt_nn_product *p) {
    for (int i = 0; i < p->m; i++) {
        for (int j = 0; j < p->n; j++) {
            float sum = p->bias != NULL ? p->bias[j] : 0;
            for (int k = 0; k < p->steps; k++) {
                const float *a = &p->a[i * p->a_row + k * p->a_step];
                const float *b = &p->b[k * p->b_stride + j];
                sum += half(a, 0) * half(b, 0);
                sum += half(a, 16) * half(b, 16);
            }
            float *c = &p->c[i * p->c_stride + j];
            *c = p->add ? *c + sum : sum;
        }
    }
}

const rlt_nn_bf16_kernels rlt_nn_bf16_plain = {product, pack_rows, pack_pairs};
