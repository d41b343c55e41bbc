/* Private to src/study. */
#ifndef RLT_STUDY_IMPL_H
#define RLT_STUDY_IMPL_H
#include "study/study.h"

#include <sys/socket.h>
#include <sys/un.h>

/* The address of a name, and how many of its bytes count. */
rlt_status rlt_study_address(const char *name, struct sockaddr_un *address, socklen_t *size,
                             rlt_err *err);
/* Whether the process at the other end runs as this one's user, or as root. */
bool rlt_study_is_same_user(int fd);
#endif
