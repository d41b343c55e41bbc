/* nn/cuda: cuBLASLt and cuDNN found and opened. cuBLASLt is needed by every device; without cuDNN
 * convolutions are matrix products of patches (conv.cu), which info says. Libraries are looked for
 * where the loader looks, then where the build found them.
 * Thread: any for the tables (a lock), the device's for the rest. */
#include "nn/cuda/libs_impl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define NUMBERED2(stem, major) stem "." #major
#define NUMBERED(stem, major) NUMBERED2(stem, major)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static rlt_cublas_api cublas_api;
static rlt_cudnn_api cudnn_api;
static bool cublas_loaded, cudnn_loaded;

/* The library's handle, or NULL with the loader's reason. Global, so that cuDNN takes this cuBLASLt
 * and no other. */
static void *open_library(const char *name, const char *folder, char *reason, size_t size) {
    char path[512];
    void *library = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
        snprintf(reason, size, "%s", dlerror());
        snprintf(path, sizeof path, "%s/%s", folder, name);
        library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    }
    return library;
}

#define FIND(name)                                                                                 \
    api->name = reinterpret_cast<decltype(api->name)>(dlsym(library, #name));                      \
    missing = api->name == nullptr ? #name : missing;

static rlt_status load_cublas(rlt_err *err) {
    if (cublas_loaded) {
        return RLT_OK;
    }
    char reason[256] = "";
    const char *name = NUMBERED("libcublasLt.so", RLT_CUBLAS_MAJOR), *missing = nullptr;
    void *library = open_library(name, RLT_CUBLAS_FOLDER, reason, sizeof reason);
    if (library == nullptr) {
        return rlt_fail(err, RLT_ENOTSUP,
                        "cuda: cuBLAS is missing: %s; install CUDA's libcublas, or add its folder "
                        "to LD_LIBRARY_PATH",
                        reason);
    }
    rlt_cublas_api *api = &cublas_api;
    RLT_CUBLAS_FUNCTIONS(FIND)
    if (missing != nullptr) {
        return rlt_fail(err, RLT_ENOTSUP, "cuda: %s has no %s; another version is needed", name,
                        missing);
    }
    cublas_loaded = true;
    return RLT_OK;
}

static rlt_status load_cudnn(rlt_err *err) {
    if (cudnn_loaded) {
        return RLT_OK;
    }
    char reason[256] = "";
    const char *name = NUMBERED("libcudnn.so", RLT_CUDNN_MAJOR), *missing = nullptr;
    void *library = open_library(name, RLT_CUDNN_FOLDER, reason, sizeof reason);
    if (library == nullptr) {
        return rlt_fail(err, RLT_ENOTSUP, "cuda: cuDNN is missing: %s", reason);
    }
    rlt_cudnn_api *api = &cudnn_api;
    RLT_CUDNN_FUNCTIONS(FIND)
    if (missing != nullptr) {
        return rlt_fail(err, RLT_ENOTSUP, "cuda: %s has no %s; another version is needed", name,
                        missing);
    }
    cudnn_loaded = true;
    return RLT_OK;
}

/* NCCL is looked at for its version alone. */
static void nccl_version(char *text, size_t size) {
    void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    int version = 0;
    int (*get)(int *) = library == nullptr
                            ? nullptr
                            : reinterpret_cast<int (*)(int *)>(dlsym(library, "ncclGetVersion"));
    if (get != nullptr && get(&version) == 0) {
        snprintf(text, size, "NCCL %d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    } else {
        snprintf(text, size, "no NCCL");
    }
}

void rlt_cuda_libs_versions(char *text, size_t size) {
    char cublas[48] = "no cuBLASLt", cudnn[64] = "no cuDNN (convolutions use cuBLASLt)", nccl[48];
    pthread_mutex_lock(&lock);
    if (load_cublas(nullptr) == RLT_OK) {
        size_t version = cublas_api.cublasLtGetVersion();
        snprintf(cublas, sizeof cublas, "cuBLASLt %zu.%zu.%zu", version / 10000,
                 version / 100 % 100, version % 100);
    }
    if (load_cudnn(nullptr) == RLT_OK) {
        size_t version = cudnn_api.cudnnGetVersion();
        snprintf(cudnn, sizeof cudnn, "cuDNN %zu.%zu.%zu", version / 10000, version / 100 % 100,
                 version % 100);
    }
    pthread_mutex_unlock(&lock);
    nccl_version(nccl, sizeof nccl);
    snprintf(text, size, "%s, %s, %s", cublas, cudnn, nccl);
}

static rlt_status open_cudnn(rlt_cuda_device *device, rlt_cuda_libs *libs, rlt_err *err) {
    const rlt_cudnn_api *cudnn = &cudnn_api;
    cudnnStatus_t result = cudnn->cudnnCreate(&libs->cudnn_handle);
    if (result != CUDNN_STATUS_SUCCESS) {
        return rlt_fail(err, RLT_EIO, "cuda:%d: cuDNN does not start: %s", device->base.index,
                        cudnn->cudnnGetErrorString(result));
    }
    libs->cudnn = cudnn;
    bool ok =
        cudnn->cudnnSetStream(libs->cudnn_handle, device->stream) == CUDNN_STATUS_SUCCESS &&
        cudnn->cudnnCreateActivationDescriptor(&libs->relu) == CUDNN_STATUS_SUCCESS &&
        cudnn->cudnnCreateActivationDescriptor(&libs->identity) == CUDNN_STATUS_SUCCESS &&
        cudnn->cudnnSetActivationDescriptor(libs->relu, CUDNN_ACTIVATION_RELU, CUDNN_PROPAGATE_NAN,
                                            0.0) == CUDNN_STATUS_SUCCESS &&
        cudnn->cudnnSetActivationDescriptor(libs->identity, CUDNN_ACTIVATION_IDENTITY,
                                            CUDNN_PROPAGATE_NAN, 0.0) == CUDNN_STATUS_SUCCESS;
    return ok ? RLT_OK
              : rlt_fail(err, RLT_EIO, "cuda:%d: cuDNN refuses its set-up", device->base.index);
}

rlt_status rlt_cuda_libs_open(rlt_cuda_device *device, rlt_err *err) {
    pthread_mutex_lock(&lock);
    rlt_status status = load_cublas(err);
    bool with_cudnn = load_cudnn(nullptr) == RLT_OK;
    pthread_mutex_unlock(&lock);
    RLT_TRY(status);
    rlt_cuda_libs *libs = static_cast<rlt_cuda_libs *>(calloc(1, sizeof *libs));
    device->libs = libs;
    if (libs == nullptr) {
        return rlt_fail(err, RLT_ENOMEM, "no memory for %zu bytes of libraries' choices",
                        sizeof *libs);
    }
    libs->cublas = &cublas_api;
    cublasStatus_t result = libs->cublas->cublasLtCreate(&libs->cublas_handle);
    if (result != CUBLAS_STATUS_SUCCESS) {
        return rlt_fail(err, RLT_EIO, "cuda:%d: cuBLASLt does not start: %s", device->base.index,
                        libs->cublas->cublasLtGetStatusString(result));
    }
    return with_cudnn ? open_cudnn(device, libs, err) : RLT_OK;
}

void rlt_cuda_libs_close(rlt_cuda_device *device) {
    rlt_cuda_libs *libs = device->libs;
    device->libs = nullptr;
    if (libs == nullptr) {
        return;
    }
    rlt_cuda_gemms_close(libs);
    rlt_cuda_convs_close(libs);
    if (libs->cublas_handle != nullptr) {
        libs->cublas->cublasLtDestroy(libs->cublas_handle);
    }
    free(libs);
}
