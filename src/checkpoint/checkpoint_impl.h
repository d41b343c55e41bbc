/* checkpoint, private: the names and sizes of the element types, and the hash of parts.
 * Thread: any. */
#ifndef RLT_CHECKPOINT_IMPL_H
#define RLT_CHECKPOINT_IMPL_H
#include "checkpoint/checkpoint.h"

#include <jansson.h>
#include <sodium.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data is little-endian and is used in place"
#endif

enum { RLT_DTYPE_COUNT = RLT_DTYPE_U8 + 1, RLT_CHECKPOINT_PREFIX = 8, RLT_CHECKPOINT_ALIGN = 64 };
typedef struct rlt_dtype_info {
    char name[8]; /* as the format spells it */
    size_t size;  /* bytes of one element */
} rlt_dtype_info;
extern const rlt_dtype_info rlt_dtype_infos[RLT_DTYPE_COUNT];

/* false: a negative dimension, or more bytes than an int64_t holds. */
bool rlt_tensor_bytes_checked(const rlt_tensor *tensor, int64_t *bytes);
/* 64-byte aligned, to be freed by free; NULL when there is none. Unlike rlt_alloc: a size that
 * comes from outside must not abort, and the block is not zeroed first. */
unsigned char *rlt_checkpoint_allocate(size_t size);
/* rlt_checkpoint_parse that takes ownership of `bytes` (of the above); `place` leads messages. */
rlt_status rlt_checkpoint_parse_owned(const char *place, unsigned char *bytes, size_t size,
                                      rlt_checkpoint *checkpoint, rlt_err *err);
void rlt_sha256_finish(crypto_hash_sha256_state *hash, char sha256[RLT_SHA256_HEX]);
#endif
