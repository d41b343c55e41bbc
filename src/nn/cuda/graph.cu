/* nn/cuda: an update recorded once and run again: what is queued on the device's stream between
 * begin and end becomes a CUDA graph, which one call launches. Capture is relaxed, since the
 * libraries may load a kernel's code at its first use. Thread: the device's. */
#include "nn/cuda/cuda.h"

struct rlt_graph {
    cudaGraphExec_t exec;
};

rlt_status rlt_cuda_record_begin(rlt_device *handle, rlt_err *err) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    RLT_ASSERT(!device->recording);
    RLT_TRY(handle->backend->sync(handle, err));
    cudaError_t result = cudaStreamBeginCapture(device->stream, cudaStreamCaptureModeRelaxed);
    if (result != cudaSuccess) {
        return rlt_fail(err, RLT_EIO, "cuda:%d: a graph cannot be recorded: %s", handle->index,
                        cudaGetErrorString(result));
    }
    device->recording = true;
    return RLT_OK;
}

rlt_status rlt_cuda_record_end(rlt_device *handle, rlt_graph **graph, rlt_err *err) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    RLT_ASSERT(device->recording);
    device->recording = false;
    *graph = nullptr;
    cudaGraph_t captured = nullptr;
    cudaGraphExec_t exec = nullptr;
    cudaError_t result = cudaStreamEndCapture(device->stream, &captured);
    rlt_status status = handle->backend->sync(handle, err); /* a launch that failed says more */
    if (status == RLT_OK && result == cudaSuccess) {
        result = cudaGraphInstantiate(&exec, captured, 0);
    }
    if (captured != nullptr) {
        cudaGraphDestroy(captured);
    }
    if (status != RLT_OK) {
        return status;
    }
    rlt_graph *made = static_cast<rlt_graph *>(malloc(sizeof *made));
    if (result != cudaSuccess || made == nullptr) {
        free(made);
        cudaGetLastError();
        return rlt_fail(err, RLT_EIO, "cuda:%d: what was recorded is no graph: %s", handle->index,
                        cudaGetErrorString(result));
    }
    made->exec = exec;
    *graph = made;
    rlt_cuda_ok(device, "cudaGraphUpload", cudaGraphUpload(exec, device->stream));
    return RLT_OK;
}

void rlt_cuda_graph_run(rlt_device *handle, rlt_graph *graph) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    rlt_cuda_ok(device, "cudaGraphLaunch", cudaGraphLaunch(graph->exec, device->stream));
}

void rlt_cuda_graph_free(rlt_device *handle, rlt_graph **graph) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    if (*graph != nullptr) {
        rlt_cuda_ok(device, "cudaStreamSynchronize", cudaStreamSynchronize(device->stream));
        rlt_cuda_ok(device, "cudaGraphExecDestroy", cudaGraphExecDestroy((*graph)->exec));
        free(*graph);
        *graph = nullptr;
    }
}
