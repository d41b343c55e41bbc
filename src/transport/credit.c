/* transport: flow control in bytes.
 * Why: ZeroMQ's high-water mark counts messages, memory is bytes.
 * Threads: a counter belongs to one. Owner: the caller. */
#include "transport/transport.h"

bool rlt_credit_take(rlt_credit *credit, uint64_t bytes) {
    if (credit->used > credit->limit || bytes > credit->limit - credit->used) {
        return false;
    }
    credit->used += bytes;
    return true;
}

rlt_status rlt_credit_give(rlt_credit *credit, uint64_t bytes, rlt_err *err) {
    if (bytes > credit->used) {
        return rlt_fail(err, RLT_EPROTO, "%llu bytes of credit come back, %llu are out",
                        (unsigned long long)bytes, (unsigned long long)credit->used);
    }
    credit->used -= bytes;
    return RLT_OK;
}
