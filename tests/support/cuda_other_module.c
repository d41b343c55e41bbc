/* A CUDA module of another version: it has nothing for the one that is asked for. */
#include <stddef.h>
#include <stdint.h>

const void *rlt_cuda_backend_entry(uint32_t api_version);
const void *rlt_cuda_backend_entry(uint32_t api_version) {
    (void)api_version;
    return NULL;
}
