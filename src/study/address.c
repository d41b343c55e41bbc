/* study: the name of an experiment's socket, in the kernel's abstract namespace.
 * Why no file: it would outlive a driver that is killed, and its path may be longer than an address
 * holds. A name vanishes with its process. Anybody on the machine may try to connect to it, so both
 * ends ask the kernel who the other one is. Thread: any. */
#include "study/study_impl.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* FNV-1a, 64 bits (Fowler, Noll, Vo): the same in every language with little code. */
static uint64_t hash(const char *text) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const unsigned char *at = (const unsigned char *)text; *at != 0; at++) {
        h = (h ^ *at) * UINT64_C(0x100000001b3);
    }
    return h;
}

rlt_status rlt_study_name(const char *db_path, int64_t experiment, char name[RLT_STUDY_NAME_SIZE],
                          rlt_err *err) {
    char whole[PATH_MAX];
    if (realpath(db_path, whole) == NULL) {
        return rlt_fail(err, RLT_EIO, "%.300s: %s", db_path, strerror(errno));
    }
    snprintf(name, RLT_STUDY_NAME_SIZE, "@rltune-%016llx-e%lld", (unsigned long long)hash(whole),
             (long long)experiment);
    return RLT_OK;
}

rlt_status rlt_study_address(const char *name, struct sockaddr_un *address, socklen_t *size,
                             rlt_err *err) {
    size_t length = strlen(name);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (name[0] != '@' || length >= sizeof address->sun_path) {
        return rlt_fail(err, RLT_EINVAL, "'%.120s' is no name of a study's socket", name);
    }
    memcpy(address->sun_path + 1, name + 1, length - 1); /* after a 0: abstract */
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return RLT_OK;
}

bool rlt_study_is_same_user(int fd) {
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
           (who.uid == getuid() || who.uid == 0);
}
