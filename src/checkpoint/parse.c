/* checkpoint: the format of what may be damaged or hostile. The header is believed only after every
 * check: sizes within the file, known types, shapes that give the sizes, no overlap, no hole.
 * Thread: any, no state. Owner: the caller owns the checkpoint. */
#include "checkpoint/checkpoint_impl.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const char *place; /* the path, for messages */
    unsigned char *bytes;
    size_t size, data_at; /* the data section starts there */
    rlt_checkpoint *out;
    size_t *begins; /* [out->count], within the data section */
    rlt_err *err;
} reader;

unsigned char *rlt_checkpoint_allocate(size_t size) {
    size_t rounded = (size + RLT_CHECKPOINT_ALIGN) / RLT_CHECKPOINT_ALIGN * RLT_CHECKPOINT_ALIGN;
    return aligned_alloc(RLT_CHECKPOINT_ALIGN, rounded);
}

static rlt_status parse_dtype(reader *in, rlt_tensor *tensor, const json_t *value) {
    const char *text = json_string_value(value);
    if (text == NULL) {
        return rlt_fail(in->err, RLT_ECORRUPT, "%s: tensor '%s': no dtype", in->place,
                        tensor->name);
    }
    for (int i = 0; i < RLT_DTYPE_COUNT; i++) {
        if (strcmp(text, rlt_dtype_infos[i].name) == 0) {
            tensor->dtype = (rlt_dtype)i;
            return RLT_OK;
        }
    }
    return rlt_fail(in->err, RLT_ENOTSUP,
                    "%s: tensor '%s': dtype '%.16s'; allowed: F32, F64, I32, I64, U64, U8",
                    in->place, tensor->name, text);
}

static rlt_status parse_shape(reader *in, rlt_tensor *tensor, const json_t *shape) {
    if (!json_is_array(shape)) {
        return rlt_fail(in->err, RLT_ECORRUPT, "%s: tensor '%s': no shape", in->place,
                        tensor->name);
    }
    size_t rank = json_array_size(shape);
    if (rank > RLT_TENSOR_RANK_MAX) {
        return rlt_fail(in->err, RLT_ELIMIT, "%s: tensor '%s': rank %zu, at most %d is allowed",
                        in->place, tensor->name, rank, RLT_TENSOR_RANK_MAX);
    }
    tensor->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *size = json_array_get(shape, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0) {
            return rlt_fail(in->err, RLT_ECORRUPT,
                            "%s: tensor '%s': dimension %zu is not an integer of 0 or more",
                            in->place, tensor->name, i);
        }
        tensor->shape[i] = json_integer_value(size);
    }
    return RLT_OK;
}

static rlt_status parse_offsets(reader *in, rlt_tensor *tensor, const json_t *offsets,
                                size_t *begin) {
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    json_int_t from = json_integer_value(first), to = json_integer_value(second);
    size_t data_size = in->size - in->data_at;
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second) ||
        from < 0 || to < from || (uint64_t)to > data_size) {
        return rlt_fail(in->err, RLT_ECORRUPT,
                        "%s: tensor '%s': data_offsets [%lld, %lld] do not lie within the %zu "
                        "bytes of data",
                        in->place, tensor->name, (long long)from, (long long)to, data_size);
    }
    int64_t bytes = 0;
    if (!rlt_tensor_bytes_checked(tensor, &bytes) || bytes != to - from) {
        return rlt_fail(in->err, RLT_ECORRUPT,
                        "%s: tensor '%s': its shape does not give the %lld bytes that its "
                        "data_offsets give",
                        in->place, tensor->name, (long long)(to - from));
    }
    tensor->data = in->bytes + in->data_at + from;
    *begin = (size_t)from;
    return RLT_OK;
}

static rlt_status parse_tensor(reader *in, const char *name, const json_t *value) {
    rlt_tensor *tensor = &in->out->tensors[in->out->count];
    if (name[0] == 0 || strlen(name) >= sizeof tensor->name) {
        return rlt_fail(in->err, RLT_ELIMIT,
                        "%s: tensor '%.32s…': its name has %zu bytes; allowed: 1 to %zu", in->place,
                        name, strlen(name), sizeof tensor->name - 1);
    }
    memcpy(tensor->name, name, strlen(name) + 1);
    if (!json_is_object(value)) {
        return rlt_fail(in->err, RLT_ECORRUPT, "%s: tensor '%s': its entry is not an object",
                        in->place, name);
    }
    RLT_TRY(parse_dtype(in, tensor, json_object_get(value, "dtype")));
    RLT_TRY(parse_shape(in, tensor, json_object_get(value, "shape")));
    RLT_TRY(parse_offsets(in, tensor, json_object_get(value, "data_offsets"),
                          &in->begins[in->out->count]));
    in->out->count++;
    return RLT_OK;
}

static rlt_status parse_metadata(reader *in, json_t *object) {
    size_t count = json_object_size(object);
    if (!json_is_object(object)) {
        return rlt_fail(in->err, RLT_ECORRUPT, "%s: __metadata__ is not an object", in->place);
    }
    in->out->metadata = rlt_alloc(sizeof *in->out->metadata * count);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        if (!json_is_string(value)) {
            return rlt_fail(in->err, RLT_ECORRUPT, "%s: __metadata__ '%.64s' is not a string",
                            in->place, key);
        }
        int at = in->out->metadata_count++;
        size_t key_size = strlen(key) + 1, value_size = json_string_length(value) + 1;
        in->out->metadata[at].key = rlt_alloc(key_size);
        in->out->metadata[at].value = rlt_alloc(value_size);
        memcpy(in->out->metadata[at].key, key, key_size);
        memcpy(in->out->metadata[at].value, json_string_value(value), value_size);
    }
    return RLT_OK;
}

static int compare_places(const void *a, const void *b) {
    const size_t *left = a, *right = b; /* {begin, end, index} */
    if (left[0] != right[0]) {
        return left[0] < right[0] ? -1 : 1;
    }
    return (left[1] > right[1]) - (left[1] < right[1]);
}

/* In the order of their places the tensors must fill the data section exactly. */
static rlt_status check_places(reader *in) {
    size_t count = (size_t)in->out->count, at = 0;
    size_t(*places)[3] = rlt_alloc(sizeof *places * count);
    for (size_t i = 0; i < count; i++) {
        places[i][0] = in->begins[i];
        places[i][1] = in->begins[i] + rlt_tensor_bytes(&in->out->tensors[i]);
        places[i][2] = i;
    }
    qsort(places, count, sizeof *places, compare_places);
    rlt_status status = RLT_OK;
    for (size_t i = 0; i < count && status == RLT_OK; i++) {
        if (places[i][0] != at) {
            status = rlt_fail(in->err, RLT_ECORRUPT,
                              "%s: tensor '%s' starts at byte %zu of the data, %zu was expected: "
                              "%s",
                              in->place, in->out->tensors[places[i][2]].name, places[i][0], at,
                              places[i][0] < at ? "tensors overlap" : "a hole");
        }
        at = places[i][1];
    }
    rlt_free(places);
    if (status == RLT_OK && at != in->size - in->data_at) {
        return rlt_fail(in->err, RLT_ECORRUPT, "%s: the tensors fill %zu of %zu bytes of data",
                        in->place, at, in->size - in->data_at);
    }
    return status;
}

/* Files of other writers may place a tensor where its type cannot be read: moves all then. */
static rlt_status align_tensors(reader *in) {
    size_t total = 0;
    bool aligned = true;
    for (int i = 0; i < in->out->count; i++) {
        const rlt_tensor *tensor = &in->out->tensors[i];
        aligned &= (uintptr_t)tensor->data % rlt_dtype_infos[tensor->dtype].size == 0;
        total += rlt_tensor_bytes(tensor) + RLT_CHECKPOINT_ALIGN;
    }
    if (aligned) {
        return RLT_OK;
    }
    unsigned char *moved = rlt_checkpoint_allocate(total), *to = moved;
    if (moved == NULL) {
        return rlt_fail(in->err, RLT_ENOMEM, "%s: no memory for %zu bytes", in->place, total);
    }
    for (int i = 0; i < in->out->count; i++) {
        rlt_tensor *tensor = &in->out->tensors[i];
        size_t bytes = rlt_tensor_bytes(tensor);
        memcpy(to, tensor->data, bytes);
        tensor->data = to;
        to += (bytes + RLT_CHECKPOINT_ALIGN - 1) / RLT_CHECKPOINT_ALIGN * RLT_CHECKPOINT_ALIGN;
    }
    free(in->bytes);
    in->bytes = moved;
    return RLT_OK;
}

static rlt_status parse_entries(reader *in, json_t *header) {
    size_t entries = json_object_size(header);
    if (!json_is_object(header) || entries > RLT_CHECKPOINT_TENSORS_MAX) {
        return rlt_fail(in->err, RLT_ELIMIT, "%s: %zu tensors; allowed: 0 to %d", in->place,
                        entries, RLT_CHECKPOINT_TENSORS_MAX);
    }
    in->out->tensors = rlt_alloc(sizeof *in->out->tensors * entries);
    in->begins = rlt_alloc(sizeof *in->begins * entries);
    const char *name;
    json_t *value;
    json_object_foreach(header, name, value) {
        RLT_TRY(strcmp(name, "__metadata__") == 0 ? parse_metadata(in, value)
                                                  : parse_tensor(in, name, value));
    }
    RLT_TRY(check_places(in));
    return align_tensors(in);
}

static rlt_status parse_header(reader *in) {
    uint64_t size = 0;
    if (in->size < RLT_CHECKPOINT_PREFIX) {
        return rlt_fail(in->err, RLT_ECORRUPT, "%s: %zu bytes are too few for a checkpoint",
                        in->place, in->size);
    }
    memcpy(&size, in->bytes, sizeof size);
    if (size > in->size - RLT_CHECKPOINT_PREFIX) {
        return rlt_fail(in->err, RLT_ECORRUPT,
                        "%s: announces a header of %llu bytes but has %zu in all: truncated, or no "
                        "checkpoint",
                        in->place, (unsigned long long)size, in->size);
    }
    if (size > RLT_CHECKPOINT_HEADER_MAX) {
        return rlt_fail(in->err, RLT_ELIMIT, "%s: a header of %llu bytes; at most %d are allowed",
                        in->place, (unsigned long long)size, RLT_CHECKPOINT_HEADER_MAX);
    }
    const char *text = (const char *)in->bytes + RLT_CHECKPOINT_PREFIX;
    in->data_at = RLT_CHECKPOINT_PREFIX + (size_t)size;
    json_error_t error = {0};
    json_t *header = size > 0 && text[0] == '{'
                         ? json_loadb(text, (size_t)size, JSON_REJECT_DUPLICATES, &error)
                         : NULL;
    if (header == NULL) {
        return rlt_fail(in->err, RLT_ECORRUPT, "%s: the header is not the JSON object expected: %s",
                        in->place, error.text[0] ? error.text : "it does not start with '{'");
    }
    rlt_status status = parse_entries(in, header);
    json_decref(header);
    return status;
}

rlt_status rlt_checkpoint_parse_owned(const char *place, unsigned char *bytes, size_t size,
                                      rlt_checkpoint *checkpoint, rlt_err *err) {
    *checkpoint = (rlt_checkpoint){0};
    reader in = {.place = place, .bytes = bytes, .size = size, .out = checkpoint, .err = err};
    rlt_status status = parse_header(&in);
    checkpoint->bytes = in.bytes;
    rlt_free(in.begins);
    if (status != RLT_OK) {
        rlt_checkpoint_fini(checkpoint);
    }
    return status;
}

rlt_status rlt_checkpoint_parse(const void *bytes, size_t size, rlt_checkpoint *checkpoint,
                                rlt_err *err) {
    *checkpoint = (rlt_checkpoint){0};
    unsigned char *copy = rlt_checkpoint_allocate(size);
    if (copy == NULL) {
        return rlt_fail(err, RLT_ENOMEM, "checkpoint: no memory for %zu bytes", size);
    }
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return rlt_checkpoint_parse_owned("checkpoint", copy, size, checkpoint, err);
}
