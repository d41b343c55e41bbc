/* checkpoint: writing. The header is made first, then header and tensors are hashed and written
 * part by part from where they lie: no second copy of the data. Thread: any, no state. */
#include "checkpoint/checkpoint_impl.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    const rlt_tensor *tensor;
    int64_t begin, end; /* within the data section */
} entry;

/* Falling element size keeps every tensor aligned without holes; then the caller's order. */
static int compare_entries(const void *a, const void *b) {
    const rlt_tensor *left = ((const entry *)a)->tensor, *right = ((const entry *)b)->tensor;
    size_t left_size = rlt_dtype_infos[left->dtype].size;
    size_t right_size = rlt_dtype_infos[right->dtype].size;
    if (left_size != right_size) {
        return left_size < right_size ? 1 : -1;
    }
    return (left > right) - (left < right);
}

static int64_t place(const rlt_tensor *tensors, int count, entry *entries) {
    for (int i = 0; i < count; i++) {
        entries[i].tensor = &tensors[i];
    }
    qsort(entries, (size_t)count, sizeof *entries, compare_entries);
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
        entries[i].begin = at;
        at += (int64_t)rlt_tensor_bytes(entries[i].tensor);
        entries[i].end = at;
    }
    return at;
}

static json_t *tensor_json(const entry *entry) {
    json_t *shape = json_array();
    for (int i = 0; i < entry->tensor->rank; i++) {
        json_array_append_new(shape, json_integer(entry->tensor->shape[i]));
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", rlt_dtype_infos[entry->tensor->dtype].name,
                     "shape", shape, "data_offsets", (json_int_t)entry->begin,
                     (json_int_t)entry->end);
}

static rlt_status add_metadata(json_t *header, const char *path, const char *const (*metadata)[2],
                               int count, rlt_err *err) {
    json_t *object = json_object();
    json_object_set_new(header, "__metadata__", object);
    for (int i = 0; i < count; i++) {
        if (json_object_set_new(object, metadata[i][0], json_string(metadata[i][1])) != 0) {
            return rlt_fail(err, RLT_EINVAL, "%s: the metadata '%.64s' is not UTF-8 text", path,
                            metadata[i][0]);
        }
    }
    return RLT_OK;
}

static rlt_status add_tensors(json_t *header, const char *path, const entry *entries, int count,
                              rlt_err *err) {
    for (int i = 0; i < count; i++) {
        const char *name = entries[i].tensor->name;
        if (name[0] == 0 || json_object_get(header, name) != NULL ||
            strcmp(name, "__metadata__") == 0) {
            return rlt_fail(err, RLT_EINVAL, "%s: the tensor name '%s' is %s", path, name,
                            name[0] == 0                        ? "empty"
                            : strcmp(name, "__metadata__") == 0 ? "reserved by the format"
                                                                : "used twice");
        }
        if (json_object_set_new(header, name, tensor_json(&entries[i])) != 0) {
            return rlt_fail(err, RLT_EINVAL, "%s: the tensor name '%s' is not UTF-8 text", path,
                            name);
        }
    }
    return RLT_OK;
}

/* The size word and the JSON, padded with spaces so that the data starts aligned. */
static rlt_status dump_header(const json_t *header, const char *path, rlt_buf *out, rlt_err *err) {
    char *text = json_dumps(header, JSON_COMPACT);
    if (text == NULL) {
        return rlt_fail(err, RLT_ENOMEM, "%s: no memory for the header", path);
    }
    uint64_t size = strlen(text), padding = -(size + RLT_CHECKPOINT_PREFIX) % RLT_CHECKPOINT_ALIGN;
    uint64_t word = size + padding;
    rlt_buf_append(out, &word, sizeof word);
    rlt_buf_append(out, text, size);
    rlt_buf_printf(out, "%*s", (int)padding, "");
    free(text);
    if (word > RLT_CHECKPOINT_HEADER_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "%s: the header takes %llu bytes, at most %d are allowed",
                        path, (unsigned long long)word, RLT_CHECKPOINT_HEADER_MAX);
    }
    return RLT_OK;
}

static rlt_status make_header(const char *path, const entry *entries, int count,
                              const char *const (*metadata)[2], int metadata_count, rlt_buf *out,
                              rlt_err *err) {
    json_t *header = json_object();
    rlt_status status = RLT_OK;
    if (metadata_count > 0) {
        status = add_metadata(header, path, metadata, metadata_count, err);
    }
    if (status == RLT_OK) {
        status = add_tensors(header, path, entries, count, err);
    }
    if (status == RLT_OK) {
        status = dump_header(header, path, out, err);
    }
    json_decref(header);
    return status;
}

rlt_status rlt_checkpoint_write(const char *path, const rlt_tensor *tensors, int count,
                                const char *const (*metadata)[2], int metadata_count,
                                char sha256[RLT_SHA256_HEX], int64_t *size, rlt_err *err) {
    if (count < 0 || count > RLT_CHECKPOINT_TENSORS_MAX) {
        return rlt_fail(err, RLT_ELIMIT, "%s: %d tensors; allowed: 0 to %d", path, count,
                        RLT_CHECKPOINT_TENSORS_MAX);
    }
    entry *entries = rlt_alloc(sizeof *entries * (size_t)count);
    struct iovec *parts = rlt_alloc(sizeof *parts * ((size_t)count + 1));
    rlt_buf header = {0};
    int64_t data_size = place(tensors, count, entries);
    rlt_status status = make_header(path, entries, count, metadata, metadata_count, &header, err);
    if (status == RLT_OK) {
        parts[0] = (struct iovec){.iov_base = header.data, .iov_len = header.size};
        for (int i = 0; i < count; i++) {
            parts[i + 1].iov_base = (void *)entries[i].tensor->data;
            parts[i + 1].iov_len = (size_t)(entries[i].end - entries[i].begin);
        }
        crypto_hash_sha256_state hash;
        crypto_hash_sha256_init(&hash);
        for (int i = 0; i <= count; i++) {
            crypto_hash_sha256_update(&hash, parts[i].iov_base, parts[i].iov_len);
        }
        rlt_sha256_finish(&hash, sha256);
        *size = (int64_t)header.size + data_size;
        status = rlt_file_write_atomic_parts(path, parts, (size_t)count + 1, err);
    }
    rlt_buf_fini(&header);
    rlt_free(parts);
    rlt_free(entries);
    return status;
}
