/* nn/cuda: gradients of several learners reduced by NCCL, which is found at run time like cuBLASLt
 * (libs.cu); built without its header, or without the library at run time, one rank alone works.
 * The communicator doesn't block, so that a learner that does not come, or goes, is an error within
 * the deadline and not a wait for ever: errors that NCCL sees are looked at while sync waits.
 * The sum's order follows from ranks and topology: the same machines give the same bits.
 * Bound: the link, 2 (ranks - 1) / ranks of the gradient's bytes each way. Thread: the device's. */
#include "nn/cuda/cuda.h"

#ifdef RLT_NCCL
#include <dlfcn.h>
#include <nccl.h>
#include <time.h>

#define NCCL_FUNCTIONS(X)                                                                          \
    X(ncclGetUniqueId)                                                                             \
    X(ncclCommInitRankConfig)                                                                      \
    X(ncclCommGetAsyncError)                                                                       \
    X(ncclCommAbort)                                                                               \
    X(ncclCommFinalize)                                                                            \
    X(ncclCommDestroy)                                                                             \
    X(ncclAllReduce)                                                                               \
    X(ncclGetErrorString)

static struct {
#define X(name) decltype(&::name) name;
    NCCL_FUNCTIONS(X)
#undef X
} nccl;
static_assert(sizeof(ncclUniqueId) <= sizeof(rlt_reduce_id), "NCCL's identifier fits");

static rlt_status load(rlt_err *err) {
    if (nccl.ncclAllReduce != nullptr) {
        return RLT_OK;
    }
    void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        return rlt_fail(err, RLT_ENOTSUP,
                        "cuda: NCCL is missing, which several learners need: %s; install libnccl2, "
                        "or use learners = 1",
                        dlerror());
    }
    auto found = nccl;
    const char *missing = nullptr;
#define X(name)                                                                                    \
    found.name = reinterpret_cast<decltype(found.name)>(dlsym(library, #name));                    \
    missing = found.name == nullptr ? #name : missing;
    NCCL_FUNCTIONS(X)
#undef X
    if (missing != nullptr) {
        return rlt_fail(err, RLT_ENOTSUP, "cuda: libnccl.so.2 has no %s; NCCL 2.18 is needed",
                        missing);
    }
    nccl = found;
    return RLT_OK;
}

static ncclComm_t comm_of(rlt_cuda_device *device) {
    return static_cast<ncclComm_t>(device->reduce);
}

static void rest(void) {
    struct timespec pause = {0, 20000};
    nanosleep(&pause, nullptr);
}

/* Until NCCL has taken what it was given. */
static ncclResult_t await_taken(ncclComm_t comm, ncclResult_t result) {
    double end = rlt_clock_s() + RLT_REDUCE_DEADLINE_S;
    while (result == ncclInProgress && rlt_clock_s() < end) {
        rest();
        ncclResult_t asked = nccl.ncclCommGetAsyncError(comm, &result);
        result = asked == ncclSuccess ? result : asked;
    }
    return result;
}

static const char *reason_of(ncclResult_t result) {
    return result == ncclInProgress ? "a learner does not come" : nccl.ncclGetErrorString(result);
}

/* No later call waits for the others; the work that waits on the device ends. */
static void give_up(rlt_cuda_device *device, const char *reason) {
    rlt_cuda_note(device, "learners' gradients", reason);
    nccl.ncclCommAbort(comm_of(device));
    device->reduce = nullptr;
}

rlt_status rlt_cuda_reduce_id(rlt_reduce_id *id, rlt_err *err) {
    ncclUniqueId made;
    RLT_TRY(load(err));
    ncclResult_t result = nccl.ncclGetUniqueId(&made);
    if (result != ncclSuccess) {
        return rlt_fail(err, RLT_EIO, "cuda: NCCL has no identifier: %s", reason_of(result));
    }
    memset(id, 0, sizeof *id);
    memcpy(id->bytes, &made, sizeof made);
    return RLT_OK;
}

rlt_status rlt_cuda_all_reduce_init(rlt_device *handle, int rank, int count,
                                    const rlt_reduce_id *id, rlt_err *err) {
    rlt_cuda_device *device = rlt_cuda_of(handle);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclUniqueId unique;
    ncclComm_t comm = nullptr;
    RLT_ASSERT(device->reduce == nullptr && rank >= 0 && rank < count);
    device->reduce_count = count;
    if (count == 1) {
        return RLT_OK;
    }
    RLT_TRY(load(err));
    memcpy(&unique, id->bytes, sizeof unique);
    config.blocking = 0;
    ncclResult_t result =
        await_taken(comm, nccl.ncclCommInitRankConfig(&comm, count, unique, rank, &config));
    if (result != ncclSuccess) {
        if (comm != nullptr) {
            nccl.ncclCommAbort(comm);
        }
        return rlt_fail(err, RLT_EPEER, "cuda:%d: learner %d of %d cannot join the others: %s",
                        handle->index, rank, count, reason_of(result));
    }
    device->reduce = comm;
    return RLT_OK;
}

static void reduce(rlt_cuda_device *device, void *data, size_t count, ncclDataType_t type,
                   ncclRedOp_t operation) {
    if (device->reduce_count <= 1) {
        return; /* alone */
    } else if (device->reduce == nullptr) {
        rlt_cuda_note(device, "learners' gradients", "given up before");
        return;
    }
    ncclComm_t comm = comm_of(device);
    ncclResult_t result = await_taken(
        comm, nccl.ncclAllReduce(data, data, count, type, operation, comm, device->stream));
    if (result != ncclSuccess) {
        give_up(device, reason_of(result));
    }
}

void rlt_cuda_all_reduce(rlt_device *handle, float *grad, size_t count) {
    reduce(rlt_cuda_of(handle), grad, count, ncclFloat32, ncclAvg);
}

void rlt_cuda_all_reduce_sums(rlt_device *handle, double *sums, size_t count) {
    reduce(rlt_cuda_of(handle), sums, count, ncclFloat64, ncclSum);
}

void rlt_cuda_reduce_await(rlt_cuda_device *device) {
    double end = rlt_clock_s() + RLT_REDUCE_DEADLINE_S;
    while (device->reduce != nullptr && cudaStreamQuery(device->stream) == cudaErrorNotReady) {
        ncclResult_t result = ncclSuccess;
        ncclResult_t asked = nccl.ncclCommGetAsyncError(comm_of(device), &result);
        result = asked == ncclSuccess ? result : asked;
        if (result != ncclSuccess && result != ncclInProgress) {
            give_up(device, reason_of(result));
        } else if (rlt_clock_s() > end) {
            give_up(device, "a learner has not come with its gradient");
        }
        rest();
    }
}

void rlt_cuda_reduce_close(rlt_cuda_device *device) {
    if (device->reduce != nullptr) {
        /* orderly where all close; abort ends what never would */
        ncclComm_t comm = comm_of(device);
        if (await_taken(comm, nccl.ncclCommFinalize(comm)) == ncclSuccess) {
            nccl.ncclCommDestroy(comm);
        } else {
            nccl.ncclCommAbort(comm);
        }
        device->reduce = nullptr;
    }
}

#else

static rlt_status absent(rlt_err *err) {
    return rlt_fail(err, RLT_ENOTSUP,
                    "cuda: built without NCCL, which several learners need; install nccl.h and "
                    "build again, or use learners = 1");
}
rlt_status rlt_cuda_reduce_id(rlt_reduce_id *, rlt_err *err) {
    return absent(err);
}
rlt_status rlt_cuda_all_reduce_init(rlt_device *handle, int, int count, const rlt_reduce_id *,
                                    rlt_err *err) {
    rlt_cuda_of(handle)->reduce_count = count;
    return count == 1 ? RLT_OK : absent(err);
}
void rlt_cuda_all_reduce(rlt_device *, float *, size_t) {
}
void rlt_cuda_all_reduce_sums(rlt_device *, double *, size_t) {
}
void rlt_cuda_reduce_await(rlt_cuda_device *) {
}
void rlt_cuda_reduce_close(rlt_cuda_device *) {
}
#endif
