/* driver: checkpoint folders of programs that go on from each other's (pbt, pb2, synchronous: no
 * program of the population runs while they are compared). A copy is made into incoming-<step> of
 * the target's folder before the commit of the decision, and takes the place of its checkpoint when
 * the program is started again; a copy that no row speaks of is removed. Files are copied by the
 * kernel: programs write into theirs, so that two cannot share one. Thread: the driver's. Owner:
 * the driver. */
#include "driver/programs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 32 };
static const char incoming[] = "incoming-";

int rlt_driver_copy_file(const char *from, const char *to) {
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), result = -1;
    struct stat info;
    int out = in >= 0 && fstat(in, &info) == 0
                  ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, info.st_mode & 0777)
                  : -1;
    if (out >= 0) {
        off_t left = info.st_size;
        ssize_t put = 1;
        while (left > 0 && (put = copy_file_range(in, NULL, out, NULL, (size_t)left, 0)) > 0) {
            left -= put;
        }
        errno = put == 0 ? EIO : errno;
        result = left == 0 && fsync(out) == 0 ? 0 : -1;
    }
    int code = errno;
    if (out >= 0) {
        close(out);
    }
    if (result != 0 && out >= 0) {
        unlink(to);
    }
    if (in >= 0) {
        close(in);
    }
    errno = code;
    return result;
}

static bool is_self(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int join(char path[PATH_MAX], const char *folder, const char *name) {
    int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    errno = ENAMETOOLONG;
    return length > 0 && length < PATH_MAX ? 0 : -1;
}

static int copy_folder(const char *from, const char *to, int depth);

static int copy_entry(const char *from, const char *to, int depth) {
    struct stat info;
    char target[PATH_MAX];
    if (lstat(from, &info) != 0) {
        return -1;
    }
    if (S_ISDIR(info.st_mode)) {
        return copy_folder(from, to, depth + 1);
    }
    if (S_ISLNK(info.st_mode)) {
        ssize_t length = readlink(from, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        return length < 0 ? -1 : symlink(target, to);
    }
    return S_ISREG(info.st_mode) ? rlt_driver_copy_file(from, to) : 0; /* sockets and the like */
}

static int copy_folder(const char *from, const char *to, int depth) {
    char source[PATH_MAX], target[PATH_MAX];
    DIR *folder = depth < DEPTH_MAX ? opendir(from) : NULL;
    int result = folder != NULL ? mkdir(to, 0755) : -1;
    struct dirent *entry;
    while (result == 0 && (entry = readdir(folder)) != NULL) {
        if (!is_self(entry->d_name)) {
            result = join(source, from, entry->d_name) != 0 || join(target, to, entry->d_name) != 0
                         ? -1
                         : copy_entry(source, target, depth);
        }
    }
    int code = errno;
    if (folder != NULL) {
        closedir(folder);
    }
    errno = code;
    return result;
}

static void remove_folder(const char *path, int depth) {
    char inner[PATH_MAX];
    DIR *folder = depth < DEPTH_MAX ? opendir(path) : NULL;
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        struct stat info;
        if (is_self(entry->d_name) || join(inner, path, entry->d_name) != 0 ||
            lstat(inner, &info) != 0) {
            continue;
        }
        if (S_ISDIR(info.st_mode)) {
            remove_folder(inner, depth + 1);
        } else {
            unlink(inner);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    rmdir(path);
}

static void incoming_path(const rlt_program_paths *paths, int64_t step, char path[PATH_MAX + 48]) {
    snprintf(path, PATH_MAX + 48, "%s/%s%lld", paths->folder, incoming, (long long)step);
}

rlt_status rlt_driver_take_folder(rlt_driver *d, int64_t source, int64_t target, int64_t step,
                                  rlt_err *err) {
    rlt_program_paths from, to;
    char path[PATH_MAX + 48];
    RLT_TRY(rlt_driver_program_paths(d, source, &from, err));
    RLT_TRY(rlt_driver_program_paths(d, target, &to, err));
    RLT_TRY(rlt_mkdirs(to.folder, err));
    incoming_path(&to, step, path);
    remove_folder(path, 0); /* of a decision that did not come about */
    if (copy_folder(from.checkpoint, path, 0) == 0) {
        return RLT_OK;
    }
    int code = errno;
    remove_folder(path, 0);
    return rlt_fail(err,
                    code == ENOSPC || code == EDQUOT ? RLT_EFULL
                    : code == ENOENT                 ? RLT_ENOTFOUND
                                                     : RLT_EIO,
                    "%.300s: could not copy it: %s", from.checkpoint, strerror(code));
}

void rlt_driver_use_folder(const rlt_program_paths *paths, int64_t step) {
    char path[PATH_MAX + 48], other[PATH_MAX];
    incoming_path(paths, step, path);
    if (step > 0 && access(path, F_OK) == 0) {
        remove_folder(paths->checkpoint, 0);
        rename(path, paths->checkpoint); /* if not: the next start finds it */
    }
    DIR *folder = opendir(paths->folder);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, incoming, sizeof incoming - 1) == 0 &&
            join(other, paths->folder, entry->d_name) == 0 && strcmp(other, path) != 0) {
            remove_folder(other, 0);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}
