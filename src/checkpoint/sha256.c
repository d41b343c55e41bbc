/* checkpoint: SHA-256 of files in bounded memory, by libsodium. Why SHA-256: users can check a
 * checkpoint with sha256sum. Thread: any, no state. */
#include "checkpoint/checkpoint_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void rlt_sha256_finish(crypto_hash_sha256_state *hash, char sha256[RLT_SHA256_HEX]) {
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(hash, digest);
    sodium_bin2hex(sha256, RLT_SHA256_HEX, digest, sizeof digest);
}

static rlt_status hash_open(int fd, const char *path, char sha256[RLT_SHA256_HEX], rlt_err *err) {
    unsigned char chunk[1 << 16];
    crypto_hash_sha256_state hash;
    crypto_hash_sha256_init(&hash);
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno != EINTR) {
            return rlt_fail(err, RLT_EIO, "%s: could not read: %s", path, strerror(errno));
        }
        if (got == 0) {
            break;
        }
        if (got > 0) {
            crypto_hash_sha256_update(&hash, chunk, (size_t)got);
        }
    }
    rlt_sha256_finish(&hash, sha256);
    return RLT_OK;
}

rlt_status rlt_sha256_file(const char *path, char sha256[RLT_SHA256_HEX], rlt_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo must not block the open */
    if (fd < 0) {
        return rlt_fail(err, errno == ENOENT ? RLT_ENOTFOUND : RLT_EIO, "%s: could not open: %s",
                        path, strerror(errno));
    }
    rlt_status status = hash_open(fd, path, sha256, err);
    close(fd);
    return status;
}
