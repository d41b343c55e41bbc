/* core: whole files. Why: a file that a crash leaves behind is the old one or the new one,
 * never half of it. Threads: reentrant. Owner: the caller owns what is read. */
#include "core/core.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static rlt_status fail_errno(rlt_err *err, const char *action, const char *path) {
    int code = errno;
    rlt_status status = code == ENOENT                     ? RLT_ENOTFOUND
                        : code == ENOSPC || code == EDQUOT ? RLT_EFULL
                                                           : RLT_EIO;
    return rlt_fail(err, status, "%s: could not %s: %s", path, action, strerror(code));
}

static rlt_status read_all(int fd, const char *path, char *data, size_t room, size_t *size,
                           rlt_err *err) {
    *size = 0;
    while (*size < room) {
        ssize_t got = read(fd, data + *size, room - *size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail_errno(err, "read", path);
        }
        if (got == 0) {
            break;
        }
        *size += (size_t)got;
    }
    return RLT_OK;
}

static rlt_status read_open(int fd, const char *path, size_t size_max, char **data, size_t *size,
                            rlt_err *err) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return fail_errno(err, "inspect", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return rlt_fail(err, RLT_EIO, "%s: not a regular file", path);
    }
    if ((uint64_t)info.st_size > size_max) {
        return rlt_fail(err, RLT_ELIMIT, "%s: %lld bytes, but at most %zu are allowed", path,
                        (long long)info.st_size, size_max);
    }
    *data = rlt_alloc((size_t)info.st_size + 1);
    rlt_status status = read_all(fd, path, *data, (size_t)info.st_size, size, err);
    if (status != RLT_OK) {
        rlt_free(*data);
        *data = NULL;
    }
    return status;
}

rlt_status rlt_file_read(const char *path, size_t size_max, char **data, size_t *size,
                         rlt_err *err) {
    *data = NULL;
    *size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo must not block the open */
    if (fd < 0) {
        return fail_errno(err, "open", path);
    }
    rlt_status status = read_open(fd, path, size_max, data, size, err);
    close(fd);
    return status;
}

static rlt_status write_all(int fd, const char *path, const char *data, size_t size, rlt_err *err) {
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return fail_errno(err, "write", path);
        }
        data += put;
        size -= (size_t)put;
    }
    return RLT_OK;
}

static rlt_status write_parts(int fd, const char *path, const struct iovec *parts, size_t count,
                              rlt_err *err) {
    for (size_t i = 0; i < count; i++) {
        RLT_TRY(write_all(fd, path, parts[i].iov_base, parts[i].iov_len, err));
    }
    return fsync(fd) == 0 ? RLT_OK : fail_errno(err, "flush", path);
}

static rlt_status sync_folder_of(const char *path, rlt_err *err) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        snprintf(folder, sizeof folder, ".");
    } else {
        slash[slash == folder] = 0;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(err, "open the folder", folder);
    }
    rlt_status status = fsync(fd) == 0 ? RLT_OK : fail_errno(err, "flush the folder", folder);
    close(fd);
    return status;
}

rlt_status rlt_file_write_atomic(const char *path, const void *data, size_t size, rlt_err *err) {
    return rlt_file_write_atomic_parts(
        path, &(struct iovec){.iov_base = (void *)data, .iov_len = size}, 1, err);
}

rlt_status rlt_file_write_atomic_parts(const char *path, const struct iovec *parts, size_t count,
                                       rlt_err *err) {
    static atomic_uint serial;
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof temporary, "%s.tmp.%d.%u", path, (int)getpid(),
                          atomic_fetch_add(&serial, 1));
    if (length < 0 || (size_t)length >= sizeof temporary) {
        return rlt_fail(err, RLT_EINVAL, "%.200s…: the path is too long", path);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return fail_errno(err, errno == ENOENT ? "create (its folder is missing)" : "create", path);
    }
    rlt_status status = write_parts(fd, path, parts, count, err);
    if (close(fd) != 0 && status == RLT_OK) {
        status = fail_errno(err, "close", path);
    }
    if (status == RLT_OK && rename(temporary, path) != 0) {
        status = fail_errno(err, "rename the temporary file to", path);
    }
    if (status != RLT_OK) {
        unlink(temporary);
        return status;
    }
    return sync_folder_of(path, err);
}

rlt_status rlt_mkdirs(const char *path, rlt_err *err) {
    char part[PATH_MAX];
    int length = snprintf(part, sizeof part, "%s", path);
    if (length <= 0 || (size_t)length >= sizeof part) {
        return rlt_fail(err, RLT_EINVAL, "%.200s: the path is empty or too long", path);
    }
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != 0) {
            continue;
        }
        char end = *at;
        *at = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return fail_errno(err, "create the folder", part);
        }
        if (end == 0) {
            break;
        }
        *at = end;
    }
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return rlt_fail(err, RLT_EIO, "%s: exists and is not a folder", path);
    }
    return RLT_OK;
}
