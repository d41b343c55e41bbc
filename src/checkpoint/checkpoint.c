/* checkpoint: what a reader of a loaded checkpoint asks for. Thread: any, no state. */
#include "checkpoint/checkpoint_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void rlt_checkpoint_fini(rlt_checkpoint *checkpoint) {
    for (int i = 0; i < checkpoint->metadata_count; i++) {
        rlt_free(checkpoint->metadata[i].key);
        rlt_free(checkpoint->metadata[i].value);
    }
    rlt_free(checkpoint->metadata);
    rlt_free(checkpoint->tensors);
    free(checkpoint->bytes);
    *checkpoint = (rlt_checkpoint){0};
}

rlt_status rlt_checkpoint_get(const rlt_checkpoint *checkpoint, const char *name, rlt_dtype dtype,
                              size_t elements, const void **data, rlt_err *err) {
    *data = NULL;
    for (int i = 0; i < checkpoint->count; i++) {
        const rlt_tensor *tensor = &checkpoint->tensors[i];
        if (strcmp(tensor->name, name) != 0) {
            continue;
        }
        const rlt_dtype_info *found = &rlt_dtype_infos[tensor->dtype];
        size_t count = rlt_tensor_bytes(tensor) / found->size;
        if (tensor->dtype != dtype || count != elements) {
            return rlt_fail(err, RLT_ECORRUPT,
                            "checkpoint: tensor '%s' holds %zu elements of %s; %zu of %s were "
                            "expected: was it written with another model or environment?",
                            name, count, found->name, elements, rlt_dtype_infos[dtype].name);
        }
        *data = tensor->data;
        return RLT_OK;
    }
    return rlt_fail(err, RLT_ECORRUPT, "checkpoint: there is no tensor '%s' among its %d", name,
                    checkpoint->count);
}

const char *rlt_checkpoint_metadata(const rlt_checkpoint *checkpoint, const char *key) {
    for (int i = 0; i < checkpoint->metadata_count; i++) {
        if (strcmp(checkpoint->metadata[i].key, key) == 0) {
            return checkpoint->metadata[i].value;
        }
    }
    return NULL;
}

/* The index of the first element that is not finite, or -1. */
static int64_t first_infinite(const rlt_tensor *tensor) {
    const float *singles = tensor->data;
    const double *doubles = tensor->data;
    bool single = tensor->dtype == RLT_DTYPE_F32;
    if (!single && tensor->dtype != RLT_DTYPE_F64) {
        return -1;
    }
    int64_t count = (int64_t)(rlt_tensor_bytes(tensor) / rlt_dtype_infos[tensor->dtype].size);
    for (int64_t i = 0; i < count; i++) {
        if (single ? !isfinite(singles[i]) : !isfinite(doubles[i])) {
            return i;
        }
    }
    return -1;
}

rlt_status rlt_checkpoint_check_finite(const rlt_checkpoint *checkpoint, rlt_err *err) {
    for (int i = 0; i < checkpoint->count; i++) {
        int64_t at = first_infinite(&checkpoint->tensors[i]);
        if (at >= 0) {
            return rlt_fail(err, RLT_EDIVERGED,
                            "checkpoint: element %lld of tensor '%s' is not a finite number",
                            (long long)at, checkpoint->tensors[i].name);
        }
    }
    return RLT_OK;
}
