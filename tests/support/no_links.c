/* Loaded before the C library: a disk that is full whenever a file is to get a second name, from
 * the moment on that the file RLTUNE_NO_LINKS names is there. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int link(const char *from, const char *to) {
    const char *mark = getenv("RLTUNE_NO_LINKS");
    if (mark != NULL && access(mark, F_OK) == 0) {
        errno = ENOSPC;
        return -1;
    }
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}
