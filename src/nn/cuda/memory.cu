/* nn/cuda: memory of the device, pinned memory of the host, and copies. An upload goes through a
 * ring of stages: the host writes a pinned buffer, the copy stream carries it to a landing buffer
 * of the device while the compute stream works on what came before, and a copy within the device,
 * in the order of the calls, puts it where it belongs. So transfers overlap with work without the
 * caller knowing, and the order of calls stays the order of effects. Thread: the device's. */
#include "nn/cuda/cuda.h"

#define GIB (1024.0 * 1024.0 * 1024.0)

rlt_status rlt_cuda_alloc(rlt_device *handle, size_t bytes, void **memory, rlt_err *err) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    *memory = nullptr;
    if (bytes == 0) {
        return RLT_OK;
    }
    cudaError_t result = cudaMalloc(memory, bytes);
    if (result == cudaSuccess) {
        rlt_cuda_ok(device, "cudaMemsetAsync", cudaMemsetAsync(*memory, 0, bytes, device->stream));
        return RLT_OK;
    }
    size_t free_bytes = 0, total = 0;
    *memory = nullptr;
    cudaGetLastError();
    cudaMemGetInfo(&free_bytes, &total);
    return rlt_fail(err, RLT_ENOMEM,
                    "%s:%d: no memory for %zu bytes (%.2f GiB); %zu bytes (%.2f of %.2f GiB) are "
                    "free: %s. Fewer environments, a smaller minibatch or a smaller model need "
                    "less",
                    device->base.backend->name, device->base.index, bytes, bytes / GIB, free_bytes,
                    free_bytes / GIB, total / GIB, cudaGetErrorString(result));
}

void rlt_cuda_free(rlt_device *handle, void *memory) {
    rlt_cuda_ok(rlt_cuda_of(handle), "cudaFree", cudaFree(memory));
}

/* The entry of alloc_host whose range holds all of memory[bytes], or -1. */
static int pinned_at(const rlt_cuda_device *device, const void *memory, size_t bytes) {
    const char *begin = static_cast<const char *>(memory);
    for (int i = 0; i < RLT_CUDA_PINNED_MAX; i++) {
        const char *range = static_cast<const char *>(device->pinned[i]);
        if (range != nullptr && begin >= range &&
            begin + bytes <= range + device->pinned_bytes[i]) {
            return i;
        }
    }
    return -1;
}

rlt_status rlt_cuda_alloc_host(rlt_device *handle, size_t bytes, void **memory, rlt_err *err) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    *memory = nullptr;
    if (bytes == 0) {
        return RLT_OK;
    }
    cudaError_t result = cudaHostAlloc(memory, bytes, cudaHostAllocDefault);
    if (result != cudaSuccess) {
        cudaGetLastError();
        *memory = nullptr;
        return rlt_fail(err, RLT_ENOMEM, "no pinned host memory for %zu bytes (%.2f GiB): %s",
                        bytes, bytes / GIB, cudaGetErrorString(result));
    }
    memset(*memory, 0, bytes);
    for (int i = 0; i < RLT_CUDA_PINNED_MAX; i++) { /* beyond the table: staged like any memory */
        if (device->pinned[i] == nullptr) {
            device->pinned[i] = *memory;
            device->pinned_bytes[i] = bytes;
            break;
        }
    }
    return RLT_OK;
}

void rlt_cuda_free_host(rlt_device *handle, void *memory) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    if (memory == nullptr) {
        return;
    }
    for (int i = 0; i < RLT_CUDA_PINNED_MAX; i++) {
        if (device->pinned[i] == memory) {
            device->pinned[i] = nullptr;
        }
    }
    rlt_cuda_ok(device, "cudaFreeHost", cudaFreeHost(memory));
}

/* One piece of an upload. Waits on the host only where the ring has gone round before the piece of
 * four stages ago was carried off. */
static void upload_piece(rlt_cuda_device *device, void *to, const void *from, size_t bytes,
                         bool pinned) {
    rlt_cuda_stage *stage = &device->stages[device->stage_next];
    device->stage_next = (device->stage_next + 1) % RLT_CUDA_STAGES;
    const void *source = from;
    if (!pinned) {
        rlt_cuda_ok(device, "upload", cudaEventSynchronize(stage->landed));
        memcpy(stage->pinned, from, bytes);
        source = stage->pinned;
    }
    rlt_cuda_ok(device, "upload", cudaStreamWaitEvent(device->copies, stage->consumed, 0));
    rlt_cuda_ok(
        device, "upload",
        cudaMemcpyAsync(stage->landing, source, bytes, cudaMemcpyHostToDevice, device->copies));
    rlt_cuda_ok(device, "upload", cudaEventRecord(stage->landed, device->copies));
    rlt_cuda_ok(device, "upload", cudaStreamWaitEvent(device->stream, stage->landed, 0));
    rlt_cuda_ok(
        device, "upload",
        cudaMemcpyAsync(to, stage->landing, bytes, cudaMemcpyDeviceToDevice, device->stream));
    rlt_cuda_ok(device, "upload", cudaEventRecord(stage->consumed, device->stream));
}

void rlt_cuda_upload(rlt_device *handle, void *to, const void *from_host, size_t bytes) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    bool pinned = pinned_at(device, from_host, bytes) >= 0;
    for (size_t at = 0; at < bytes; at += RLT_CUDA_STAGE_BYTES) {
        size_t left = bytes - at;
        upload_piece(device, static_cast<char *>(to) + at,
                     static_cast<const char *>(from_host) + at,
                     left < RLT_CUDA_STAGE_BYTES ? left : RLT_CUDA_STAGE_BYTES, pinned);
    }
}

/* Into pinned memory directly; else through the stages' pinned buffers, one piece being carried
 * while the one before is copied out. */
void rlt_cuda_download(rlt_device *handle, void *to_host, const void *from, size_t bytes) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    char *to = static_cast<char *>(to_host);
    if (pinned_at(device, to_host, bytes) >= 0) {
        rlt_cuda_ok(device, "download",
                    cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device->stream));
        rlt_cuda_ok(device, "download", cudaStreamSynchronize(device->stream));
        return;
    }
    rlt_cuda_stage *before = nullptr;
    size_t before_at = 0, before_bytes = 0;
    for (size_t at = 0; at < bytes || before != nullptr; at += RLT_CUDA_STAGE_BYTES) {
        rlt_cuda_stage *stage = nullptr;
        size_t piece = 0;
        if (at < bytes) {
            stage = &device->stages[device->stage_next];
            device->stage_next = (device->stage_next + 1) % RLT_CUDA_STAGES;
            piece = bytes - at < RLT_CUDA_STAGE_BYTES ? bytes - at : RLT_CUDA_STAGE_BYTES;
            rlt_cuda_ok(device, "download", cudaEventSynchronize(stage->landed));
            rlt_cuda_ok(device, "download",
                        cudaMemcpyAsync(stage->pinned, static_cast<const char *>(from) + at, piece,
                                        cudaMemcpyDeviceToHost, device->stream));
            rlt_cuda_ok(device, "download", cudaEventRecord(stage->landed, device->stream));
        }
        if (before != nullptr) {
            rlt_cuda_ok(device, "download", cudaEventSynchronize(before->landed));
            memcpy(to + before_at, before->pinned, before_bytes);
        }
        before = stage;
        before_at = at;
        before_bytes = piece;
    }
}

void rlt_cuda_copy(rlt_device *handle, void *to, const void *from, size_t bytes) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    rlt_cuda_ok(device, "copy",
                cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, device->stream));
}

void rlt_cuda_zero(rlt_device *handle, void *memory, size_t bytes) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    rlt_cuda_ok(device, "zero", cudaMemsetAsync(memory, 0, bytes, device->stream));
}
