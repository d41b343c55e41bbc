/* nn/cuda: matrix products by cuBLASLt. A row-major product is the column-major one of the same
 * memory with the factors exchanged: c^T = b^T a^T; so cuBLASLt's A is our b, its M our n, and its
 * bias, which has M values, our bias of columns. The algorithm of a shape is the library's first
 * choice within the device's workspace and without sums in place (whose order may change), asked
 * for once and kept: the same shape always runs the same kernel.
 * bf16 and TF32 round float32 operands inside the product. Storing activations and weights' copies
 * in bf16 besides would halve the bytes that a product reads; it pays where the product is bound
 * by memory, and needs copies made by whoever writes the operand. Thread: the device's. */
#include "nn/cuda/libs_impl.h"

static int alignment_of(const void *pointer) {
    uintptr_t address = reinterpret_cast<uintptr_t>(pointer);
    return address % 16 == 0 ? 16 : address % 8 == 0 ? 8 : 4;
}
static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* The key of a product's choice. */
static rlt_gemm_choice key_of(const rlt_gemm *gemm) {
    rlt_gemm_choice key = {};
    key.m = gemm->m;
    key.n = gemm->n;
    key.k = gemm->k;
    key.lda = gemm->lda;
    key.ldb = gemm->ldb;
    key.ldc = gemm->ldc;
    key.a_t = gemm->a_t;
    key.b_t = gemm->b_t;
    key.batch = gemm->batch > 1 ? gemm->batch : 1;
    key.epilogue = gemm->epilogue;
    key.a_stride = key.batch > 1 ? gemm->a_stride : 0;
    key.b_stride = key.batch > 1 ? gemm->b_stride : 0;
    key.c_stride = key.batch > 1 ? gemm->c_stride : 0;
    key.accumulate = gemm->beta != 0.0f;
    key.alignment = smaller(
        smaller(alignment_of(gemm->a), alignment_of(gemm->b)),
        smaller(alignment_of(gemm->c), gemm->bias == nullptr ? 16 : alignment_of(gemm->bias)));
    return key;
}

static bool same(const rlt_gemm_choice *x, const rlt_gemm_choice *y) {
    return x->m == y->m && x->n == y->n && x->k == y->k && x->lda == y->lda && x->ldb == y->ldb &&
           x->ldc == y->ldc && x->a_t == y->a_t && x->b_t == y->b_t && x->batch == y->batch &&
           x->epilogue == y->epilogue && x->a_stride == y->a_stride && x->b_stride == y->b_stride &&
           x->c_stride == y->c_stride && x->accumulate == y->accumulate &&
           x->alignment == y->alignment;
}

static unsigned hash_of(const rlt_gemm_choice *key) {
    const long long words[] = {
        key->m,         key->n,
        key->k,         key->lda,
        key->ldb,       key->ldc,
        key->batch,     key->a_stride,
        key->b_stride,  key->c_stride,
        key->alignment, key->a_t + 2 * key->b_t + 4 * key->accumulate + 8 * key->epilogue};
    uint64_t hash = 0xcbf29ce484222325u;
    for (long long word : words) {
        hash = (hash ^ (uint64_t)word) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return (unsigned)(hash ^ hash >> 32);
}

static cublasComputeType_t compute_of(const rlt_cuda_device *device) {
    switch (device->base.precision) {
    case RLT_PRECISION_TF32:
        return CUBLAS_COMPUTE_32F_FAST_TF32;
    case RLT_PRECISION_BF16:
        return CUBLAS_COMPUTE_32F_FAST_16BF;
    default:
        return CUBLAS_COMPUTE_32F;
    }
}

/* A column-major matrix of `rows` by `columns`, as cuBLASLt sees it. */
static bool make_layout(const rlt_cublas_api *api, cublasLtMatrixLayout_t *layout, int rows,
                        int columns, int ld, int batch, long long stride) {
    if (api->cublasLtMatrixLayoutCreate(layout, CUDA_R_32F, (uint64_t)rows, (uint64_t)columns,
                                        ld) != CUBLAS_STATUS_SUCCESS) {
        return false;
    }
    if (batch == 1) {
        return true;
    }
    int64_t offset = stride;
    return api->cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                 &batch, sizeof batch) == CUBLAS_STATUS_SUCCESS &&
           api->cublasLtMatrixLayoutSetAttribute(*layout,
                                                 CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                 &offset, sizeof offset) == CUBLAS_STATUS_SUCCESS;
}

static bool set(const rlt_cublas_api *api, cublasLtMatmulDesc_t desc,
                cublasLtMatmulDescAttributes_t attribute, const void *value, size_t size) {
    return api->cublasLtMatmulDescSetAttribute(desc, attribute, value, size) ==
           CUBLAS_STATUS_SUCCESS;
}

static bool make_descriptors(rlt_cuda_device *device, rlt_gemm_choice *choice,
                             const rlt_gemm *gemm) {
    const rlt_cublas_api *api = device->libs->cublas;
    cublasOperation_t first = choice->b_t ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasOperation_t second = choice->a_t ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasLtEpilogue_t epilogue = choice->epilogue == RLT_EPILOGUE_BIAS ? CUBLASLT_EPILOGUE_BIAS
                                  : choice->epilogue == RLT_EPILOGUE_BIAS_RELU
                                      ? CUBLASLT_EPILOGUE_RELU_BIAS
                                      : CUBLASLT_EPILOGUE_DEFAULT;
    return api->cublasLtMatmulDescCreate(&choice->desc, compute_of(device), CUDA_R_32F) ==
               CUBLAS_STATUS_SUCCESS &&
           set(api, choice->desc, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first) &&
           set(api, choice->desc, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second) &&
           set(api, choice->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue) &&
           (choice->epilogue == RLT_EPILOGUE_NONE ||
            set(api, choice->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &gemm->bias,
                sizeof gemm->bias)) &&
           make_layout(api, &choice->a_layout, choice->b_t ? choice->k : choice->n,
                       choice->b_t ? choice->n : choice->k, choice->ldb, choice->batch,
                       choice->b_stride) &&
           make_layout(api, &choice->b_layout, choice->a_t ? choice->m : choice->k,
                       choice->a_t ? choice->k : choice->m, choice->lda, choice->batch,
                       choice->a_stride) &&
           make_layout(api, &choice->c_layout, choice->n, choice->m, choice->ldc, choice->batch,
                       choice->c_stride);
}

static cublasStatus_t choose_algorithm(rlt_cuda_device *device, rlt_gemm_choice *choice) {
    const rlt_cublas_api *api = device->libs->cublas;
    cublasLtMatmulPreference_t preference = nullptr;
    cublasStatus_t result = api->cublasLtMatmulPreferenceCreate(&preference);
    if (result != CUBLAS_STATUS_SUCCESS) {
        return result;
    }
    size_t workspace = RLT_CUDA_WORKSPACE_BYTES;
    uint32_t schemes =
        CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE;
    uint32_t alignment = (uint32_t)choice->alignment;
    const cublasLtMatmulPreferenceAttributes_t alignments[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    api->cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                              &workspace, sizeof workspace);
    api->cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes);
    for (cublasLtMatmulPreferenceAttributes_t attribute : alignments) {
        api->cublasLtMatmulPreferenceSetAttribute(preference, attribute, &alignment,
                                                  sizeof alignment);
    }
    cublasLtMatmulHeuristicResult_t found = {};
    int count = 0;
    result = api->cublasLtMatmulAlgoGetHeuristic(
        device->libs->cublas_handle, choice->desc, choice->a_layout, choice->b_layout,
        choice->c_layout, choice->c_layout, preference, 1, &found, &count);
    api->cublasLtMatmulPreferenceDestroy(preference);
    if (result == CUBLAS_STATUS_SUCCESS && count == 0) {
        result = CUBLAS_STATUS_NOT_SUPPORTED;
    }
    choice->algo = found.algo;
    return result;
}

static void drop(const rlt_cublas_api *api, rlt_gemm_choice *choice) {
    if (choice->desc != nullptr) {
        api->cublasLtMatmulDescDestroy(choice->desc);
    }
    for (cublasLtMatrixLayout_t layout : {choice->a_layout, choice->b_layout, choice->c_layout}) {
        if (layout != nullptr) {
            api->cublasLtMatrixLayoutDestroy(layout);
        }
    }
    *choice = rlt_gemm_choice{};
}

/* The kept choice for this product, made now if there is none; NULL after noting why not. A table
 * that is full gives up its entry. */
static rlt_gemm_choice *choose(rlt_cuda_device *device, const rlt_gemm *gemm) {
    rlt_cuda_libs *libs = device->libs;
    rlt_gemm_choice key = key_of(gemm);
    unsigned at = hash_of(&key) % RLT_CUDA_GEMMS_MAX;
    for (int tries = 0; tries < 64 && libs->gemms[at].used; tries++) {
        if (same(&libs->gemms[at], &key)) {
            return &libs->gemms[at];
        }
        at = (at + 1) % RLT_CUDA_GEMMS_MAX;
    }
    rlt_gemm_choice *choice = &libs->gemms[at];
    drop(libs->cublas, choice);
    *choice = key;
    cublasStatus_t result = make_descriptors(device, choice, gemm)
                                ? choose_algorithm(device, choice)
                                : CUBLAS_STATUS_INVALID_VALUE;
    if (result != CUBLAS_STATUS_SUCCESS) {
        drop(libs->cublas, choice);
        rlt_cuda_note(device, "cuBLASLt has no algorithm for a product",
                      libs->cublas->cublasLtGetStatusString(result));
        return nullptr;
    }
    choice->used = true;
    return choice;
}

void rlt_cuda_gemm(rlt_cuda_device *device, const rlt_gemm *gemm) {
    if (gemm->m == 0 || gemm->n == 0) {
        return;
    }
    const rlt_cublas_api *api = device->libs->cublas;
    rlt_gemm_choice *choice = choose(device, gemm);
    if (choice == nullptr) {
        return;
    }
    if (gemm->epilogue != RLT_EPILOGUE_NONE) {
        api->cublasLtMatmulDescSetAttribute(choice->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                            &gemm->bias, sizeof gemm->bias);
    }
    float one = 1.0f;
    cublasStatus_t result = api->cublasLtMatmul(
        device->libs->cublas_handle, choice->desc, &one, gemm->b, choice->a_layout, gemm->a,
        choice->b_layout, &gemm->beta, gemm->c, choice->c_layout, gemm->c, choice->c_layout,
        &choice->algo, device->workspace, RLT_CUDA_WORKSPACE_BYTES, device->stream);
    if (result != CUBLAS_STATUS_SUCCESS) {
        rlt_cuda_note(device, "cublasLtMatmul", api->cublasLtGetStatusString(result));
    }
}

void rlt_cuda_gemms_close(rlt_cuda_libs *libs) {
    for (rlt_gemm_choice &choice : libs->gemms) {
        drop(libs->cublas, &choice);
    }
}
