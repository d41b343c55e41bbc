/* Loaded before the C library: a disk that is full whenever a file is to get a second name, while
 * there is the file that RLTUNE_NO_LINKS names; or, with RLTUNE_ONE_NAME, one whose files can have
 * one name only. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int link(const char *from, const char *to) {
    const char *mark = getenv("RLTUNE_NO_LINKS");
    if (mark != NULL && access(mark, F_OK) == 0) {
        errno = getenv("RLTUNE_ONE_NAME") != NULL ? EPERM : ENOSPC;
        return -1;
    }
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}
