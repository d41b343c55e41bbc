/* command: TensorBoard's event files. Framing (tensorflow/core/lib/io/record_writer.h): length u64,
 * masked CRC-32C of those 8 bytes u32, data, masked CRC-32C of the data u32, all little endian. The
 * data is a protocol buffer Event (tensorflow/core/util/event.proto): step = 2, summary = 5, of
 * which value = 1 is repeated: tag = 1, simple_value = 2 (float), tensor = 8, of which dtype = 1,
 * tensor_content = 4, float_val = 5, double_val = 6, int_val = 7, int64_val = 10.
 * Why read by hand: ten fields in five kinds of messages; protobuf-c would need the whole of
 * TensorFlow's definitions, generated code and one more library in every process.
 * Thread: the host's. Owner: the caller. */
#include "command/command_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEAD = 12,
    FOOT = 4,
    RECORD_MAX = 1 << 20, /* bytes of a record that is read; larger ones (pictures) are passed by */
    RECORDS_PER_READ = 100000
};

struct rlt_event_file {
    char *path;
    int fd; /* -1: not there yet */
    int64_t at;
    bool damaged;
    uint8_t *data; /* RECORD_MAX + FOOT bytes */
    char name[RLT_COMMAND_NAME_MAX + 1];
};

/* ---- CRC-32C (RFC 3720, appendix B.4: polynomial 0x1edc6f41, reflected) ---- */

uint32_t rlt_crc32c(const void *data, size_t size) {
    static uint32_t table[256];
    if (table[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t x = i;
            for (int bit = 0; bit < 8; bit++) {
                x = (x >> 1) ^ (x & 1 ? UINT32_C(0x82f63b78) : 0);
            }
            table[i] = x;
        }
    }
    uint32_t crc = UINT32_MAX;
    for (const uint8_t *at = data, *end = at + size; at < end; at++) {
        crc = table[(crc ^ *at) & 0xff] ^ (crc >> 8);
    }
    return ~crc;
}

static uint32_t masked(uint32_t crc) {
    return ((crc >> 15) | (crc << 17)) + UINT32_C(0xa282ead8);
}

static uint64_t little(const uint8_t *at, int size) {
    uint64_t x = 0;
    for (int i = size - 1; i >= 0; i--) {
        x = x << 8 | at[i];
    }
    return x;
}

static double float_at(const uint8_t *at) {
    uint32_t bits = (uint32_t)little(at, 4);
    float x;
    memcpy(&x, &bits, sizeof x);
    return (double)x;
}

static double double_at(const uint8_t *at) {
    uint64_t bits = little(at, 8);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- protocol buffers ---- */

typedef struct wire {
    const uint8_t *at, *end;
    uint32_t field;
    int type;            /* 0 varint, 1 eight bytes, 2 bytes, 5 four bytes */
    uint64_t number;     /* of types 0, 1, 5 */
    const uint8_t *data; /* of type 2; of types 1 and 5 where they lie */
    size_t size;
} wire;

static bool varint(wire *w, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

static bool take(wire *w, uint64_t size) {
    if (size > (uint64_t)(w->end - w->at)) {
        return false;
    }
    w->data = w->at;
    w->size = (size_t)size;
    w->at += size;
    return true;
}

/* The next field; false at the end, *broken when that is no end of a message. */
static bool next_field(wire *w, bool *broken) {
    uint64_t key, size;
    if (w->at == w->end) {
        return false;
    }
    *broken = true;
    if (!varint(w, &key)) {
        return false;
    }
    w->field = (uint32_t)(key >> 3);
    w->type = (int)(key & 7);
    bool fits = w->type == 0   ? varint(w, &w->number)
                : w->type == 1 ? take(w, 8)
                : w->type == 2 ? varint(w, &size) && take(w, size)
                : w->type == 5 ? take(w, 4)
                               : false;
    *broken = !fits;
    return fits;
}

enum { DT_FLOAT = 1, DT_DOUBLE = 2, DT_INT32 = 3, DT_INT64 = 9 };

static double content_value(const uint8_t *data, size_t size, uint64_t dtype) {
    return dtype == DT_FLOAT && size == 4    ? float_at(data)
           : dtype == DT_DOUBLE && size == 8 ? double_at(data)
           : dtype == DT_INT32 && size == 4  ? (double)(int32_t)little(data, 4)
           : dtype == DT_INT64 && size == 8  ? (double)(int64_t)little(data, 8)
                                             : NAN;
}

/* The one number of a tensor; false: it is no scalar. */
static bool read_tensor(wire w, double *value) {
    bool broken = false, found = false;
    uint64_t dtype = 0;
    const uint8_t *content = NULL;
    size_t content_size = 0;
    while (next_field(&w, &broken)) {
        bool packed = w.type == 2;
        if (w.field == 1 && w.type == 0) {
            dtype = w.number;
        } else if (w.field == 4 && packed) {
            content = w.data;
            content_size = w.size;
        } else if (w.field == 5 && (packed || w.type == 5) && w.size == 4) {
            *value = float_at(w.data);
            found = true;
        } else if (w.field == 6 && (packed || w.type == 1) && w.size == 8) {
            *value = double_at(w.data);
            found = true;
        } else if ((w.field == 7 || w.field == 10) && packed) {
            wire inner = {.at = w.data, .end = w.data + w.size};
            uint64_t number;
            found = varint(&inner, &number) && inner.at == inner.end;
            *value = found ? (double)(int64_t)number : *value;
        } else if ((w.field == 7 || w.field == 10) && w.type == 0) {
            *value = (double)(int64_t)w.number;
            found = true;
        }
    }
    if (!found && content != NULL && content_size > 0) {
        *value = content_value(content, content_size, dtype);
        found = (dtype == DT_FLOAT || dtype == DT_INT32) ? content_size == 4 : content_size == 8;
    }
    return found && !broken;
}

/* One Summary.Value; false: it holds no number. */
static bool read_value(rlt_event_file *file, wire w, double *value) {
    bool broken = false, found = false;
    file->name[0] = 0;
    while (next_field(&w, &broken)) {
        if (w.field == 1 && w.type == 2 && w.size <= RLT_COMMAND_NAME_MAX) {
            memcpy(file->name, w.data, w.size);
            file->name[w.size] = 0;
        } else if (w.field == 2 && w.type == 5) {
            *value = float_at(w.data);
            found = true;
        } else if (w.field == 8 && w.type == 2) {
            found = read_tensor((wire){.at = w.data, .end = w.data + w.size}, value) || found;
        }
    }
    return found && !broken && rlt_name_is_metric(file->name);
}

static rlt_status read_summary(rlt_event_file *file, wire w, int64_t step, rlt_event_visit visit,
                               void *user, rlt_err *err) {
    bool broken = false;
    while (next_field(&w, &broken)) {
        double value;
        if (w.field != 1 || w.type != 2 ||
            !read_value(file, (wire){.at = w.data, .end = w.data + w.size}, &value)) {
            continue;
        }
        rlt_report report = {.step = step, .count = 1};
        report.names[0] = file->name;
        report.values[0] = isfinite(value) ? value : NAN;
        RLT_TRY(visit(user, &report, err));
    }
    return RLT_OK;
}

/* One Event; the step may come after the summary. */
static rlt_status read_event(rlt_event_file *file, size_t size, rlt_event_visit visit, void *user,
                             rlt_err *err) {
    wire w = {.at = file->data, .end = file->data + size}, summary = {0};
    bool broken = false;
    uint64_t step = 0;
    while (next_field(&w, &broken)) {
        if (w.field == 2 && w.type == 0) {
            step = w.number;
        } else if (w.field == 5 && w.type == 2) {
            summary = (wire){.at = w.data, .end = w.data + w.size};
        }
    }
    if (broken || summary.at == NULL || step > (UINT64_C(1) << 53)) {
        return RLT_OK;
    }
    return read_summary(file, summary, (int64_t)step, visit, user, err);
}

/* ---- the file ---- */

rlt_event_file *rlt_event_file_open(const char *path) {
    rlt_event_file *file = rlt_alloc(sizeof *file);
    file->path = strdup(path);
    file->fd = -1;
    return file;
}

static rlt_status fail_damaged(rlt_event_file *file, rlt_err *err) {
    file->damaged = true;
    return rlt_fail(err, RLT_ECORRUPT, "%.200s: damaged at byte %lld", file->path,
                    (long long)file->at);
}

static bool read_at(const rlt_event_file *file, void *data, size_t size, int64_t at) {
    ssize_t got;
    do {
        got = pread(file->fd, data, size, at);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)size;
}

/* *whole: there was a complete record at file->at, which now lies behind it. */
static rlt_status read_record(rlt_event_file *file, rlt_event_visit visit, void *user, bool *whole,
                              rlt_err *err) {
    uint8_t head[HEAD], last;
    *whole = false;
    if (!read_at(file, head, HEAD, file->at)) {
        return RLT_OK;
    }
    uint64_t size = little(head, 8);
    if (masked(rlt_crc32c(head, 8)) != little(head + 8, 4) || size > (UINT64_C(1) << 40)) {
        return fail_damaged(file, err);
    }
    int64_t next = file->at + HEAD + (int64_t)size + FOOT;
    if (size > RECORD_MAX) {
        *whole = read_at(file, &last, 1, next - 1);
        file->at = *whole ? next : file->at;
        return RLT_OK;
    }
    if (!read_at(file, file->data, (size_t)size + FOOT, file->at + HEAD)) {
        return RLT_OK;
    }
    if (masked(rlt_crc32c(file->data, (size_t)size)) != little(file->data + size, FOOT)) {
        return fail_damaged(file, err);
    }
    file->at = next;
    *whole = true;
    return read_event(file, (size_t)size, visit, user, err);
}

rlt_status rlt_event_file_read(rlt_event_file *file, rlt_event_visit visit, void *user,
                               rlt_err *err) {
    bool whole = true;
    if (file->fd < 0) {
        file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    if (file->fd < 0 || file->damaged) {
        return RLT_OK;
    }
    file->data = file->data != NULL ? file->data : rlt_alloc(RECORD_MAX + FOOT);
    for (int i = 0; i < RECORDS_PER_READ && whole; i++) {
        RLT_TRY(read_record(file, visit, user, &whole, err));
    }
    return RLT_OK;
}

void rlt_event_file_close(rlt_event_file **file) {
    if (*file != NULL) {
        if ((*file)->fd >= 0) {
            close((*file)->fd);
        }
        free((*file)->path);
        rlt_free((*file)->data);
        rlt_free(*file);
        *file = NULL;
    }
}
