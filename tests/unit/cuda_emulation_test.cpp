/* The CUDA emulation itself: what it computes, and that it finds what it is there to find. */
#include "tests/support/cuda_emulation.h"

#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <sys/wait.h>
#include <unistd.h>
extern "C" {
#include <cmocka.h>
}

static __global__ void reverse(const int *from, int *to, bool synchronised) {
    __shared__ int tile[64];
    tile[threadIdx.x] = from[blockIdx.x * 64 + threadIdx.x];
    if (synchronised) {
        __syncthreads();
    }
    to[blockIdx.x * 64 + threadIdx.x] = tile[63 - threadIdx.x];
}

static cudaStream_t stream_make() {
    cudaStream_t stream;
    assert_int_equal(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    return stream;
}

/* How many of 192 numbers come out wrong. */
static int reverse_errors(uint64_t order, bool synchronised) {
    cudaStream_t stream = stream_make();
    int *from, *to, host[192], errors = 0;
    assert_int_equal(cudaMalloc(&from, sizeof host), cudaSuccess);
    assert_int_equal(cudaMalloc(&to, sizeof host), cudaSuccess);
    for (int i = 0; i < 192; i++) {
        host[i] = i;
    }
    cudaMemcpyAsync(from, host, sizeof host, cudaMemcpyHostToDevice, stream);
    emulation_set_order(order);
    RLT_LAUNCH(reverse, 3, 64, 0, stream, from, to, synchronised);
    cudaMemcpyAsync(host, to, sizeof host, cudaMemcpyDeviceToHost, stream);
    emulation_set_order(0);
    for (int i = 0; i < 192; i++) {
        errors += host[i] != i / 64 * 64 + 63 - i % 64;
    }
    cudaFree(from);
    cudaFree(to);
    cudaStreamDestroy(stream);
    return errors;
}

static void test_block(void **) {
    for (uint64_t order = 0; order < 6; order++) {
        assert_int_equal(reverse_errors(order, true), 0);
        assert_int_not_equal(reverse_errors(order, false), 0);
    }
}

static __global__ void warp_sums(const float *x, float *sum, int *found) {
    float value = x[threadIdx.x];
    for (int offset = 16; offset > 0; offset /= 2) {
        value += __shfl_xor_sync(0xffffffffu, value, offset);
    }
    unsigned votes = __ballot_sync(0xffffffffu, threadIdx.x % 3 == 0);
    float left = __shfl_up_sync(0xffffffffu, x[threadIdx.x], 1, 8);
    int odd = __syncthreads_count(threadIdx.x % 2);
    sum[threadIdx.x] = value;
    found[threadIdx.x] = __popc(votes) * 1000 + odd + (left == x[threadIdx.x] ? 100000 : 0);
}

static void test_warp(void **) {
    float *x, *sum, host[64];
    int *found, host_found[64];
    cudaMalloc(&x, sizeof host);
    cudaMalloc(&sum, sizeof host);
    cudaMalloc(&found, sizeof host_found);
    for (int i = 0; i < 64; i++) {
        host[i] = (float)i;
    }
    cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
    for (uint64_t order = 0; order < 5; order++) {
        emulation_set_order(order);
        RLT_LAUNCH(warp_sums, 1, 64, 0, nullptr, x, sum, found);
        cudaMemcpy(host, sum, sizeof host, cudaMemcpyDeviceToHost);
        cudaMemcpy(host_found, found, sizeof host_found, cudaMemcpyDeviceToHost);
        for (int i = 0; i < 64; i++) {
            assert_float_equal(host[i], i < 32 ? 496 : 1520, 0);
            /* 11 multiples of 3; the first lane of eight keeps its own value */
            assert_int_equal(host_found[i], 11000 + 32 + (i % 8 == 0 ? 100000 : 0));
        }
    }
    emulation_set_order(0);
    cudaFree(x);
    cudaFree(sum);
    cudaFree(found);
}

static __global__ void dynamic(float *to, int n) {
    RLT_SHARED(float, tile);
    float before = tile[threadIdx.x];
    tile[threadIdx.x] = 1;
    __syncthreads();
    to[blockIdx.x * blockDim.x + threadIdx.x] = before != before ? tile[n - 1] : -1;
}

/* Shared memory is NaN at the start of every block, whatever the one before left. */
static void test_dynamic_shared(void **) {
    float *to, host[96];
    cudaMalloc(&to, sizeof host);
    RLT_LAUNCH(dynamic, 3, 32, 32 * sizeof(float), nullptr, to, 32);
    cudaMemcpy(host, to, sizeof host, cudaMemcpyDeviceToHost);
    for (int i = 0; i < 96; i++) {
        assert_float_equal(host[i], 1, 0);
    }
    cudaFree(to);
}

static __global__ void half_barrier(int *to) {
    if (threadIdx.x < 32) {
        __syncthreads();
    }
    to[threadIdx.x] = 1;
}
static __global__ void half_warp(int *to) {
    if (threadIdx.x < 16) {
        to[threadIdx.x] = __shfl_xor_sync(0xffffffffu, (int)threadIdx.x, 1);
    }
}
static __global__ void past_shared(int *to) {
    RLT_SHARED(int, tile);
    tile[threadIdx.x + 1] = 0;
    to[threadIdx.x] = tile[threadIdx.x];
}
static __global__ void past_array(int *to) {
    __shared__ int tile[32];
    tile[threadIdx.x + 1] = 0;
    to[threadIdx.x] = tile[threadIdx.x];
}
static __global__ void past_device(int *to) {
    to[threadIdx.x + 1] = 0;
}
static __global__ void misaligned(int *to) {
    *(float4 *)(void *)(to + 1 + threadIdx.x % 2) = make_float4(0, 0, 0, 0);
}

/* The program must end abnormally. */
static bool dies(void (*kernel)(int *), int threads) {
    pid_t pid = fork();
    if (pid == 0) {
        int *to;
        if (freopen("/dev/null", "w", stderr) == nullptr) {
            _exit(0);
        }
        cudaMalloc(&to, (size_t)threads * sizeof *to);
        RLT_LAUNCH(kernel, 1, (unsigned)threads, (size_t)threads * sizeof *to, nullptr, to);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void test_faults(void **) {
    assert_true(dies(half_barrier, 64));
    assert_true(dies(half_warp, 32));
#if defined(__SANITIZE_ADDRESS__)
    assert_true(dies(past_shared, 32));
    assert_true(dies(past_array, 32));
    assert_true(dies(past_device, 32));
    assert_true(dies(misaligned, 32));
#else
    (void)past_shared;
    (void)past_array;
    (void)past_device;
    (void)misaligned;
#endif
}

static __global__ void increment(int *x) {
    if (threadIdx.x == 0) {
        x[0] += 1;
    }
}

/* Streams run when waited for, and see each other's work by events alone; a graph is run again. */
static void test_streams(void **) {
    cudaStream_t one = stream_make(), two = stream_make();
    cudaEvent_t event;
    int *x, *host;
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    cudaMalloc(&x, sizeof *x);
    cudaHostAlloc(&host, sizeof *host, cudaHostAllocDefault);
    cudaMemsetAsync(x, 0, sizeof *x, one);
    RLT_LAUNCH(increment, 1, 32, 0, one, x);
    cudaEventRecord(event, one);
    *host = 7;
    cudaMemcpyAsync(host, x, sizeof *x, cudaMemcpyDeviceToHost, two);
    cudaStreamSynchronize(two);
    assert_int_equal(*host, -1); /* nothing made it wait */
    cudaStreamWaitEvent(two, event);
    cudaMemcpyAsync(host, x, sizeof *x, cudaMemcpyDeviceToHost, two);
    assert_int_equal(*host, -1);
    cudaStreamSynchronize(two);
    assert_int_equal(*host, 1);

    cudaGraph_t graph;
    cudaGraphExec_t exec;
    assert_int_equal(cudaStreamBeginCapture(one, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    RLT_LAUNCH(increment, 1, 32, 0, one, x);
    RLT_LAUNCH(increment, 1, 32, 0, one, x);
    assert_int_equal(cudaStreamSynchronize(one), cudaErrorStreamCaptureUnsupported);
    assert_int_equal(cudaStreamEndCapture(one, &graph), cudaSuccess);
    assert_int_equal(cudaGraphInstantiate(&exec, graph), cudaSuccess);
    assert_int_equal(cudaGraphDestroy(graph), cudaSuccess);
    cudaGetLastError();
    for (int i = 0; i < 3; i++) {
        cudaGraphLaunch(exec, one);
    }
    cudaMemcpyAsync(host, x, sizeof *x, cudaMemcpyDeviceToHost, one);
    assert_int_equal(cudaStreamSynchronize(one), cudaSuccess);
    assert_int_equal(*host, 7);
    cudaGraphExecDestroy(exec);
    cudaEventDestroy(event);
    cudaStreamDestroy(one);
    cudaStreamDestroy(two);
    cudaFree(x);
    cudaFreeHost(host);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block),          cmocka_unit_test(test_warp),
        cmocka_unit_test(test_dynamic_shared), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_streams),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
