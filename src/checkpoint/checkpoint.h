/* checkpoint: named tensors plus metadata in one file of safetensors layout (8-byte little-endian
 * header size, JSON header, raw data: github.com/huggingface/safetensors), so that other tools read
 * it. Loading never executes anything; every size is checked before it is believed.
 * Thread: any. Owner: the caller. */
#ifndef RLT_CHECKPOINT_H
#define RLT_CHECKPOINT_H
#include "core/core.h"

enum { RLT_TENSOR_RANK_MAX = 4, RLT_SHA256_HEX = 65 };
/* What a reader accepts, so that a damaged or hostile file cannot ask for much. */
enum { RLT_CHECKPOINT_HEADER_MAX = 16 << 20, RLT_CHECKPOINT_TENSORS_MAX = 1 << 16 };
#define RLT_CHECKPOINT_SIZE_MAX ((size_t)8 << 30)

typedef enum {
    RLT_DTYPE_F32,
    RLT_DTYPE_F64,
    RLT_DTYPE_I32,
    RLT_DTYPE_I64,
    RLT_DTYPE_U64,
    RLT_DTYPE_U8
} rlt_dtype;
typedef struct rlt_tensor {
    char name[64];
    rlt_dtype dtype;
    int rank;
    int64_t shape[RLT_TENSOR_RANK_MAX];
    const void *data; /* borrowed (write), or inside the checkpoint (read), aligned for its type */
} rlt_tensor;
size_t rlt_tensor_bytes(const rlt_tensor *tensor); /* rank 0: one element */

/* metadata: count pairs key, value; goes to "__metadata__". Atomic and flushed (fsync of file and
 * folder) before it returns; *size and the file's SHA-256 in hex come back. The same content gives
 * the same bytes. The file's data starts at a multiple of 64 and the tensors lie in the order of
 * falling element size, so that each is aligned for its type without a hole (which the format
 * forbids). RLT_EFULL, RLT_EIO; RLT_EINVAL: a doubled or empty name, text that is not UTF-8. */
rlt_status rlt_checkpoint_write(const char *path, const rlt_tensor *tensors, int count,
                                const char *const (*metadata)[2], int metadata_count,
                                char sha256[RLT_SHA256_HEX], int64_t *size, rlt_err *err);

typedef struct rlt_checkpoint {
    rlt_tensor *tensors; /* owned, like all they point to */
    int count;
    struct {
        char *key, *value;
    } * metadata;
    int metadata_count;
    void *bytes;
} rlt_checkpoint;
/* sha256 NULL: not compared. RLT_ENOTFOUND, RLT_ECORRUPT (says what is wrong with which tensor),
 * RLT_ELIMIT, RLT_ENOTSUP (a type that rltune does not use), RLT_ENOMEM. On success release by
 * fini; fini is safe on {0}. */
rlt_status rlt_checkpoint_read(const char *path, const char *sha256, rlt_checkpoint *checkpoint,
                               rlt_err *err);
/* The same from memory: what the fuzz target calls. `bytes` is copied. */
rlt_status rlt_checkpoint_parse(const void *bytes, size_t size, rlt_checkpoint *checkpoint,
                                rlt_err *err);
void rlt_checkpoint_fini(rlt_checkpoint *checkpoint);
/* RLT_ECORRUPT unless there is a tensor of that name, type and element count. */
rlt_status rlt_checkpoint_get(const rlt_checkpoint *checkpoint, const char *name, rlt_dtype dtype,
                              size_t elements, const void **data, rlt_err *err);
const char *rlt_checkpoint_metadata(const rlt_checkpoint *checkpoint,
                                    const char *key); /* or NULL */
/* RLT_EDIVERGED that names the first floating-point tensor with a NaN or an infinity. Such a file
 * is well formed, so reading accepts it; who serves or resumes from it asks. */
rlt_status rlt_checkpoint_check_finite(const rlt_checkpoint *checkpoint, rlt_err *err);
rlt_status rlt_sha256_file(const char *path, char sha256[RLT_SHA256_HEX], rlt_err *err);
#endif
