/* nn/cuda, private: matrix products and convolutions, by cuBLASLt and cuDNN in the module
 * (libs_cublas.cu, libs_cudnn.cu), by plain loops in the emulated build (tests/support). All calls
 * are queued on the device's stream, may be recorded, allocate nothing on the device and report
 * through rlt_cuda_note. What is chosen for a shape is chosen once, on the host, and kept.
 * Precision is the device's: products of float32, or of float32 rounded to TF32 or bf16; sums are
 * float32 always. Thread: the device's. */
#ifndef RLT_NN_CUDA_LIBS_H
#define RLT_NN_CUDA_LIBS_H

struct rlt_cuda_device;
struct rlt_cuda_libs; /* handles and choices; one a device */

enum rlt_epilogue { RLT_EPILOGUE_NONE, RLT_EPILOGUE_BIAS, RLT_EPILOGUE_BIAS_RELU };

/* c[m][n] = a b + beta c, then bias[n] and max(0, .) by the epilogue. Row-major; a is [m][k], or
 * [k][m] with a_t; b is [k][n], or [n][k] with b_t; lda, ldb, ldc are the floats between rows.
 * `batch` products, *_stride floats apart (bias is shared). Zero m, n or batch: nothing. */
struct rlt_gemm {
    int m, n, k;
    bool a_t, b_t;
    const float *a, *b;
    float *c;
    int lda, ldb, ldc;
    float beta; /* 0 or 1 */
    rlt_epilogue epilogue;
    const float *bias;
    int batch; /* 0 or 1: one */
    long long a_stride, b_stride, c_stride;
};
void rlt_cuda_gemm(rlt_cuda_device *device, const rlt_gemm *gemm);

/* Images are [n][height][width][channels], filters [out][kernel][kernel][in]. */
struct rlt_conv {
    int n, in_hwc[3], out_hwc[3], kernel, stride, pad;
};
/* The three directions. False: the library has nothing for this shape, and nothing was queued; the
 * operation is then a product of patches (conv.cu). */
/* y = x * w + bias, then max(0, .) if relu */
bool rlt_cuda_conv_run(rlt_cuda_device *device, const rlt_conv *conv, const float *x,
                       const float *w, const float *bias, bool relu, float *y);
/* dx = dy * w + beta dx */
bool rlt_cuda_conv_data(rlt_cuda_device *device, const rlt_conv *conv, const float *dy,
                        const float *w, float beta, float *dx);
/* dw = x * dy */
bool rlt_cuda_conv_filter(rlt_cuda_device *device, const rlt_conv *conv, const float *x,
                          const float *dy, float *dw);

/* Opens what the device needs; versions (for info) goes to `detail`. RLT_ENOTSUP names the
 * library that is missing. */
rlt_status rlt_cuda_libs_open(rlt_cuda_device *device, rlt_err *err);
void rlt_cuda_libs_close(rlt_cuda_device *device);
/* "cuBLASLt 13.0.2, cuDNN 9.12.0", or what is missing. */
void rlt_cuda_libs_versions(char *text, size_t size);
#endif
