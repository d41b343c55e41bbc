/* transport: shared memory without names (memfd), its size sealed.
 * Why: nothing can be left over after a crash, and no child can shrink the memory under us.
 * Threads: any; a mapping has one owner. Owner: the caller. */
#include "transport/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB_SHIFT = 20, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

/* One number out of a small file; `label` may be NULL. UINT64_MAX when there is none. */
static uint64_t number_in(const char *path, const char *label) {
    char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return UINT64_MAX;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    const char *at = label != NULL ? strstr(text, label) : text;
    unsigned long long value;
    if (at == NULL || sscanf(at + (label != NULL ? strlen(label) : 0), "%llu", &value) != 1) {
        return UINT64_MAX;
    }
    return value;
}

/* Bytes that can still be taken without waking the OOM killer, by the machine and the cgroup. */
static uint64_t memory_available(void) {
    uint64_t kib = number_in("/proc/meminfo", "MemAvailable:");
    uint64_t machine = kib == UINT64_MAX ? UINT64_MAX : kib << 10;
    uint64_t limit = number_in("/sys/fs/cgroup/memory.max", NULL);
    uint64_t used = number_in("/sys/fs/cgroup/memory.current", NULL);
    uint64_t cache = number_in("/sys/fs/cgroup/memory.stat", "inactive_file "); /* given up first */
    uint64_t group = UINT64_MAX;
    if (limit != UINT64_MAX && used != UINT64_MAX) {
        used -= cache < used ? cache : 0;
        group = limit > used ? limit - used : 0;
    }
    return machine < group ? machine : group;
}

static rlt_status short_of_memory(const char *label, size_t size, rlt_err *err) {
    return rlt_fail(err, RLT_ENOMEM,
                    "shared memory \"%s\" needs %zu MiB, about %llu MiB are free; use fewer "
                    "workers, smaller segments or a larger memory limit",
                    label, size >> MIB_SHIFT, (unsigned long long)memory_available() >> MIB_SHIFT);
}

static rlt_status map(rlt_shm *shm, int fd, size_t size, rlt_err *err) {
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        return rlt_fail(err, errno == ENOMEM ? RLT_ENOMEM : RLT_EIO,
                        "could not map %zu bytes of shared memory: %s", size, strerror(errno));
    }
    *shm = (rlt_shm){.data = data, .size = size, .fd = fd};
    return RLT_OK;
}

static rlt_status reserve(int fd, const char *label, size_t size, rlt_err *err) {
    if (size > memory_available()) {
        return short_of_memory(label, size, err);
    }
    int code;
    do {
        code = posix_fallocate(fd, 0, (off_t)size);
    } while (code == EINTR);
    if (code == ENOSPC || code == ENOMEM || code == EFBIG) {
        return short_of_memory(label, size, err);
    }
    if (code != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
        return rlt_fail(err, RLT_EIO, "could not reserve shared memory \"%s\": %s", label,
                        strerror(code != 0 ? code : errno));
    }
    return RLT_OK;
}

rlt_status rlt_shm_create(rlt_shm *shm, const char *label, size_t size, rlt_err *err) {
    *shm = (rlt_shm){0};
    if (size == 0 || size > INT64_MAX) {
        return rlt_fail(err, RLT_EINVAL, "shared memory \"%s\" of %zu bytes", label, size);
    }
    int fd = memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return rlt_fail(err, RLT_EIO, "could not create shared memory \"%s\": %s", label,
                        strerror(errno));
    }
    rlt_status status = reserve(fd, label, size, err);
    if (status == RLT_OK) {
        status = map(shm, fd, size, err);
    }
    if (status != RLT_OK) {
        close(fd);
    }
    return status;
}

rlt_status rlt_shm_attach(rlt_shm *shm, int fd, size_t size, rlt_err *err) {
    *shm = (rlt_shm){0};
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return rlt_fail(err, RLT_EIO, "descriptor %d is no shared memory: %s", fd, strerror(errno));
    }
    if (size == 0 || (uint64_t)info.st_size != size) {
        return rlt_fail(err, RLT_EPROTO,
                        "shared memory on descriptor %d has %lld bytes, expected %zu; both sides "
                        "must be of the same run",
                        fd, (long long)info.st_size, size);
    }
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
        return rlt_fail(err, RLT_EPROTO, "descriptor %d is no sealed shared memory", fd);
    }
    return map(shm, fd, size, err);
}

void rlt_shm_fini(rlt_shm *shm) {
    if (shm->data != NULL) {
        munmap(shm->data, shm->size);
        close(shm->fd);
    }
    *shm = (rlt_shm){0};
}
