/* Fuzz target of the checkpoint reader: whatever it accepts must be readable to the last byte
 * and found by its names. Seed: tests/golden/checkpoint.safetensors. */
#include "checkpoint/checkpoint.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static volatile uint64_t read_bytes;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rlt_checkpoint checkpoint = {0};
    rlt_err err = {0};
    if (rlt_checkpoint_parse(data, size, &checkpoint, &err) != RLT_OK) {
        RLT_ASSERT(err.message[0] != 0 && checkpoint.tensors == NULL);
        return 0;
    }
    for (int i = 0; i < checkpoint.count; i++) {
        const rlt_tensor *tensor = &checkpoint.tensors[i];
        read_bytes ^= rlt_hash64(tensor->data, rlt_tensor_bytes(tensor), 0);
        const void *found = NULL;
        rlt_status status =
            rlt_checkpoint_get(&checkpoint, tensor->name, tensor->dtype, 1, &found, &err);
        RLT_ASSERT(status == RLT_OK ? found == tensor->data : status == RLT_ECORRUPT);
    }
    for (int i = 0; i < checkpoint.metadata_count; i++) {
        RLT_ASSERT(rlt_checkpoint_metadata(&checkpoint, checkpoint.metadata[i].key) != NULL);
    }
    rlt_checkpoint_fini(&checkpoint);
    return 0;
}
