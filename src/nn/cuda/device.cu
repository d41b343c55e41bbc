/* nn/cuda: the backend's table; devices counted, described, opened and closed; errors kept until
 * the next sync. Thread: a device's own, which has no other CUDA device open. Owner: the caller of
 * open. */
#include "nn/cuda/cuda.h"

#include <stdio.h>

#ifdef RLT_CUDA_EMULATED
#define BACKEND_NAME "cuda-emulated"
#else
#define BACKEND_NAME "cuda"
#endif
#define MIB (1024.0 * 1024.0)

/* The first launch that failed on this thread. */
static thread_local const char *failed_kernel;
static thread_local cudaError_t failed_launch;

void rlt_cuda_launched(const char *kernel) {
    cudaError_t result = cudaGetLastError();
    if (result != cudaSuccess && failed_kernel == nullptr) {
        failed_kernel = kernel;
        failed_launch = result;
    }
}

void rlt_cuda_note(rlt_cuda_device *device, const char *what, const char *problem) {
    if (device->error.code == RLT_OK) {
        rlt_fail(&device->error, RLT_EIO, "%s:%d: %s: %s", BACKEND_NAME, device->base.index, what,
                 problem);
    }
}

bool rlt_cuda_ok(rlt_cuda_device *device, const char *what, cudaError_t result) {
    if (result != cudaSuccess) {
        rlt_cuda_note(device, what, cudaGetErrorString(result));
    }
    return result == cudaSuccess;
}

static rlt_status fail(rlt_err *err, int index, const char *what, cudaError_t result) {
    return rlt_fail(err, result == cudaErrorMemoryAllocation ? RLT_ENOMEM : RLT_EIO,
                    "%s:%d: %s: %s", BACKEND_NAME, index, what, cudaGetErrorString(result));
}
#define TRY_CUDA(index, call)                                                                      \
    do {                                                                                           \
        cudaError_t try_result_ = (call);                                                          \
        if (try_result_ != cudaSuccess) {                                                          \
            return fail(err, index, #call, try_result_);                                           \
        }                                                                                          \
    } while (0)

static int count_devices(rlt_err *err) {
    int count = 0;
    cudaError_t result = cudaGetDeviceCount(&count);
    if (result == cudaErrorInsufficientDriver) {
        int runtime = 0;
        cudaRuntimeGetVersion(&runtime);
        rlt_fail(err, RLT_ENOTFOUND,
                 "no CUDA device: the driver (libcuda.so.1) is absent, or older than CUDA %d.%d "
                 "needs; install NVIDIA's driver, or use device = \"cpu\"",
                 runtime / 1000, runtime % 1000 / 10);
    } else if (result == cudaErrorNoDevice || (result == cudaSuccess && count == 0)) {
        rlt_fail(err, RLT_ENOTFOUND,
                 "no CUDA device: the driver sees none (look at nvidia-smi, at the rights of "
                 "/dev/nvidia*, and at CUDA_VISIBLE_DEVICES); or use device = \"cpu\"");
    } else if (result != cudaSuccess) {
        rlt_fail(err, RLT_ENOTFOUND, "no CUDA device: %s", cudaGetErrorString(result));
    }
    cudaGetLastError();
    return result == cudaSuccess ? count : 0;
}

static rlt_status check_index(int index, rlt_err *err) {
    rlt_err reason = {};
    int count = count_devices(&reason);
    if (count == 0) {
        return rlt_fail(err, reason.code, "%s", reason.message);
    }
    if (index < 0 || index >= count) {
        return rlt_fail(err, RLT_ENOTFOUND,
                        "no device cuda:%d: this machine has %d, cuda:0 to cuda:%d", index, count,
                        count - 1);
    }
    return RLT_OK;
}

static rlt_status device_info(int index, rlt_device_info *info, rlt_err *err) {
    RLT_TRY(check_index(index, err));
    cudaDeviceProp properties;
    int driver = 0, runtime = 0;
    TRY_CUDA(index, cudaGetDeviceProperties(&properties, index));
    TRY_CUDA(index, cudaDriverGetVersion(&driver));
    TRY_CUDA(index, cudaRuntimeGetVersion(&runtime));
    TRY_CUDA(index, cudaSetDevice(index));
    TRY_CUDA(index, cudaMemGetInfo(&info->free_bytes, &info->memory_bytes));
    char libraries[160];
    rlt_cuda_libs_versions(libraries, sizeof libraries);
    snprintf(info->name, sizeof info->name, "%.127s", properties.name);
    snprintf(info->detail, sizeof info->detail,
             "compute capability %d.%d, %d multiprocessors, driver for CUDA %d.%d, runtime %d.%d, "
             "%s",
             properties.major, properties.minor, properties.multiProcessorCount, driver / 1000,
             driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10, libraries);
    return RLT_OK;
}

static rlt_status open_stages(rlt_cuda_device *device, rlt_err *err) {
    int index = device->base.index;
    for (rlt_cuda_stage &stage : device->stages) {
        TRY_CUDA(index, cudaHostAlloc(&stage.pinned, RLT_CUDA_STAGE_BYTES, cudaHostAllocDefault));
        TRY_CUDA(index, cudaMalloc(&stage.landing, RLT_CUDA_STAGE_BYTES));
        TRY_CUDA(index, cudaEventCreateWithFlags(&stage.landed, cudaEventDisableTiming));
        TRY_CUDA(index, cudaEventCreateWithFlags(&stage.consumed, cudaEventDisableTiming));
    }
    return RLT_OK;
}

static rlt_status open_parts(rlt_cuda_device *device, rlt_err *err) {
    int index = device->base.index;
    cudaDeviceProp properties;
    TRY_CUDA(index, cudaSetDevice(index));
    TRY_CUDA(index, cudaGetDeviceProperties(&properties, index));
    if (properties.major < 8) {
        return rlt_fail(err, RLT_ENOTSUP,
                        "cuda:%d: %s has compute capability %d.%d; at least 8.0 is needed (A100, "
                        "RTX 30, or newer)",
                        index, properties.name, properties.major, properties.minor);
    }
    device->multiprocessors = properties.multiProcessorCount;
    device->shared_bytes_max = (int)properties.sharedMemPerBlockOptin;
    device->memory_bytes = properties.totalGlobalMem;
    TRY_CUDA(index, cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking));
    TRY_CUDA(index, cudaStreamCreateWithFlags(&device->copies, cudaStreamNonBlocking));
    TRY_CUDA(index, cudaMalloc(&device->workspace, RLT_CUDA_WORKSPACE_BYTES));
    RLT_TRY(open_stages(device, err));
    return rlt_cuda_libs_open(device, err);
}

static void close_device(rlt_device **handle) {
    rlt_cuda_device *device = *handle == nullptr ? nullptr : rlt_cuda_of(*handle);
    *handle = nullptr;
    if (device == nullptr) {
        return;
    }
    if (device->stream != nullptr) {
        rlt_cuda_reduce_await(device);
        cudaStreamSynchronize(device->stream);
    }
    rlt_cuda_reduce_close(device);
    rlt_cuda_libs_close(device);
    for (rlt_cuda_stage &stage : device->stages) {
        cudaFreeHost(stage.pinned);
        cudaFree(stage.landing);
        if (stage.landed != nullptr) {
            cudaEventDestroy(stage.landed);
        }
        if (stage.consumed != nullptr) {
            cudaEventDestroy(stage.consumed);
        }
    }
    cudaFree(device->workspace);
    if (device->copies != nullptr) {
        cudaStreamDestroy(device->copies);
    }
    if (device->stream != nullptr) {
        cudaStreamDestroy(device->stream);
    }
    cudaGetLastError();
    free(device);
}

static rlt_status sync_device(rlt_device *handle, rlt_err *err) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    if (failed_kernel != nullptr) {
        rlt_cuda_ok(device, failed_kernel, failed_launch);
        failed_kernel = nullptr;
    }
    rlt_cuda_reduce_await(device);
    rlt_cuda_ok(device, "work on the device", cudaStreamSynchronize(device->stream));
    if (device->error.code == RLT_OK) {
        return RLT_OK;
    }
    rlt_err error = device->error;
    device->error = rlt_err{};
    return rlt_fail(err, error.code, "%s", error.message);
}

static size_t op_scratch(rlt_device *, const rlt_op *op, int steps, int seqs, bool training) {
    switch (op->kind) {
#define RLT_OP(name, help)                                                                         \
    case RLT_OP_##name:                                                                            \
        return rlt_cuda_##name##_scratch(op, steps, seqs, training);
#include "nn/ops.def"
#undef RLT_OP
    case RLT_OP_COUNT:
        break;
    }
    return 0;
}

static rlt_status open_device(int index, rlt_precision precision, rlt_device **handle,
                              rlt_err *err);

static const rlt_backend backend = {
    RLT_BACKEND_API_VERSION,
    BACKEND_NAME,
    count_devices,
    device_info,
    open_device,
    close_device,
    rlt_cuda_alloc,
    rlt_cuda_free,
    rlt_cuda_alloc_host,
    rlt_cuda_free_host,
    rlt_cuda_upload,
    rlt_cuda_download,
    rlt_cuda_copy,
    rlt_cuda_zero,
    sync_device,
    rlt_cuda_record_begin,
    rlt_cuda_record_end,
    rlt_cuda_graph_run,
    rlt_cuda_graph_free,
    op_scratch,
#define RLT_OP(name, help) rlt_cuda_##name##_forward,
    {
#include "nn/ops.def"
    },
#undef RLT_OP
#define RLT_OP(name, help) rlt_cuda_##name##_backward,
    {
#include "nn/ops.def"
    },
#undef RLT_OP
#define RLT_FN(name, help) rlt_cuda_##name,
#include "nn/fns.def"
#undef RLT_FN
    rlt_cuda_reduce_id,
    rlt_cuda_all_reduce_init,
    rlt_cuda_all_reduce,
    rlt_cuda_all_reduce_sums,
};

static rlt_status open_device(int index, rlt_precision precision, rlt_device **handle,
                              rlt_err *err) {
    RLT_TRY(check_index(index, err));
    rlt_cuda_device *device = static_cast<rlt_cuda_device *>(calloc(1, sizeof *device));
    if (device == nullptr) {
        return rlt_fail(err, RLT_ENOMEM, "no memory for a device's %.1f MiB", sizeof *device / MIB);
    }
    device->base.backend = &backend;
    device->base.index = index;
    device->base.precision = precision;
    *handle = &device->base;
    rlt_status status = open_parts(device, err);
    if (status != RLT_OK) {
        close_device(handle);
    }
    return status;
}

extern "C" __attribute__((visibility("default"))) const rlt_backend *
rlt_cuda_backend_entry(uint32_t api_version) {
    return api_version == RLT_BACKEND_API_VERSION ? &backend : nullptr;
}
