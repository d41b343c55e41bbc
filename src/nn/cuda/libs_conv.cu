/* nn/cuda: convolutions by cuDNN, of NHWC images with filters [out][height][width][in], through the
 * descriptors of its version 7 interface, which version 9 keeps. Of a shape's algorithms the
 * fastest, by the library's own ranking, is taken that gives the same bits each time, fits in the
 * device's workspace and computes in the device's precision; the choice is kept. A shape that the
 * library refuses is left to the caller. Precision: fp32 is FMA arithmetic; tf32 and bf16 are
 * TF32, since this interface takes bf16 from bf16 storage alone, and its results with it.
 * Thread: the device's. */
#include "nn/cuda/libs_impl.h"

#define OK(call) ((call) == CUDNN_STATUS_SUCCESS)
enum { ALGORITHMS_MAX = 10 };

/* The first of the ranked algorithms that will do; false: none. */
template <typename Perf>
static bool pick(const rlt_cuda_device *device, const Perf *ranked, int count, int *algo,
                 cudnnMathType_t *math) {
    for (int i = 0; i < count; i++) {
        bool exact =
            device->base.precision != RLT_PRECISION_FP32 || ranked[i].mathType == CUDNN_FMA_MATH;
        if (ranked[i].status == CUDNN_STATUS_SUCCESS && exact &&
            ranked[i].determinism == CUDNN_DETERMINISTIC &&
            ranked[i].memory <= RLT_CUDA_WORKSPACE_BYTES) {
            *algo = (int)ranked[i].algo;
            *math = ranked[i].mathType;
            return true;
        }
    }
    return false;
}

static bool make_conv(const rlt_cudnn_api *api, const rlt_conv *shape, rlt_precision precision,
                      cudnnConvolutionDescriptor_t *conv) {
    cudnnMathType_t math = precision == RLT_PRECISION_FP32 ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH;
    return OK(api->cudnnCreateConvolutionDescriptor(conv)) &&
           OK(api->cudnnSetConvolution2dDescriptor(*conv, shape->pad, shape->pad, shape->stride,
                                                   shape->stride, 1, 1, CUDNN_CROSS_CORRELATION,
                                                   CUDNN_DATA_FLOAT)) &&
           OK(api->cudnnSetConvolutionMathType(*conv, math));
}

static bool make_tensor(const rlt_cudnn_api *api, cudnnTensorDescriptor_t *tensor, int n,
                        const int hwc[3]) {
    return OK(api->cudnnCreateTensorDescriptor(tensor)) &&
           OK(api->cudnnSetTensor4dDescriptor(*tensor, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, n,
                                              hwc[2], hwc[0], hwc[1]));
}

static bool make_descriptors(rlt_cuda_device *device, rlt_conv_choice *choice) {
    const rlt_cudnn_api *api = device->libs->cudnn;
    const rlt_conv *shape = &choice->shape;
    rlt_precision precision = device->base.precision;
    const int bias_hwc[3] = {1, 1, shape->out_hwc[2]};
    return make_tensor(api, &choice->x, shape->n, shape->in_hwc) &&
           make_tensor(api, &choice->y, shape->n, shape->out_hwc) &&
           make_tensor(api, &choice->bias, 1, bias_hwc) &&
           OK(api->cudnnCreateFilterDescriptor(&choice->w)) &&
           OK(api->cudnnSetFilter4dDescriptor(choice->w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC,
                                              shape->out_hwc[2], shape->in_hwc[2], shape->kernel,
                                              shape->kernel)) &&
           make_conv(api, shape, precision, &choice->run.conv) &&
           make_conv(api, shape, precision, &choice->data.conv) &&
           make_conv(api, shape, precision, &choice->filter.conv);
}

static void choose_algorithms(rlt_cuda_device *device, rlt_conv_choice *choice) {
    const rlt_cudnn_api *api = device->libs->cudnn;
    cudnnHandle_t handle = device->libs->cudnn_handle;
    cudnnMathType_t math;
    int count = 0;
    cudnnConvolutionFwdAlgoPerf_t run[ALGORITHMS_MAX];
    choice->run.able = OK(api->cudnnGetConvolutionForwardAlgorithm_v7(
                           handle, choice->x, choice->w, choice->run.conv, choice->y,
                           ALGORITHMS_MAX, &count, run)) &&
                       pick(device, run, count, &choice->run.algo, &math) &&
                       OK(api->cudnnSetConvolutionMathType(choice->run.conv, math));
    choice->fused = choice->run.algo == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
    cudnnConvolutionBwdDataAlgoPerf_t data[ALGORITHMS_MAX];
    choice->data.able = OK(api->cudnnGetConvolutionBackwardDataAlgorithm_v7(
                            handle, choice->w, choice->y, choice->data.conv, choice->x,
                            ALGORITHMS_MAX, &count, data)) &&
                        pick(device, data, count, &choice->data.algo, &math) &&
                        OK(api->cudnnSetConvolutionMathType(choice->data.conv, math));
    cudnnConvolutionBwdFilterAlgoPerf_t filter[ALGORITHMS_MAX];
    choice->filter.able = OK(api->cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                              handle, choice->x, choice->y, choice->filter.conv, choice->w,
                              ALGORITHMS_MAX, &count, filter)) &&
                          pick(device, filter, count, &choice->filter.algo, &math) &&
                          OK(api->cudnnSetConvolutionMathType(choice->filter.conv, math));
}

static void drop(const rlt_cudnn_api *api, rlt_conv_choice *choice) {
    for (cudnnTensorDescriptor_t tensor : {choice->x, choice->y, choice->bias}) {
        if (tensor != nullptr) {
            api->cudnnDestroyTensorDescriptor(tensor);
        }
    }
    for (cudnnConvolutionDescriptor_t conv :
         {choice->run.conv, choice->data.conv, choice->filter.conv}) {
        if (conv != nullptr) {
            api->cudnnDestroyConvolutionDescriptor(conv);
        }
    }
    if (choice->w != nullptr) {
        api->cudnnDestroyFilterDescriptor(choice->w);
    }
    *choice = rlt_conv_choice{};
}

/* The kept choice for this shape, made now if there is none; NULL where cuDNN is not there. A table
 * that is full gives up its entry. */
static rlt_conv_choice *choose(rlt_cuda_device *device, const rlt_conv *conv) {
    rlt_cuda_libs *libs = device->libs;
    if (libs->cudnn == nullptr) {
        return nullptr;
    }
    int at = 0;
    while (at < RLT_CUDA_CONVS_MAX - 1 && libs->convs[at].used &&
           memcmp(&libs->convs[at].shape, conv, sizeof *conv) != 0) {
        at++;
    }
    rlt_conv_choice *choice = &libs->convs[at];
    if (choice->used && memcmp(&choice->shape, conv, sizeof *conv) == 0) {
        return choice;
    }
    drop(libs->cudnn, choice);
    choice->used = true;
    choice->shape = *conv;
    if (make_descriptors(device, choice)) {
        choose_algorithms(device, choice);
    }
    return choice;
}

/* False where the library refuses what was chosen, which is logged; a failure of the device is its
 * error. cuDNN 9 numbers statuses by class: 2000 wrong parameters, 3000 not supported. */
static bool done(rlt_cuda_device *device, const char *what, cudnnStatus_t result) {
    if (result == CUDNN_STATUS_SUCCESS) {
        return true;
    }
    const char *reason = device->libs->cudnn->cudnnGetErrorString(result);
    if (result >= 2000 && result < 4000) {
        rlt_log(RLT_LOG_WARN, "cuda.conv_refused", "%s: %s; another way is taken", what, reason);
        return false;
    }
    rlt_cuda_note(device, what, reason);
    return true;
}

static bool run_fused(rlt_cuda_device *device, rlt_conv_choice *choice, const float *x,
                      const float *w, const float *bias, bool relu, float *y) {
    const rlt_cuda_libs *libs = device->libs;
    float one = 1.0f, none = 0.0f;
    cudnnStatus_t result = libs->cudnn->cudnnConvolutionBiasActivationForward(
        libs->cudnn_handle, &one, choice->x, x, choice->w, w, choice->run.conv,
        (cudnnConvolutionFwdAlgo_t)choice->run.algo, device->workspace, RLT_CUDA_WORKSPACE_BYTES,
        &none, choice->y, y, choice->bias, bias, relu ? libs->relu : libs->identity, choice->y, y);
    choice->fused = done(device, "cudnnConvolutionBiasActivationForward", result);
    return choice->fused;
}

bool rlt_cuda_conv_run(rlt_cuda_device *device, const rlt_conv *conv, const float *x,
                       const float *w, const float *bias, bool relu, float *y) {
    rlt_conv_choice *choice = choose(device, conv);
    if (choice == nullptr || !choice->run.able) {
        return false;
    }
    if (choice->fused && run_fused(device, choice, x, w, bias, relu, y)) {
        return true;
    }
    const rlt_cuda_libs *libs = device->libs;
    float one = 1.0f, none = 0.0f;
    cudnnStatus_t result = libs->cudnn->cudnnConvolutionForward(
        libs->cudnn_handle, &one, choice->x, x, choice->w, w, choice->run.conv,
        (cudnnConvolutionFwdAlgo_t)choice->run.algo, device->workspace, RLT_CUDA_WORKSPACE_BYTES,
        &none, choice->y, y);
    choice->run.able = done(device, "cudnnConvolutionForward", result);
    if (choice->run.able) {
        rlt_cuda_bias_act(device, (size_t)conv->n * conv->out_hwc[0] * conv->out_hwc[1],
                          conv->out_hwc[2], bias, relu ? RLT_ACT_RELU : RLT_ACT_NONE, y);
    }
    return choice->run.able;
}

bool rlt_cuda_conv_data(rlt_cuda_device *device, const rlt_conv *conv, const float *dy,
                        const float *w, float beta, float *dx) {
    rlt_conv_choice *choice = choose(device, conv);
    if (choice == nullptr || !choice->data.able) {
        return false;
    }
    float one = 1.0f;
    cudnnStatus_t result = device->libs->cudnn->cudnnConvolutionBackwardData(
        device->libs->cudnn_handle, &one, choice->w, w, choice->y, dy, choice->data.conv,
        (cudnnConvolutionBwdDataAlgo_t)choice->data.algo, device->workspace,
        RLT_CUDA_WORKSPACE_BYTES, &beta, choice->x, dx);
    choice->data.able = done(device, "cudnnConvolutionBackwardData", result);
    return choice->data.able;
}

bool rlt_cuda_conv_filter(rlt_cuda_device *device, const rlt_conv *conv, const float *x,
                          const float *dy, float *dw) {
    rlt_conv_choice *choice = choose(device, conv);
    if (choice == nullptr || !choice->filter.able) {
        return false;
    }
    float one = 1.0f, none = 0.0f;
    cudnnStatus_t result = device->libs->cudnn->cudnnConvolutionBackwardFilter(
        device->libs->cudnn_handle, &one, choice->x, x, choice->y, dy, choice->filter.conv,
        (cudnnConvolutionBwdFilterAlgo_t)choice->filter.algo, device->workspace,
        RLT_CUDA_WORKSPACE_BYTES, &none, choice->w, dw);
    choice->filter.able = done(device, "cudnnConvolutionBackwardFilter", result);
    return choice->filter.able;
}

void rlt_cuda_convs_close(rlt_cuda_libs *libs) {
    if (libs->cudnn == nullptr) {
        return;
    }
    for (rlt_conv_choice &choice : libs->convs) {
        drop(libs->cudnn, &choice);
    }
    for (cudnnActivationDescriptor_t activation : {libs->relu, libs->identity}) {
        if (activation != nullptr) {
            libs->cudnn->cudnnDestroyActivationDescriptor(activation);
        }
    }
    if (libs->cudnn_handle != nullptr) {
        libs->cudnn->cudnnDestroy(libs->cudnn_handle);
    }
}
