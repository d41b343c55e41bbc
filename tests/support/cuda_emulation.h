/* CUDA's execution model on the CPU: the .cu files of src/nn/cuda compiled as C++ against this
 * header run where there is no GPU. What a kernel's author can get wrong shows up here:
 *   - the threads of a block are fibres in a chosen order (emulation_set_order), each running until
 *     it meets a barrier, so that a missing __syncthreads reads what is not there yet;
 *   - shared memory, dynamic too, is NaN at the start of every block, device memory when allocated;
 *   - accesses out of bounds and misaligned vector loads are found by the sanitizers;
 *   - a barrier or warp exchange that not all threads reach ends the program with its place;
 *   - streams are queues that run when somebody waits for them, alone: a missing event or a host
 *     buffer that is gone too early shows.
 * Not emulated: textures, cooperative groups, dynamic parallelism, warp exchanges with part of the
 * warp, memory models (a fibre's write is seen at once). Kernels must have internal linkage.
 * Blocks have a multiple of 32 threads. Thread: one host thread. */
#ifndef RLT_CUDA_EMULATION_H
#define RLT_CUDA_EMULATION_H
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static __attribute__((section("rlt_shared")))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __forceinline__ inline __attribute__((always_inline))

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {
    }
};
struct int2 {
    int x, y;
};
struct uint2 {
    unsigned x, y;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(4) uchar4 {
    unsigned char x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) double2 {
    double x, y;
};
inline float2 make_float2(float x, float y) {
    return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
    return {x, y, z, w};
}
inline double2 make_double2(double x, double y) {
    return {x, y};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
    return {x, y};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
    return {x, y, z, w};
}

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
static const int warpSize = 32;

/* ---- barriers and warp exchanges; `place` names the call in messages ---- */

void emulation_block_barrier(const char *place);
int emulation_block_vote(const char *place, int value, int kind); /* 0 count, 1 and, 2 or */
/* The value that `lane` of this warp gave to the same call. `kind` must agree in all lanes. */
uint64_t emulation_warp_exchange(const char *place, int kind, unsigned mask, uint64_t value,
                                 int lane);
unsigned emulation_warp_ballot(const char *place, unsigned mask, int value);
int emulation_lane();

#define EMULATION_TEXT2(x) #x
#define EMULATION_TEXT(x) EMULATION_TEXT2(x)
#define EMULATION_PLACE __FILE__ ":" EMULATION_TEXT(__LINE__)
#define __syncthreads() emulation_block_barrier(EMULATION_PLACE)
#define __syncthreads_count(value) emulation_block_vote(EMULATION_PLACE, !!(value), 0)
#define __syncthreads_and(value) emulation_block_vote(EMULATION_PLACE, !!(value), 1)
#define __syncthreads_or(value) emulation_block_vote(EMULATION_PLACE, !!(value), 2)
#define __ballot_sync(mask, value) emulation_warp_ballot(EMULATION_PLACE, mask, !!(value))
#define __any_sync(mask, value) (__ballot_sync(mask, value) != 0)
#define __all_sync(mask, value) (__ballot_sync(mask, value) == 0xffffffffu)

inline void __syncwarp(unsigned mask = 0xffffffffu) {
    emulation_warp_exchange("__syncwarp", 0, mask, 0, 0);
}
inline void __threadfence() {
}
inline void __threadfence_block() {
}

template <class T> T emulation_shuffle(int kind, unsigned mask, T value, int lane, bool inside) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable<T>::value, "a register or two");
    uint64_t word = 0;
    std::memcpy(&word, &value, sizeof value);
    word =
        emulation_warp_exchange("__shfl_sync", kind, mask, word, inside ? lane : emulation_lane());
    std::memcpy(&value, &word, sizeof value);
    return value;
}
template <class T> T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
    int base = emulation_lane() & ~(width - 1);
    return emulation_shuffle(1, mask, value, base + (lane & (width - 1)), true);
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
    int self = emulation_lane(), lane = self ^ bits;
    return emulation_shuffle(2, mask, value, lane, lane < (self & ~(width - 1)) + width);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    int self = emulation_lane(), lane = self + (int)delta;
    return emulation_shuffle(3, mask, value, lane, lane < (self & ~(width - 1)) + width);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    int self = emulation_lane(), lane = self - (int)delta;
    return emulation_shuffle(4, mask, value, lane, lane >= (self & ~(width - 1)));
}

/* ---- arithmetic ---- */

template <class T> T atomicAdd(T *to, T value) {
    static_assert(std::is_integral<T>::value, "sums of floats have a fixed order here");
    T old = *to;
    *to = old + value;
    return old;
}
template <class T> T atomicCAS(T *to, T expected, T value) {
    T old = *to;
    *to = old == expected ? value : old;
    return old;
}
template <class T> T atomicExch(T *to, T value) {
    T old = *to;
    *to = value;
    return old;
}
template <class T> T atomicMax(T *to, T value) {
    T old = *to;
    *to = old < value ? value : old;
    return old;
}
template <class T> T atomicOr(T *to, T value) {
    T old = *to;
    *to = old | value;
    return old;
}

template <class To, class From> To emulation_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same size");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}
inline unsigned __float_as_uint(float x) {
    return emulation_bits<unsigned>(x);
}
inline int __float_as_int(float x) {
    return emulation_bits<int>(x);
}
inline float __uint_as_float(unsigned x) {
    return emulation_bits<float>(x);
}
inline float __int_as_float(int x) {
    return emulation_bits<float>(x);
}
inline unsigned __umulhi(unsigned a, unsigned b) {
    return (unsigned)((uint64_t)a * b >> 32);
}
inline int __popc(unsigned x) {
    return __builtin_popcount(x);
}
inline int __clz(int x) {
    return x == 0 ? 32 : __builtin_clz((unsigned)x);
}
inline int __ffs(int x) {
    return __builtin_ffs(x);
}
inline float __expf(float x) {
    return expf(x);
}
inline float __logf(float x) {
    return logf(x);
}
inline float __fdividef(float a, float b) {
    return a / b;
}
inline float __frcp_rn(float x) {
    return 1 / x;
}
inline float __saturatef(float x) {
    return x > 0 ? std::min(x, 1.0f) : 0;
}
inline float rsqrtf(float x) {
    return 1 / sqrtf(x);
}
inline double cospi(double x) {
    return cos(3.141592653589793 * x);
}
template <class T> T __ldg(const T *from) {
    return *from;
}
inline int min(int a, int b) {
    return a < b ? a : b;
}
inline int max(int a, int b) {
    return a < b ? b : a;
}
inline unsigned min(unsigned a, unsigned b) {
    return a < b ? a : b;
}
inline size_t min(size_t a, size_t b) {
    return a < b ? a : b;
}
inline size_t max(size_t a, size_t b) {
    return a < b ? b : a;
}

/* bfloat16, rounded to nearest even. */
struct __nv_bfloat16 {
    uint16_t bits;
};
struct alignas(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};
inline __nv_bfloat16 __float2bfloat16(float x) {
    uint32_t bits = __float_as_uint(x);
    bool nan = x != x;
    return {(uint16_t)(nan ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}
inline __nv_bfloat16 __float2bfloat16_rn(float x) {
    return __float2bfloat16(x);
}
inline float __bfloat162float(__nv_bfloat16 x) {
    return __uint_as_float((uint32_t)x.bits << 16);
}
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
    return {__float2bfloat16(x), __float2bfloat16(y)};
}

/* ---- launches ---- */

/* Ascending (0), descending (1), or at random by this seed, the order anew at every barrier. */
extern "C" void emulation_set_order(uint64_t seed);
uint64_t emulation_launches(); /* so far */
void *emulation_dynamic_shared();

struct emulation_stream;
struct emulation_event;
struct emulation_graph;
struct emulation_graph_exec;
typedef emulation_stream *cudaStream_t;
typedef emulation_event *cudaEvent_t;
typedef emulation_graph *cudaGraph_t;
typedef emulation_graph_exec *cudaGraphExec_t;

/* Queues work on the stream, or records it. */
void emulation_enqueue(cudaStream_t stream, std::function<void()> work);
void emulation_run(const char *name, dim3 grid, dim3 block, size_t shared_bytes,
                   const std::function<void()> &thread);

template <class... P, class... A>
void emulation_launch(const char *name, void (*kernel)(P...), dim3 grid, dim3 block,
                      size_t shared_bytes, cudaStream_t stream, A... args) {
    emulation_enqueue(stream, [=]() {
        emulation_run(name, grid, block, shared_bytes, [&]() { kernel(static_cast<P>(args)...); });
    });
}

/* As in src/nn/cuda/cuda.h. */
#define RLT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                 \
    emulation_launch(#kernel, kernel, grid, block, shared_bytes, stream, __VA_ARGS__)
#define RLT_SHARED(type, name) type *name = reinterpret_cast<type *>(emulation_dynamic_shared())

#include "tests/support/cuda_emulation_api.h"
#endif
