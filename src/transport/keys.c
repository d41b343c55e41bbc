/* transport: the CURVE keys of a run.
 * Why: one pair for the server, one pair that all clients of the run share; who has not got it is
 * refused. A child gets its part through the environment, which is wiped once it is read.
 * Threads: reentrant, but for rlt_keys_from_env (environment). Owner: the caller. */
#include "transport/transport_impl.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_TEXT = RLT_KEY_SIZE - 1 };
static const char separator = ','; /* not in Z85's alphabet */

bool rlt_key_is_valid(const char *text) {
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    uint8_t raw[RLT_RAW_KEY_SIZE]; /* five characters may stand for more than 32 bits */
    return strnlen(text, RLT_KEY_SIZE) == KEY_TEXT && strspn(text, alphabet) == KEY_TEXT &&
           zmq_z85_decode(raw, text) != NULL;
}

rlt_status rlt_curve_check(rlt_err *err) {
    if (zmq_has("curve") != 1) {
        return rlt_fail(err, RLT_ENOTSUP,
                        "this libzmq was built without CURVE, and rltune sends nothing in clear "
                        "text; install one built with libsodium (Debian: libzmq5)");
    }
    return RLT_OK;
}

rlt_status rlt_keys_generate(rlt_keys *keys, rlt_err *err) {
    *keys = (rlt_keys){0};
    RLT_TRY(rlt_curve_check(err));
    if (zmq_curve_keypair(keys->server_public, keys->server_secret) != 0 ||
        zmq_curve_keypair(keys->client_public, keys->client_secret) != 0) {
        rlt_keys_wipe(keys);
        return rlt_fail(err, RLT_ENOTSUP, "could not make keys: %s", zmq_strerror(zmq_errno()));
    }
    return RLT_OK;
}

void rlt_keys_format(const rlt_keys *keys, char out[RLT_CREDENTIALS_SIZE]) {
    const char *const parts[] = {keys->server_public, keys->client_public, keys->client_secret};
    for (size_t i = 0; i < RLT_COUNT(parts); i++) {
        RLT_ASSERT(rlt_key_is_valid(parts[i]));
        memcpy(out + i * RLT_KEY_SIZE, parts[i], KEY_TEXT);
        out[i * RLT_KEY_SIZE + KEY_TEXT] = i + 1 < RLT_COUNT(parts) ? separator : 0;
    }
}

rlt_status rlt_keys_parse(rlt_keys *keys, const char *text, rlt_err *err) {
    *keys = (rlt_keys){0};
    char *const parts[] = {keys->server_public, keys->client_public, keys->client_secret};
    bool valid = strnlen(text, RLT_CREDENTIALS_SIZE) == RLT_CREDENTIALS_SIZE - 1;
    for (size_t i = 0; valid && i < RLT_COUNT(parts); i++) {
        memcpy(parts[i], text + i * RLT_KEY_SIZE, KEY_TEXT);
        char end = text[i * RLT_KEY_SIZE + KEY_TEXT];
        valid = rlt_key_is_valid(parts[i]) && end == (i + 1 < RLT_COUNT(parts) ? separator : 0);
    }
    if (!valid) { /* the text is secret: it is not shown */
        rlt_keys_wipe(keys);
        return rlt_fail(err, RLT_EPROTO,
                        "the keys of the run are not three Z85 keys of %d characters with '%c' "
                        "between them",
                        KEY_TEXT, separator);
    }
    return RLT_OK;
}

rlt_status rlt_keys_from_env(rlt_keys *keys, rlt_err *err) {
    char *text = getenv(RLT_KEYS_ENV);
    if (text == NULL) {
        *keys = (rlt_keys){0};
        return rlt_fail(err, RLT_ENOTFOUND,
                        "the environment has no %s; the process that starts this one sets it",
                        RLT_KEYS_ENV);
    }
    rlt_status status = rlt_keys_parse(keys, text, err);
    explicit_bzero(text, strlen(text)); /* /proc/PID/environ shows this very memory */
    unsetenv(RLT_KEYS_ENV);
    return status;
}

void rlt_keys_wipe(rlt_keys *keys) {
    explicit_bzero(keys, sizeof *keys);
}
