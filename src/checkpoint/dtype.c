/* checkpoint: element types, and sizes that cannot overflow. Thread: any, no state. */
#include "checkpoint/checkpoint_impl.h"

const rlt_dtype_info rlt_dtype_infos[RLT_DTYPE_COUNT] = {
    [RLT_DTYPE_F32] = {"F32", 4}, [RLT_DTYPE_F64] = {"F64", 8}, [RLT_DTYPE_I32] = {"I32", 4},
    [RLT_DTYPE_I64] = {"I64", 8}, [RLT_DTYPE_U64] = {"U64", 8}, [RLT_DTYPE_U8] = {"U8", 1},
};

bool rlt_tensor_bytes_checked(const rlt_tensor *tensor, int64_t *bytes) {
    *bytes = (int64_t)rlt_dtype_infos[tensor->dtype].size;
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] < 0 || __builtin_mul_overflow(*bytes, tensor->shape[i], bytes)) {
            return false;
        }
    }
    return true;
}

size_t rlt_tensor_bytes(const rlt_tensor *tensor) {
    int64_t bytes = 0;
    RLT_ASSERT(tensor->rank >= 0 && tensor->rank <= RLT_TENSOR_RANK_MAX);
    RLT_ASSERT(rlt_tensor_bytes_checked(tensor, &bytes));
    return (size_t)bytes;
}
