/* Tests of checkpoint: round trips, a file written by the safetensors package, and damage of every
 * kind. `checkpoint_test write FILE` writes what scripts/check_safetensors.py reads back. */
#include "checkpoint/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN RLT_SOURCE_DIR "/tests/golden/checkpoint.safetensors"

static const char *const metadata[][2] = {
    {"format", "rltune"}, {"note", "quotes \" and \\ and ünïcode"}, {"empty", ""}};

/* The tensors of scripts/gen_golden_safetensors.py. */
enum { TENSORS = 9, ELEMENTS_MAX = 8 };
static const rlt_tensor shapes[TENSORS] = {
    {.name = "u8", .dtype = RLT_DTYPE_U8, .rank = 1, .shape = {7}},
    {.name = "f32", .dtype = RLT_DTYPE_F32, .rank = 2, .shape = {2, 3}},
    {.name = "f64", .dtype = RLT_DTYPE_F64, .rank = 1, .shape = {5}},
    {.name = "i32", .dtype = RLT_DTYPE_I32, .rank = 4, .shape = {1, 2, 2, 1}},
    {.name = "i64", .dtype = RLT_DTYPE_I64, .rank = 2, .shape = {3, 1}},
    {.name = "u64", .dtype = RLT_DTYPE_U64, .rank = 1, .shape = {2}},
    {.name = "scalar", .dtype = RLT_DTYPE_F32, .rank = 0},
    {.name = "empty", .dtype = RLT_DTYPE_F32, .rank = 2, .shape = {0, 4}},
    {.name = "größe/β", .dtype = RLT_DTYPE_U8, .rank = 1, .shape = {3}},
};

static void put(void *data, rlt_dtype dtype, int i) {
    switch (dtype) {
    case RLT_DTYPE_F32:
        ((float *)data)[i] = (float)(i * 3 - 5);
        break;
    case RLT_DTYPE_F64:
        ((double *)data)[i] = i * 3 - 5;
        break;
    case RLT_DTYPE_I32:
        ((int32_t *)data)[i] = i * 3 - 5;
        break;
    case RLT_DTYPE_I64:
        ((int64_t *)data)[i] = i * 3 - 5;
        break;
    case RLT_DTYPE_U64:
        ((uint64_t *)data)[i] = (uint64_t)(i * 3 + 250);
        break;
    case RLT_DTYPE_U8:
        ((uint8_t *)data)[i] = (uint8_t)(i * 3 + 250);
        break;
    }
}

typedef struct sample {
    rlt_tensor tensors[TENSORS];
    uint64_t data[TENSORS][ELEMENTS_MAX];
} sample;

static void make_sample(sample *made) {
    for (int i = 0; i < TENSORS; i++) {
        made->tensors[i] = shapes[i];
        made->tensors[i].data = made->data[i];
        for (int j = 0; j < ELEMENTS_MAX; j++) {
            put(made->data[i], shapes[i].dtype, j);
        }
    }
}

static void check_sample(const rlt_checkpoint *checkpoint) {
    sample expected;
    make_sample(&expected);
    assert_int_equal(checkpoint->count, TENSORS);
    for (int i = 0; i < TENSORS; i++) {
        size_t elements = 1;
        for (int d = 0; d < shapes[i].rank; d++) {
            elements *= (size_t)shapes[i].shape[d];
        }
        const void *data = NULL;
        rlt_err err = {0};
        assert_int_equal(
            rlt_checkpoint_get(checkpoint, shapes[i].name, shapes[i].dtype, elements, &data, &err),
            RLT_OK);
        assert_memory_equal(data, expected.data[i], rlt_tensor_bytes(&shapes[i]));
    }
    for (size_t i = 0; i < RLT_COUNT(metadata); i++) {
        assert_string_equal(rlt_checkpoint_metadata(checkpoint, metadata[i][0]), metadata[i][1]);
    }
    assert_null(rlt_checkpoint_metadata(checkpoint, "absent"));
}

static rlt_status write_sample(const char *path, char sha256[RLT_SHA256_HEX], int64_t *size,
                               rlt_err *err) {
    sample made;
    make_sample(&made);
    return rlt_checkpoint_write(path, made.tensors, TENSORS, metadata, RLT_COUNT(metadata), sha256,
                                size, err);
}

static char folder[64], file_path[128];

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rlt_checkpoint_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(file_path, sizeof file_path, "%s/a.safetensors", folder);
    return 0;
}

static int entries_of(const char *path) {
    int count = 0;
    DIR *list = opendir(path);
    assert_non_null(list);
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        count += entry->d_name[0] != '.';
    }
    closedir(list);
    return count;
}

static int tear_down(void **state) {
    (void)state;
    unlink(file_path);
    return rmdir(folder);
}

static void test_round_trip(void **state) {
    (void)state;
    char sha256[RLT_SHA256_HEX], again[RLT_SHA256_HEX];
    int64_t size = 0;
    rlt_err err = {0};
    assert_int_equal(write_sample(file_path, sha256, &size, &err), RLT_OK);
    struct stat info;
    assert_int_equal(stat(file_path, &info), 0);
    assert_int_equal(info.st_size, size);
    assert_int_equal(rlt_sha256_file(file_path, again, &err), RLT_OK);
    assert_string_equal(sha256, again);
    rlt_checkpoint checkpoint;
    assert_int_equal(rlt_checkpoint_read(file_path, sha256, &checkpoint, &err), RLT_OK);
    check_sample(&checkpoint);
    assert_int_equal((uintptr_t)checkpoint.tensors[0].data % 64, 0);
    rlt_checkpoint_fini(&checkpoint);
    rlt_checkpoint_fini(&checkpoint);
    assert_int_equal(entries_of(folder), 1);
}

/* sha256sum and an unrelated implementation (Python's hashlib) give this for "abc" (FIPS 180-4). */
static void test_sha256_known_answer(void **state) {
    (void)state;
    char sha256[RLT_SHA256_HEX];
    rlt_err err = {0};
    assert_int_equal(rlt_file_write_atomic(file_path, "abc", 3, &err), RLT_OK);
    assert_int_equal(rlt_sha256_file(file_path, sha256, &err), RLT_OK);
    assert_string_equal(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(rlt_sha256_file("/nonexistent/a", sha256, &err), RLT_ENOTFOUND);
    assert_int_equal(rlt_sha256_file(folder, sha256, &err), RLT_EIO);
}

static void test_reads_the_safetensors_package(void **state) {
    (void)state;
    rlt_checkpoint checkpoint;
    rlt_err err = {0};
    assert_int_equal(rlt_checkpoint_read(GOLDEN, NULL, &checkpoint, &err), RLT_OK);
    check_sample(&checkpoint);
    rlt_checkpoint_fini(&checkpoint);
}

static void test_no_tensors(void **state) {
    (void)state;
    char sha256[RLT_SHA256_HEX];
    int64_t size = 0;
    rlt_err err = {0};
    assert_int_equal(rlt_checkpoint_write(file_path, NULL, 0, NULL, 0, sha256, &size, &err),
                     RLT_OK);
    rlt_checkpoint checkpoint;
    assert_int_equal(rlt_checkpoint_read(file_path, sha256, &checkpoint, &err), RLT_OK);
    assert_int_equal(checkpoint.count, 0);
    rlt_checkpoint_fini(&checkpoint);
}

static void test_get_refuses_another_shape(void **state) {
    (void)state;
    rlt_checkpoint checkpoint;
    rlt_err err = {0};
    const void *data = NULL;
    assert_int_equal(rlt_checkpoint_read(GOLDEN, NULL, &checkpoint, &err), RLT_OK);
    assert_int_equal(rlt_checkpoint_get(&checkpoint, "f32", RLT_DTYPE_F32, 7, &data, &err),
                     RLT_ECORRUPT);
    assert_non_null(strstr(err.message, "'f32' holds 6 elements of F32; 7 of F32"));
    assert_int_equal(rlt_checkpoint_get(&checkpoint, "f32", RLT_DTYPE_I32, 6, &data, &err),
                     RLT_ECORRUPT);
    assert_int_equal(rlt_checkpoint_get(&checkpoint, "f33", RLT_DTYPE_F32, 6, &data, &err),
                     RLT_ECORRUPT);
    assert_null(data);
    rlt_checkpoint_fini(&checkpoint);
}

static void test_write_refuses_bad_names(void **state) {
    (void)state;
    char sha256[RLT_SHA256_HEX];
    int64_t size = 0;
    float value = 1;
    rlt_err err = {0};
    rlt_tensor pair[2] = {{.name = "a", .data = &value}, {.name = "a", .data = &value}};
    assert_int_equal(rlt_checkpoint_write(file_path, pair, 2, NULL, 0, sha256, &size, &err),
                     RLT_EINVAL);
    snprintf(pair[1].name, sizeof pair[1].name, "__metadata__");
    assert_int_equal(rlt_checkpoint_write(file_path, pair, 2, NULL, 0, sha256, &size, &err),
                     RLT_EINVAL);
    snprintf(pair[1].name, sizeof pair[1].name, "\xff");
    assert_int_equal(rlt_checkpoint_write(file_path, pair, 2, NULL, 0, sha256, &size, &err),
                     RLT_EINVAL);
    const char *const bad[][2] = {{"key", "\xc3"}};
    assert_int_equal(rlt_checkpoint_write(file_path, pair, 1, bad, 1, sha256, &size, &err),
                     RLT_EINVAL);
    assert_int_equal(entries_of(folder), 0);
}

static void test_missing_and_odd_files(void **state) {
    (void)state;
    rlt_checkpoint checkpoint;
    rlt_err err = {0};
    assert_int_equal(rlt_checkpoint_read(file_path, NULL, &checkpoint, &err), RLT_ENOTFOUND);
    assert_non_null(strstr(err.message, file_path));
    assert_int_equal(rlt_checkpoint_read(folder, NULL, &checkpoint, &err), RLT_EIO);
    assert_int_equal(mkfifo(file_path, 0600), 0);
    assert_int_equal(rlt_checkpoint_read(file_path, NULL, &checkpoint, &err), RLT_EIO);
}

static void test_weights_that_are_not_finite(void **state) {
    (void)state;
    float weights[3] = {1, 2, 3};
    double means[2] = {0, -1};
    uint8_t bytes[4] = {255, 255, 255, 255}; /* a NaN to who takes them for a float */
    rlt_tensor tensors[3] = {
        {.name = "w", .dtype = RLT_DTYPE_F32, .rank = 1, .shape = {3}, .data = weights},
        {.name = "m", .dtype = RLT_DTYPE_F64, .rank = 1, .shape = {2}, .data = means},
        {.name = "b", .dtype = RLT_DTYPE_U8, .rank = 1, .shape = {4}, .data = bytes}};
    for (int i = 0; i < 3; i++) {
        weights[2] = i == 1 ? NAN : 3;
        means[0] = i == 2 ? -INFINITY : 0;
        char sha256[RLT_SHA256_HEX];
        int64_t size = 0;
        rlt_err err = {0};
        rlt_checkpoint checkpoint;
        assert_int_equal(rlt_checkpoint_write(file_path, tensors, 3, NULL, 0, sha256, &size, &err),
                         RLT_OK);
        assert_int_equal(rlt_checkpoint_read(file_path, sha256, &checkpoint, &err), RLT_OK);
        rlt_status status = rlt_checkpoint_check_finite(&checkpoint, &err);
        assert_int_equal(status, i == 0 ? RLT_OK : RLT_EDIVERGED);
        const char *says[] = {"", "element 2 of tensor 'w'", "element 0 of tensor 'm'"};
        assert_non_null(strstr(err.message, says[i]));
        rlt_checkpoint_fini(&checkpoint);
    }
}

/* Writes one of two checkpoints in turn until it is killed. */
static void write_for_ever(const rlt_tensor *tensor, float *values) {
    for (int turn = 0;; turn = !turn) {
        char sha256[RLT_SHA256_HEX];
        int64_t size = 0;
        values[0] = (float)turn;
        if (rlt_checkpoint_write(file_path, tensor, 1, NULL, 0, sha256, &size, NULL) != RLT_OK) {
            _exit(1);
        }
    }
}

static void remove_temporaries(void) {
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        if (strstr(entry->d_name, ".tmp.") != NULL) {
            unlinkat(dirfd(list), entry->d_name, 0);
        }
    }
    closedir(list);
}

/* Whenever the writer dies, what lies under the name is one of its checkpoints, whole. */
static void test_killed_while_writing(void **state) {
    (void)state;
    enum { FLOATS = 50000, KILLS = 25 };
    float *values = rlt_alloc(sizeof(float) * FLOATS);
    rlt_tensor tensor = {.name = "w", .rank = 1, .shape = {FLOATS}, .data = values};
    char whole[2][RLT_SHA256_HEX];
    int64_t size = 0;
    rlt_err err = {0};
    rlt_rng rng = rlt_rng_make((uint64_t)rlt_wall_ms(), RLT_STREAM_TEST, 0);
    print_message("seed %llu\n", (unsigned long long)rng.seed);
    for (int turn = 0; turn < 2; turn++) {
        values[0] = (float)turn;
        assert_int_equal(
            rlt_checkpoint_write(file_path, &tensor, 1, NULL, 0, whole[turn], &size, &err), RLT_OK);
    }
    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            write_for_ever(&tensor, values);
        }
        usleep(rlt_rng_below(&rng, 20000));
        kill(child, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        char found[RLT_SHA256_HEX];
        assert_int_equal(rlt_sha256_file(file_path, found, &err), RLT_OK);
        assert_true(strcmp(found, whole[0]) == 0 || strcmp(found, whole[1]) == 0);
    }
    remove_temporaries();
    rlt_free(values);
}

/* Without a hash: never more than a refusal; with it: always a refusal. */
static void check_damaged(const char *bytes, size_t size, const char *sha256) {
    rlt_checkpoint checkpoint;
    rlt_err err = {0};
    rlt_status status = rlt_checkpoint_parse(bytes, size, &checkpoint, &err);
    assert_true(status == RLT_OK || err.message[0] != 0);
    rlt_checkpoint_fini(&checkpoint);
    if (sha256 != NULL) {
        FILE *file = fopen(file_path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(rlt_checkpoint_read(file_path, sha256, &checkpoint, &err), RLT_ECORRUPT);
        assert_null(checkpoint.bytes);
    }
}

static void test_truncated(void **state) {
    (void)state;
    enum { FLOATS = 20000 };
    float *values = rlt_alloc(sizeof(float) * FLOATS);
    rlt_tensor tensor = {.name = "w", .rank = 1, .shape = {FLOATS}, .data = values};
    char sha256[RLT_SHA256_HEX], *bytes = NULL;
    int64_t written = 0;
    size_t size = 0;
    rlt_err err = {0};
    assert_int_equal(rlt_checkpoint_write(file_path, &tensor, 1, NULL, 0, sha256, &written, &err),
                     RLT_OK);
    assert_int_equal(rlt_file_read(file_path, 1 << 20, &bytes, &size, &err), RLT_OK);
    for (size_t cut = 0; cut < size; cut += 256) {
        rlt_checkpoint checkpoint;
        char *copy = malloc(cut ? cut : 1); /* exact, so that ASan sees one byte too many */
        memcpy(copy, bytes, cut);
        assert_int_not_equal(rlt_checkpoint_parse(copy, cut, &checkpoint, &err), RLT_OK);
        free(copy);
        check_damaged(bytes, cut, sha256);
    }
    rlt_free(bytes);
    rlt_free(values);
}

static void test_flipped_bits(void **state) {
    (void)state;
    char sha256[RLT_SHA256_HEX], *bytes = NULL;
    int64_t written = 0;
    size_t size = 0;
    rlt_err err = {0};
    assert_int_equal(write_sample(file_path, sha256, &written, &err), RLT_OK);
    assert_int_equal(rlt_file_read(file_path, 1 << 20, &bytes, &size, &err), RLT_OK);
    for (size_t at = 0; at < size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] = (char)(bytes[at] ^ 1 << bit);
            check_damaged(bytes, size, bit == (int)at % 8 ? sha256 : NULL);
            bytes[at] = (char)(bytes[at] ^ 1 << bit);
        }
    }
    rlt_free(bytes);
}

/* A file with this header and `data_size` bytes of data; what its reader says. */
static rlt_status parse_header(const char *header, size_t data_size, rlt_err *err) {
    rlt_buf bytes = {0};
    uint64_t size = strlen(header);
    static const char data[4096];
    rlt_buf_append(&bytes, &size, sizeof size);
    rlt_buf_append(&bytes, header, size);
    rlt_buf_append(&bytes, data, data_size);
    rlt_checkpoint checkpoint;
    rlt_status status = rlt_checkpoint_parse(bytes.data, bytes.size, &checkpoint, err);
    rlt_checkpoint_fini(&checkpoint);
    rlt_buf_fini(&bytes);
    return status;
}

#define T(name, dtype, shape, from, to)                                                            \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" #from "," #to \
    "]}"

static void test_malicious_headers(void **state) {
    (void)state;
    static const struct {
        const char *header, *says;
        rlt_status status;
        size_t data_size;
    } cases[] = {
        {"{" T("a", "F32", "2", 0, 8) "," T("b", "U8", "3", 8, 11) "}", "", RLT_OK, 11},
        {"{" T("b", "U8", "3", 8, 11) "," T("a", "F32", "2", 0, 8) "}", "", RLT_OK, 11},
        {"{" T("b", "U8", "3", 0, 3) "," T("a", "F64", "1", 3, 11) "}", "", RLT_OK, 11},
        {"{}   ", "", RLT_OK, 0},
        {"{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "2", 4, 12) "}", "overlap", RLT_ECORRUPT,
         12},
        {"{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "2", 0, 8) "}", "overlap", RLT_ECORRUPT, 8},
        {"{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "1", 12, 16) "}", "a hole", RLT_ECORRUPT,
         16},
        {"{" T("a", "F32", "2", 4, 12) "}", "a hole", RLT_ECORRUPT, 12},
        {"{" T("a", "F32", "2", 0, 8) "}", "fill 8 of 12", RLT_ECORRUPT, 12},
        {"{" T("a", "F32", "2", 0, 8) "}", "within the 4 bytes", RLT_ECORRUPT, 4},
        {"{" T("a", "F32", "2", 8, 0) "}", "data_offsets", RLT_ECORRUPT, 8},
        {"{" T("a", "F32", "2", -8, 0) "}", "data_offsets", RLT_ECORRUPT, 8},
        {"{" T("a", "F32", "3", 0, 8) "}", "shape does not give", RLT_ECORRUPT, 8},
        {"{" T("a", "F32", "4611686018427387904, 4", 0, 0) "}", "shape does not give", RLT_ECORRUPT,
         0},
        {"{" T("a", "F32", "-1", 0, 8) "}", "dimension 0", RLT_ECORRUPT, 8},
        {"{" T("a", "F32", "2.0", 0, 8) "}", "dimension 0", RLT_ECORRUPT, 8},
        {"{" T("a", "F32", "1,1,1,1,2", 0, 8) "}", "rank 5", RLT_ELIMIT, 8},
        {"{" T("a", "BF16", "4", 0, 8) "}", "dtype 'BF16'", RLT_ENOTSUP, 8},
        {"{" T("a", "F32", "2", 0, 8) "," T("a", "F32", "2", 0, 8) "}", "duplicate", RLT_ECORRUPT,
         8},
        {"{" T("a", "F32", "2", 0, 99999999999999999999) "}", "header", RLT_ECORRUPT, 8},
        {"{" T("", "F32", "2", 0, 8) "}", "its name has 0", RLT_ELIMIT, 8},
        {"{\"a\": 3}", "not an object", RLT_ECORRUPT, 0},
        {"{\"a\": {}}", "no dtype", RLT_ECORRUPT, 0},
        {"{\"__metadata__\": [1]}", "__metadata__", RLT_ECORRUPT, 0},
        {"{\"__metadata__\": {\"k\": 1}}", "not a string", RLT_ECORRUPT, 0},
        {"[]", "does not start with '{'", RLT_ECORRUPT, 0},
        {"", "header", RLT_ECORRUPT, 0},
        {"{\"a\":", "header", RLT_ECORRUPT, 0},
    };
    for (size_t i = 0; i < RLT_COUNT(cases); i++) {
        rlt_err err = {0};
        rlt_status status = parse_header(cases[i].header, cases[i].data_size, &err);
        if (status != cases[i].status || strstr(err.message, cases[i].says) == NULL) {
            fail_msg("%s\n  gives %s '%s', not %s '%s'", cases[i].header, rlt_status_name(status),
                     err.message, rlt_status_name(cases[i].status), cases[i].says);
        }
    }
}

static void test_misaligned_data_is_moved(void **state) {
    (void)state;
    const char header[] = "{" T("b", "U8", "3", 0, 3) "," T("a", "F64", "1", 3, 11) "}";
    double value = 2.5;
    uint64_t size = strlen(header);
    rlt_buf bytes = {0};
    rlt_buf_append(&bytes, &size, sizeof size);
    rlt_buf_append(&bytes, header, size);
    rlt_buf_append(&bytes, "xyz", 3);
    rlt_buf_append(&bytes, &value, sizeof value);
    rlt_checkpoint checkpoint;
    rlt_err err = {0};
    const void *data = NULL;
    assert_int_equal(rlt_checkpoint_parse(bytes.data, bytes.size, &checkpoint, &err), RLT_OK);
    assert_int_equal(rlt_checkpoint_get(&checkpoint, "a", RLT_DTYPE_F64, 1, &data, &err), RLT_OK);
    assert_int_equal((uintptr_t)data % _Alignof(double), 0);
    assert_memory_equal(data, &value, sizeof value);
    assert_int_equal(rlt_checkpoint_get(&checkpoint, "b", RLT_DTYPE_U8, 3, &data, &err), RLT_OK);
    assert_memory_equal(data, "xyz", 3);
    rlt_checkpoint_fini(&checkpoint);
    rlt_buf_fini(&bytes);
}

static void test_announced_sizes_are_not_believed(void **state) {
    (void)state;
    static const uint64_t sizes[] = {UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 7, 9};
    for (size_t i = 0; i < RLT_COUNT(sizes); i++) {
        char bytes[16] = {0};
        memcpy(bytes, &sizes[i], sizeof sizes[i]);
        rlt_checkpoint checkpoint;
        rlt_err err = {0};
        assert_int_equal(rlt_checkpoint_parse(bytes, sizeof bytes, &checkpoint, &err),
                         RLT_ECORRUPT);
        assert_non_null(strstr(err.message, "announces a header"));
    }
    rlt_err err = {0};
    rlt_checkpoint checkpoint;
    assert_int_equal(rlt_checkpoint_parse(NULL, 0, &checkpoint, &err), RLT_ECORRUPT);
}

static void test_header_limit(void **state) {
    (void)state;
    uint64_t size = RLT_CHECKPOINT_HEADER_MAX + 1;
    char *bytes = calloc(1, size + sizeof size);
    memcpy(bytes, &size, sizeof size);
    rlt_checkpoint checkpoint;
    rlt_err err = {0};
    assert_int_equal(rlt_checkpoint_parse(bytes, size + sizeof size, &checkpoint, &err),
                     RLT_ELIMIT);
    free(bytes);
}

static bool write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    return file != NULL && fputs(text, file) >= 0 && fclose(file) == 0;
}

/* A mount namespace of its own, also without being root. */
static bool unshare_mounts(void) {
    char users[64], groups[64];
    snprintf(users, sizeof users, "0 %u 1", (unsigned)getuid());
    snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getgid());
    return unshare(CLONE_NEWNS) == 0 ||
           (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/uid_map", users) &&
            write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/gid_map", groups));
}

/* A tmpfs of 256 kB over the test's folder, seen by this process alone. */
static bool mount_small_disk(void) {
    return unshare_mounts() && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("rlt", folder, "tmpfs", 0, "size=256k") == 0;
}

/* In a child; exit code 77: no such disk here, 0: as promised. */
static int full_disk_child(void) {
    if (!mount_small_disk()) {
        return 77;
    }
    enum { FLOATS = 100000 };
    char sha256[RLT_SHA256_HEX], big_sha256[RLT_SHA256_HEX];
    int64_t size = 0;
    rlt_err err = {0};
    if (write_sample(file_path, sha256, &size, &err) != RLT_OK) {
        return 1;
    }
    float *values = rlt_alloc(sizeof(float) * FLOATS);
    rlt_tensor tensor = {.name = "w", .rank = 1, .shape = {FLOATS}, .data = values};
    rlt_status status =
        rlt_checkpoint_write(file_path, &tensor, 1, NULL, 0, big_sha256, &size, &err);
    rlt_free(values);
    rlt_checkpoint checkpoint;
    if (status != RLT_EFULL || entries_of(folder) != 1 ||
        rlt_checkpoint_read(file_path, sha256, &checkpoint, &err) != RLT_OK) {
        return 2;
    }
    rlt_checkpoint_fini(&checkpoint);
    return 0;
}

static void test_full_disk_keeps_the_old_file(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(full_disk_child());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("skipped: this system refuses to mount a small tmpfs\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "write") == 0) {
        char sha256[RLT_SHA256_HEX];
        int64_t size = 0;
        return write_sample(argv[2], sha256, &size, NULL);
    }
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_sha256_known_answer),
        TEST(test_reads_the_safetensors_package),
        TEST(test_no_tensors),
        TEST(test_get_refuses_another_shape),
        TEST(test_write_refuses_bad_names),
        TEST(test_missing_and_odd_files),
        TEST(test_weights_that_are_not_finite),
        TEST(test_killed_while_writing),
        TEST(test_truncated),
        TEST(test_flipped_bits),
        TEST(test_malicious_headers),
        TEST(test_misaligned_data_is_moved),
        TEST(test_announced_sizes_are_not_believed),
        TEST(test_header_limit),
        TEST(test_full_disk_keeps_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
