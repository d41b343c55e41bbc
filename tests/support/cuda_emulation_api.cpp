/* The emulation's streams, events, graphs and memory. A stream is a queue that runs when somebody
 * waits for it, and then alone but for the events it waits for; the default stream runs at once.
 * Copies between the device and pageable host memory behave as CUDA says: staged at the call (to
 * the device), done at the call (from it). A recorded graph runs its work in the order of the
 * calls, whatever the streams. Thread: one host thread. */
#include "tests/support/cuda_emulation.h"

#include <deque>
#include <map>
#include <memory>
#include <vector>

typedef std::function<void()> work;

struct emulation_stream {
    std::deque<work> queue;
};
struct emulation_event {
    uint64_t recorded, done;
    cudaStream_t stream;
};
struct emulation_graph {
    std::vector<work> works;
};
struct emulation_graph_exec {
    std::shared_ptr<std::vector<work>> works;
};

namespace {

std::vector<cudaStream_t> streams;
std::map<const char *, size_t> device_memory, pinned_memory;
cudaGraph_t recording;
cudaError_t last_error;

[[noreturn]] void fail(const char *call, const char *text) {
    fflush(stdout);
    fprintf(stderr, "cuda emulation: %s: %s\n", call, text);
    abort();
}

cudaError_t result(cudaError_t error) {
    last_error = error == cudaSuccess ? last_error : error;
    return error;
}

bool within(const std::map<const char *, size_t> &memory, const void *at, size_t bytes) {
    auto after = memory.upper_bound((const char *)at);
    if (after == memory.begin()) {
        return false;
    }
    auto block = std::prev(after);
    return (const char *)at + bytes <= block->first + block->second;
}

bool step(cudaStream_t stream) {
    if (stream->queue.empty()) {
        return false;
    }
    work next = std::move(stream->queue.front());
    stream->queue.pop_front();
    next();
    return true;
}

void run_all(cudaStream_t stream) {
    while (step(stream)) {
    }
}

void run_everything() {
    for (cudaStream_t stream : streams) {
        run_all(stream);
    }
}

void check_device(const char *call, const void *at, size_t bytes) {
    if (bytes > 0 && !within(device_memory, at, bytes)) {
        fail(call, "not within one allocation of device memory");
    }
}

} // namespace

void emulation_enqueue(cudaStream_t stream, std::function<void()> next) {
    if (recording != nullptr) {
        recording->works.push_back(std::move(next));
    } else if (stream == nullptr) {
        run_everything();
        next();
    } else {
        stream->queue.push_back(std::move(next));
    }
}

cudaError_t cudaGetDeviceCount(int *count) {
    *count = 1;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
    if (device != 0) {
        return result(cudaErrorInvalidDevice);
    }
    *properties = cudaDeviceProp();
    snprintf(properties->name, sizeof properties->name, "emulated device");
    properties->totalGlobalMem = (size_t)1 << 30;
    properties->sharedMemPerBlockOptin = 227 * 1024;
    properties->major = 9;
    properties->multiProcessorCount = 4;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
    cudaDeviceProp properties;
    cudaError_t error = cudaGetDeviceProperties(&properties, device);
    if (error == cudaSuccess) {
        *value = attribute == cudaDevAttrMultiProcessorCount      ? properties.multiProcessorCount
                 : attribute == cudaDevAttrComputeCapabilityMajor ? properties.major
                 : attribute == cudaDevAttrComputeCapabilityMinor ? properties.minor
                                                                  : 227 * 1024;
    }
    return error;
}

cudaError_t cudaSetDevice(int device) {
    return device == 0 ? cudaSuccess : result(cudaErrorInvalidDevice);
}

cudaError_t cudaGetDevice(int *device) {
    *device = 0;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetLastError() {
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError() {
    return last_error;
}

const char *cudaGetErrorName(cudaError_t error) {
    return error == cudaSuccess                 ? "cudaSuccess"
           : error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation"
           : error == cudaErrorInvalidDevice    ? "cudaErrorInvalidDevice"
                                                : "cudaError";
}

const char *cudaGetErrorString(cudaError_t error) {
    return error == cudaSuccess                 ? "no error"
           : error == cudaErrorMemoryAllocation ? "out of memory"
           : error == cudaErrorInvalidDevice    ? "invalid device ordinal"
                                                : "an error of the emulation";
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
    size_t used = 0;
    for (const auto &block : device_memory) {
        used += block.second;
    }
    *total = (size_t)1 << 30;
    *free_bytes = *total - std::min(used, *total);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes) {
    size_t available, total;
    cudaMemGetInfo(&available, &total);
    if (recording != nullptr) {
        return result(cudaErrorStreamCaptureUnsupported);
    }
    if (bytes > available || posix_memalign(memory, 256, std::max(bytes, (size_t)1)) != 0) {
        *memory = nullptr;
        return result(cudaErrorMemoryAllocation);
    }
    memset(*memory, 0xff, bytes);
    device_memory[(const char *)*memory] = bytes;
    return cudaSuccess;
}

cudaError_t cudaFree(void *memory) {
    if (memory != nullptr) {
        run_everything();
        if (device_memory.erase((const char *)memory) == 0) {
            fail("cudaFree", "not what cudaMalloc gave");
        }
        free(memory);
    }
    return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned) {
    if (posix_memalign(memory, 256, std::max(bytes, (size_t)1)) != 0) {
        return result(cudaErrorMemoryAllocation);
    }
    pinned_memory[(const char *)*memory] = bytes;
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *memory) {
    if (memory != nullptr) {
        run_everything();
        if (pinned_memory.erase((const char *)memory) == 0) {
            fail("cudaFreeHost", "not what cudaHostAlloc gave");
        }
        free(memory);
    }
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    if (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice) {
        check_device("cudaMemcpyAsync, from", from, bytes);
    }
    if (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) {
        check_device("cudaMemcpyAsync, to", to, bytes);
    }
    if (kind == cudaMemcpyHostToDevice && !within(pinned_memory, from, bytes)) {
        const char *source = (const char *)from;
        std::vector<char> staged(source, source + bytes);
        emulation_enqueue(stream, [=]() { memcpy(to, staged.data(), bytes); });
        return cudaSuccess;
    }
    emulation_enqueue(stream, [=]() { memcpy(to, from, bytes); });
    if (kind == cudaMemcpyDeviceToHost && !within(pinned_memory, to, bytes)) {
        return cudaStreamSynchronize(stream);
    }
    return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
    for (size_t i = 0; i < height; i++) {
        cudaError_t error = cudaMemcpyAsync(
            (char *)to + i * to_pitch, (const char *)from + i * from_pitch, width, kind, stream);
        if (error != cudaSuccess) {
            return error;
        }
    }
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    if (recording != nullptr) {
        return result(cudaErrorStreamCaptureUnsupported);
    }
    return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
    check_device("cudaMemsetAsync", memory, bytes);
    emulation_enqueue(stream, [=]() { memset(memory, value, bytes); });
    return cudaSuccess;
}

cudaError_t cudaMemset(void *memory, int value, size_t bytes) {
    return cudaMemsetAsync(memory, value, bytes, nullptr);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
    *stream = new emulation_stream();
    streams.push_back(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream) {
    return cudaStreamCreateWithFlags(stream, 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    run_all(stream);
    streams.erase(std::find(streams.begin(), streams.end(), stream));
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (recording != nullptr) {
        return result(cudaErrorStreamCaptureUnsupported);
    }
    if (stream != nullptr) {
        run_all(stream);
    } else {
        run_everything();
    }
    return last_error;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
    return stream == nullptr || stream->queue.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize() {
    return cudaStreamSynchronize(nullptr);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
    *event = new emulation_event();
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event) {
    return cudaEventCreateWithFlags(event, 0);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    run_everything(); /* queued work may name it */
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    if (recording == nullptr) {
        uint64_t version = ++event->recorded;
        event->stream = stream;
        emulation_enqueue(stream, [=]() { event->done = std::max(event->done, version); });
    }
    return cudaSuccess;
}

/* Runs the stream that records the event until it has. */
static void await(cudaEvent_t event, uint64_t version) {
    while (event->done < version) {
        if (event->stream == nullptr || !step(event->stream)) {
            fail("cudaStreamWaitEvent", "the streams wait for each other");
        }
    }
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    if (recording == nullptr) {
        uint64_t version = event->recorded;
        emulation_enqueue(stream, [=]() { await(event, version); });
    }
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    await(event, event->recorded);
    return last_error;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
    return event->done < event->recorded ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t, cudaEvent_t) {
    *ms = 0; /* time says nothing here */
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    if (recording != nullptr || stream == nullptr) {
        return result(cudaErrorStreamCaptureUnsupported);
    }
    recording = new emulation_graph();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *graph) {
    *graph = recording;
    recording = nullptr;
    return *graph == nullptr ? result(cudaErrorInvalidValue) : cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus *status) {
    *status = recording != nullptr ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
    *exec = new emulation_graph_exec{std::make_shared<std::vector<work>>(graph->works)};
    return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    std::shared_ptr<std::vector<work>> works = exec->works;
    emulation_enqueue(stream, [=]() {
        for (const work &next : *works) {
            next();
        }
    });
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    delete exec;
    return cudaSuccess;
}
