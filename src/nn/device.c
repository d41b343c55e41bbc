/* device: the one that a name means. Thread: the caller's, who owns it then. */
#include "nn/device.h"

#include <stdlib.h>
#include <string.h>

static rlt_status unknown(const char *name, rlt_err *err) {
    static const char *const allowed[] = {"cpu", "cuda", "cuda:0", "auto"};
    const char *nearest = rlt_str_nearest(name, allowed, RLT_COUNT(allowed));
    return rlt_fail(err, RLT_ECONFIG,
                    "device = \"%.64s\"%s%s%s; allowed: \"cpu\", \"cuda\", \"cuda:N\" (N from 0), "
                    "\"auto\"",
                    name, nearest ? " (did you mean \"" : "", nearest ? nearest : "",
                    nearest ? "\"?)" : "");
}

/* "cuda" is 0, "cuda:3" is 3. */
static bool parse_index(const char *name, int *index) {
    *index = 0;
    if (name[4] == 0) {
        return true;
    }
    char *end = NULL;
    long value =
        name[4] == ':' && name[5] >= '0' && name[5] <= '9' ? strtol(name + 5, &end, 10) : -1;
    *index = (int)value;
    return value >= 0 && value < 1024 && *end == 0;
}

/* The CUDA backend, if it has a device of this number. */
static rlt_status find_cuda(const char *name, int index, const rlt_backend **backend,
                            rlt_err *err) {
    rlt_err why = {0};
    const rlt_backend *cuda = rlt_backend_cuda(&why);
    int count = cuda != NULL ? cuda->count(&why) : 0;
    if (count == 0) {
        return rlt_fail(err, RLT_ECONFIG,
                        "device = \"%s\": %.300s; allowed here: \"cpu\", \"auto\"; `rltune doctor` "
                        "tells more",
                        name, why.message);
    }
    if (index >= count) {
        return rlt_fail(err, RLT_ECONFIG,
                        "device = \"%s\": this machine has %d GPU%s; allowed: \"cuda:0\" to "
                        "\"cuda:%d\", \"cpu\"",
                        name, count, count == 1 ? "" : "s", count - 1);
    }
    *backend = cuda;
    return RLT_OK;
}

rlt_status rlt_device_check(const char *name, rlt_err *err) {
    const rlt_backend *cuda = NULL;
    int index = 0;
    if (strcmp(name, "cpu") == 0 || strcmp(name, "auto") == 0) {
        return RLT_OK;
    }
    if (strncmp(name, "cuda", 4) != 0 || !parse_index(name, &index)) {
        return unknown(name, err);
    }
    return find_cuda(name, index, &cuda, err);
}

rlt_status rlt_device_open(const char *name, rlt_precision precision, rlt_device **device,
                           rlt_err *err) {
    int index = 0;
    *device = NULL;
    if (strcmp(name, "cpu") == 0) {
        return rlt_backend_cpu.open(0, precision, device, err);
    }
    if (strcmp(name, "auto") == 0) {
        const rlt_backend *cuda = rlt_backend_cuda(NULL);
        bool gpu = cuda != NULL && cuda->count(NULL) > 0;
        rlt_precision on_cpu = precision == RLT_PRECISION_TF32 ? RLT_PRECISION_FP32 : precision;
        return gpu ? cuda->open(0, precision, device, err)
                   : rlt_backend_cpu.open(0, on_cpu, device, err);
    }
    if (strncmp(name, "cuda", 4) != 0 || !parse_index(name, &index)) {
        return unknown(name, err);
    }
    const rlt_backend *cuda = NULL;
    RLT_TRY(find_cuda(name, index, &cuda, err));
    return cuda->open(index, precision, device, err);
}

void rlt_device_close(rlt_device **device) {
    if (*device != NULL) {
        (*device)->backend->close(device);
    }
}
