/* nn/cuda, private to libs*.cu: the functions of cuBLASLt and cuDNN, found by dlopen when a device
 * opens, so that the module loads without them and the error names the one that is missing. The
 * process keeps them loaded. Thread: the first open fills the tables; see libs.cu. */
#ifndef RLT_NN_CUDA_LIBS_IMPL_H
#define RLT_NN_CUDA_LIBS_IMPL_H
#include "nn/cuda/cuda.h"

#include <cublasLt.h>
#include <cudnn.h>

#define RLT_CUBLAS_FUNCTIONS(X)                                                                    \
    X(cublasLtCreate)                                                                              \
    X(cublasLtDestroy)                                                                             \
    X(cublasLtGetVersion)                                                                          \
    X(cublasLtGetStatusString)                                                                     \
    X(cublasLtMatmulDescCreate)                                                                    \
    X(cublasLtMatmulDescDestroy)                                                                   \
    X(cublasLtMatmulDescSetAttribute)                                                              \
    X(cublasLtMatrixLayoutCreate)                                                                  \
    X(cublasLtMatrixLayoutDestroy)                                                                 \
    X(cublasLtMatrixLayoutSetAttribute)                                                            \
    X(cublasLtMatmulPreferenceCreate)                                                              \
    X(cublasLtMatmulPreferenceDestroy)                                                             \
    X(cublasLtMatmulPreferenceSetAttribute)                                                        \
    X(cublasLtMatmulAlgoGetHeuristic)                                                              \
    X(cublasLtMatmul)

#define RLT_CUDNN_FUNCTIONS(X)                                                                     \
    X(cudnnCreate)                                                                                 \
    X(cudnnDestroy)                                                                                \
    X(cudnnSetStream)                                                                              \
    X(cudnnGetVersion)                                                                             \
    X(cudnnGetErrorString)                                                                         \
    X(cudnnCreateTensorDescriptor)                                                                 \
    X(cudnnDestroyTensorDescriptor)                                                                \
    X(cudnnSetTensor4dDescriptor)                                                                  \
    X(cudnnCreateFilterDescriptor)                                                                 \
    X(cudnnDestroyFilterDescriptor)                                                                \
    X(cudnnSetFilter4dDescriptor)                                                                  \
    X(cudnnCreateConvolutionDescriptor)                                                            \
    X(cudnnDestroyConvolutionDescriptor)                                                           \
    X(cudnnSetConvolution2dDescriptor)                                                             \
    X(cudnnSetConvolutionMathType)                                                                 \
    X(cudnnCreateActivationDescriptor)                                                             \
    X(cudnnDestroyActivationDescriptor)                                                            \
    X(cudnnSetActivationDescriptor)                                                                \
    X(cudnnGetConvolutionForwardAlgorithm_v7)                                                      \
    X(cudnnGetConvolutionBackwardDataAlgorithm_v7)                                                 \
    X(cudnnGetConvolutionBackwardFilterAlgorithm_v7)                                               \
    X(cudnnConvolutionForward)                                                                     \
    X(cudnnConvolutionBiasActivationForward)                                                       \
    X(cudnnConvolutionBackwardData)                                                                \
    X(cudnnConvolutionBackwardFilter)

struct rlt_cublas_api {
#define X(name) decltype(&::name) name;
    RLT_CUBLAS_FUNCTIONS(X)
#undef X
};
struct rlt_cudnn_api {
#define X(name) decltype(&::name) name;
    RLT_CUDNN_FUNCTIONS(X)
#undef X
};

/* What was chosen for one shape; in open-addressed tables of fixed size. */
constexpr int RLT_CUDA_GEMMS_MAX = 2048, RLT_CUDA_CONVS_MAX = 256;
struct rlt_gemm_choice {
    bool used;
    int m, n, k, lda, ldb, ldc, batch, alignment;
    bool a_t, b_t;
    rlt_epilogue epilogue;
    long long a_stride, b_stride, c_stride;
    bool accumulate; /* beta 1 */
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a_layout, b_layout, c_layout;
    cublasLtMatmulAlgo_t algo;
};
struct rlt_conv_choice {
    bool used;
    rlt_conv shape;
    cudnnTensorDescriptor_t x, y, bias;
    cudnnFilterDescriptor_t w;
    struct {
        bool able;
        int algo; /* cudnnConvolution{Fwd,BwdData,BwdFilter}Algo_t */
        cudnnConvolutionDescriptor_t conv;
    } run, data, filter;
    bool fused; /* bias and activation in the same call */
};

struct rlt_cuda_libs {
    const rlt_cublas_api *cublas;
    const rlt_cudnn_api *cudnn; /* NULL: not on this machine, convolutions are matrix products */
    cublasLtHandle_t cublas_handle;
    cudnnHandle_t cudnn_handle;
    cudnnActivationDescriptor_t relu, identity;
    rlt_gemm_choice gemms[RLT_CUDA_GEMMS_MAX];
    rlt_conv_choice convs[RLT_CUDA_CONVS_MAX];
};

void rlt_cuda_gemms_close(rlt_cuda_libs *libs);
void rlt_cuda_convs_close(rlt_cuda_libs *libs);
#endif
