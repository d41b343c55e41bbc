/* cuda_load: the CUDA module, loaded when it is first asked for and never before, so that a binary
 * that uses no GPU starts as if there were none. Looked for at $RLTUNE_CUDA_MODULE alone if that is
 * set, else beside the binary and in ../lib/rltune. It stays loaded. Thread: any (a lock). */
#include "nn/device.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE_NAME "librltune_cuda.so"
typedef const rlt_backend *(*entry_fn)(uint32_t api_version);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const rlt_backend *loaded;

/* The module's path in `path`; false with the places looked at in *err. */
static bool find_module(char path[PATH_MAX], rlt_err *err) {
    const char *chosen = getenv("RLTUNE_CUDA_MODULE");
    if (chosen != NULL && chosen[0] != 0) {
        snprintf(path, PATH_MAX, "%s", chosen);
        if (access(path, R_OK) == 0) {
            return true;
        }
        rlt_fail(err, RLT_ENOTFOUND, "no CUDA module at %.300s, where RLTUNE_CUDA_MODULE points",
                 chosen);
        return false;
    }
    static const char *const places[] = {"", "../lib/rltune/"};
    char folder[PATH_MAX - 64];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[length < 0 ? 0 : length] = 0;
    char *slash = strrchr(folder, '/');
    folder[slash == NULL ? 0 : slash + 1 - folder] = 0;
    for (size_t i = 0; i < RLT_COUNT(places); i++) {
        snprintf(path, PATH_MAX, "%s%s%s", folder, places[i], MODULE_NAME);
        if (access(path, R_OK) == 0) {
            return true;
        }
    }
    rlt_fail(err, RLT_ENOTFOUND,
             "the CUDA module %s is not installed: it is neither in %.160s nor in %.160s"
             "../lib/rltune (it is built where nvcc and cuDNN are found; RLTUNE_CUDA_MODULE names "
             "another place)",
             MODULE_NAME, folder, folder);
    return false;
}

/* libcuda.so.1 comes with NVIDIA's driver, the module's runtime opens it by itself: asked for here
 * so that the message is about the driver and not about what fails after it. */
static bool have_driver(rlt_err *err) {
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (driver == NULL) {
        rlt_fail(err, RLT_ENOTFOUND, "no NVIDIA driver on this machine: %.300s", dlerror());
        return false;
    }
    dlclose(driver);
    return true;
}

static const rlt_backend *load(rlt_err *err) {
    char path[PATH_MAX];
    if (!find_module(path, err)) {
        return NULL;
    }
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        rlt_fail(err, RLT_ENOTSUP, "the CUDA module does not load: %.400s", dlerror());
        return NULL;
    }
    void *symbol = dlsym(module, "rlt_cuda_backend_entry");
    entry_fn entry = NULL;
    memcpy(&entry, &symbol, sizeof entry);
    const rlt_backend *backend = entry == NULL ? NULL : entry(RLT_BACKEND_API_VERSION);
    if (backend == NULL || backend->api_version != RLT_BACKEND_API_VERSION) {
        rlt_fail(err, RLT_ENOTSUP,
                 "%.300s is no CUDA module of this rltune (interface %u); install the two from "
                 "one build",
                 path, RLT_BACKEND_API_VERSION);
        dlclose(module);
        return NULL;
    }
    if (!have_driver(err)) {
        dlclose(module);
        return NULL;
    }
    return backend;
}

const rlt_backend *rlt_backend_cuda(rlt_err *err) {
    pthread_mutex_lock(&lock);
    if (loaded == NULL) {
        loaded = load(err);
    }
    const rlt_backend *backend = loaded;
    pthread_mutex_unlock(&lock);
    return backend;
}
