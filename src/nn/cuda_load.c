/* cuda_load: the CUDA module. Thread: any. */
#include "nn/device.h"

const rlt_backend *rlt_backend_cuda(rlt_err *err) {
    rlt_fail(err, RLT_ENOTFOUND, "this build has no CUDA module");
    return NULL;
}
