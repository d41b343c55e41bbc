/* What cuBLASLt and cuDNN do for the CUDA backend (src/nn/cuda/libs.h), in plain loops, for the
 * emulated build. Operands are rounded as the device's precision says, sums are float32. With
 * emulation_conv false the library has nothing for any convolution, as on a machine without cuDNN.
 * Thread: the emulation's. */
#include "tests/support/cuda_emulated_libs.h"

#include "nn/cuda/cuda.h"

bool emulation_conv = true;

/* To bf16 (8 bits of mantissa) or TF32 (11 bits), to nearest even. */
static float rounded(float x, rlt_precision precision) {
    if (precision == RLT_PRECISION_FP32 || !std::isfinite(x)) {
        return x;
    }
    int drop = precision == RLT_PRECISION_BF16 ? 16 : 13;
    uint32_t bits = emulation_bits<uint32_t>(x);
    bits += (1u << (drop - 1)) - 1 + (bits >> drop & 1);
    return emulation_bits<float>(bits & ~((1u << drop) - 1));
}

static void product(const rlt_gemm &g, rlt_precision precision, const float *a, const float *b,
                    float *c) {
    for (int i = 0; i < g.m; i++) {
        for (int j = 0; j < g.n; j++) {
            float sum = 0;
            for (int k = 0; k < g.k; k++) {
                float x = a[g.a_t ? (size_t)k * g.lda + i : (size_t)i * g.lda + k];
                float y = b[g.b_t ? (size_t)j * g.ldb + k : (size_t)k * g.ldb + j];
                sum += rounded(x, precision) * rounded(y, precision);
            }
            float *to = &c[(size_t)i * g.ldc + j];
            sum += g.beta == 0 ? 0 : g.beta * *to;
            sum += g.epilogue == RLT_EPILOGUE_NONE ? 0 : g.bias[j];
            *to = g.epilogue == RLT_EPILOGUE_BIAS_RELU && sum < 0 ? 0 : sum;
        }
    }
}

void rlt_cuda_gemm(rlt_cuda_device *device, const rlt_gemm *gemm) {
    rlt_gemm g = *gemm;
    rlt_precision precision = device->base.precision;
    emulation_enqueue(device->stream, [g, precision]() {
        for (int i = 0; i < (g.batch < 1 ? 1 : g.batch); i++) {
            product(g, precision, g.a + i * g.a_stride, g.b + i * g.b_stride, g.c + i * g.c_stride);
        }
    });
}

/* Calls term(y index, x index, filter index) for every product of a convolution whose x is inside
 * the image. */
template <typename Term> static void each_product(const rlt_conv &c, Term term) {
    int channels = c.in_hwc[2], filters = c.out_hwc[2];
    for (int n = 0; n < c.n; n++) {
        for (int at = 0; at < c.out_hwc[0] * c.out_hwc[1]; at++) {
            int oh = at / c.out_hwc[1], ow = at % c.out_hwc[1];
            for (int k = 0; k < c.kernel * c.kernel; k++) {
                int ih = oh * c.stride - c.pad + k / c.kernel;
                int iw = ow * c.stride - c.pad + k % c.kernel;
                if (ih < 0 || ih >= c.in_hwc[0] || iw < 0 || iw >= c.in_hwc[1]) {
                    continue;
                }
                size_t x = (((size_t)n * c.in_hwc[0] + ih) * c.in_hwc[1] + iw) * channels;
                size_t y = ((size_t)n * c.out_hwc[0] * c.out_hwc[1] + at) * filters;
                for (int f = 0; f < filters; f++) {
                    size_t w = ((size_t)f * c.kernel * c.kernel + k) * channels;
                    for (int i = 0; i < channels; i++) {
                        term(y + f, x + i, w + i);
                    }
                }
            }
        }
    }
}

static size_t y_count(const rlt_conv &c) {
    return (size_t)c.n * c.out_hwc[0] * c.out_hwc[1] * c.out_hwc[2];
}

/* cuDNN's convolutions take TF32 where the device is bf16 (libs_conv.cu). */
static rlt_precision precision_of(const rlt_cuda_device *device) {
    return device->base.precision == RLT_PRECISION_FP32 ? RLT_PRECISION_FP32 : RLT_PRECISION_TF32;
}

bool rlt_cuda_conv_run(rlt_cuda_device *device, const rlt_conv *conv, const float *x,
                       const float *w, const float *bias, bool relu, float *y) {
    rlt_conv c = *conv;
    rlt_precision p = precision_of(device);
    if (!emulation_conv) {
        return false;
    }
    emulation_enqueue(device->stream, [=]() {
        for (size_t i = 0; i < y_count(c); i++) {
            y[i] = bias[i % c.out_hwc[2]];
        }
        each_product(c, [&](size_t at, size_t from, size_t filter) {
            y[at] += rounded(x[from], p) * rounded(w[filter], p);
        });
        for (size_t i = 0; relu && i < y_count(c); i++) {
            y[i] = y[i] > 0 ? y[i] : 0;
        }
    });
    return true;
}

bool rlt_cuda_conv_data(rlt_cuda_device *device, const rlt_conv *conv, const float *dy,
                        const float *w, float beta, float *dx) {
    rlt_conv c = *conv;
    rlt_precision p = precision_of(device);
    if (!emulation_conv) {
        return false;
    }
    emulation_enqueue(device->stream, [=]() {
        size_t count = (size_t)c.n * c.in_hwc[0] * c.in_hwc[1] * c.in_hwc[2];
        for (size_t i = 0; i < count; i++) {
            dx[i] = beta == 0 ? 0 : beta * dx[i];
        }
        each_product(c, [&](size_t at, size_t to, size_t filter) {
            dx[to] += rounded(dy[at], p) * rounded(w[filter], p);
        });
    });
    return true;
}

bool rlt_cuda_conv_filter(rlt_cuda_device *device, const rlt_conv *conv, const float *x,
                          const float *dy, float *dw) {
    rlt_conv c = *conv;
    rlt_precision p = precision_of(device);
    if (!emulation_conv) {
        return false;
    }
    emulation_enqueue(device->stream, [=]() {
        size_t count = (size_t)c.out_hwc[2] * c.kernel * c.kernel * c.in_hwc[2];
        memset(dw, 0, sizeof(float) * count);
        each_product(c, [&](size_t at, size_t from, size_t filter) {
            dw[filter] += rounded(dy[at], p) * rounded(x[from], p);
        });
    });
    return true;
}

rlt_status rlt_cuda_libs_open(rlt_cuda_device *, rlt_err *) {
    return RLT_OK;
}
void rlt_cuda_libs_close(rlt_cuda_device *) {
}
void rlt_cuda_libs_versions(char *text, size_t size) {
    snprintf(text, size, "no libraries, plain loops");
}

/* ---- learners: one alone ---- */

rlt_status rlt_cuda_reduce_id(rlt_reduce_id *id, rlt_err *) {
    *id = rlt_reduce_id();
    return RLT_OK;
}

rlt_status rlt_cuda_all_reduce_init(rlt_device *device, int, int count, const rlt_reduce_id *,
                                    rlt_err *err) {
    rlt_cuda_of(device)->reduce_count = count;
    return count == 1 ? RLT_OK
                      : rlt_fail(err, RLT_ENOTSUP,
                                 "cuda: the emulated device has no NCCL; "
                                 "use learners = 1");
}

void rlt_cuda_all_reduce(rlt_device *, float *, size_t) {
}

void rlt_cuda_all_reduce_sums(rlt_device *, double *, size_t) {
}

void rlt_cuda_reduce_await(rlt_cuda_device *) {
}

void rlt_cuda_reduce_close(rlt_cuda_device *) {
}
