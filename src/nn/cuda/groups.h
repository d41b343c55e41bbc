/* nn/cuda, private: rows taken by groups of G neighbouring lanes (a power of two up to the warp),
 * and the sums that a loss leaves. Thread: the device's. */
#ifndef RLT_NN_CUDA_GROUPS_H
#define RLT_NN_CUDA_GROUPS_H
#include "nn/cuda/cuda.h"

enum { LOSS_THREADS = 1024, LOSS_TERMS = RLT_SUM_COUNT };

template <int G, typename T> static __device__ __forceinline__ T group_sum(T value) {
#pragma unroll
    for (int offset = G / 2; offset > 0; offset /= 2) {
        value += __shfl_xor_sync(RLT_WARP_ALL, value, offset);
    }
    return value;
}
template <int G> static __device__ __forceinline__ float group_max(float value) {
#pragma unroll
    for (int offset = G / 2; offset > 0; offset /= 2) {
        value = fmaxf(value, __shfl_xor_sync(RLT_WARP_ALL, value, offset));
    }
    return value;
}
/* The index of the largest value, the first of equals; lanes without one bring index INT32_MAX. */
template <int G> static __device__ __forceinline__ int group_argmax(float value, int index) {
#pragma unroll
    for (int offset = G / 2; offset > 0; offset /= 2) {
        float other = __shfl_xor_sync(RLT_WARP_ALL, value, offset);
        int place = __shfl_xor_sync(RLT_WARP_ALL, index, offset);
        bool better = place != INT32_MAX &&
                      (index == INT32_MAX || other > value || (other == value && place < index));
        value = better ? other : value;
        index = better ? place : index;
    }
    return index;
}

/* A block has the RLT_FN_BLOCK rows of one partial sum, LOSS_THREADS / G at a time. Every thread
 * makes every turn, so that warp functions see the whole warp; past the last row it reads row 0. */
template <int G> struct loss_turns {
    static const int ROWS = LOSS_THREADS / G < RLT_FN_BLOCK ? LOSS_THREADS / G : RLT_FN_BLOCK;
    static const int COUNT = RLT_FN_BLOCK / ROWS, THREADS = ROWS * G;
};
struct loss_place {
    bool live;
    int row;
};
template <int G> static __device__ __forceinline__ loss_place loss_place_of(int turn, int n) {
    int row = blockIdx.x * RLT_FN_BLOCK + turn * loss_turns<G>::ROWS + threadIdx.x / G;
    loss_place place = {row < n, row < n ? row : 0};
    return place;
}

/* What a row, or a thread's rows, add to the sums. */
struct loss_sums {
    double term[LOSS_TERMS];
};

/* partial[block][LOSS_TERMS] from what the block's threads have summed. */
static __device__ __forceinline__ void loss_leave(const loss_sums &sums, double *partial) {
    __shared__ double shared[LOSS_TERMS][RLT_WARP];
    int lane = threadIdx.x % RLT_WARP, warp = threadIdx.x / RLT_WARP;
#pragma unroll
    for (int k = 0; k < LOSS_TERMS; k++) {
        double sum = rlt_warp_sum(sums.term[k]);
        if (lane == 0) {
            shared[k][warp] = sum;
        }
    }
    __syncthreads();
    if (warp < LOSS_TERMS) {
        double sum = rlt_warp_sum(lane < (int)(blockDim.x / RLT_WARP) ? shared[warp][lane] : 0.0);
        if (lane == 0) {
            partial[(size_t)blockIdx.x * LOSS_TERMS + warp] = sum;
        }
    }
}

static inline unsigned loss_blocks(int n) {
    return rlt_cuda_grid((size_t)n, RLT_FN_BLOCK);
}
/* update->current from partial[blocks][LOSS_TERMS], a warp a term (losses.cu). */
void rlt_cuda_loss_finish(rlt_cuda_device *device, rlt_update_state *update, const double *partial,
                          int n);
#endif
