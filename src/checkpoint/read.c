/* checkpoint: reading a file into one block, hashed on the way when the caller knows its hash.
 * Thread: any, no state. Owner: the caller owns the checkpoint. */
#include "checkpoint/checkpoint_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static rlt_status read_hashed(int fd, const char *path, unsigned char *bytes, size_t size,
                              char sha256[RLT_SHA256_HEX], rlt_err *err) {
    enum { CHUNK = 1 << 20 }; /* hashed while still in the cache */
    crypto_hash_sha256_state hash;
    crypto_hash_sha256_init(&hash);
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, bytes + at, size - at < CHUNK ? size - at : CHUNK);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return rlt_fail(err, RLT_EIO, "%s: could not read: %s", path,
                            got < 0 ? strerror(errno) : "it became shorter meanwhile");
        }
        if (sha256 != NULL) {
            crypto_hash_sha256_update(&hash, bytes + at, (size_t)got);
        }
        at += (size_t)got;
    }
    if (sha256 != NULL) {
        rlt_sha256_finish(&hash, sha256);
    }
    return RLT_OK;
}

static rlt_status read_open(int fd, const char *path, const char *expected, unsigned char **bytes,
                            size_t *size, rlt_err *err) {
    struct stat info;
    char actual[RLT_SHA256_HEX] = "";
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return rlt_fail(err, RLT_EIO, "%s: not a regular file", path);
    }
    if ((uint64_t)info.st_size > RLT_CHECKPOINT_SIZE_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "%s: %lld bytes, but at most %zu are allowed", path,
                        (long long)info.st_size, RLT_CHECKPOINT_SIZE_MAX);
    }
    *size = (size_t)info.st_size;
    *bytes = rlt_checkpoint_allocate(*size);
    if (*bytes == NULL) {
        return rlt_fail(err, RLT_ENOMEM, "%s: no memory for %zu bytes", path, *size);
    }
    RLT_TRY(read_hashed(fd, path, *bytes, *size, expected ? actual : NULL, err));
    if (expected != NULL && strcmp(expected, actual) != 0) {
        return rlt_fail(err, RLT_ECORRUPT,
                        "%s: damaged: its SHA-256 is %s, %.64s was recorded when it was written",
                        path, actual, expected);
    }
    return RLT_OK;
}

rlt_status rlt_checkpoint_read(const char *path, const char *sha256, rlt_checkpoint *checkpoint,
                               rlt_err *err) {
    *checkpoint = (rlt_checkpoint){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo must not block the open */
    if (fd < 0) {
        return rlt_fail(err, errno == ENOENT ? RLT_ENOTFOUND : RLT_EIO, "%s: could not open: %s",
                        path, strerror(errno));
    }
    unsigned char *bytes = NULL;
    size_t size = 0;
    rlt_status status = read_open(fd, path, sha256, &bytes, &size, err);
    close(fd);
    if (status != RLT_OK) {
        free(bytes);
        return status;
    }
    return rlt_checkpoint_parse_owned(path, bytes, size, checkpoint, err);
}
