/* Segments: columns do not overlap, foreign or damaged blocks are refused. */
#include "batch/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const rlt_batch_spec spec = {7, 5, 3, sizeof(int32_t), 33, 6, 2};
static const int values = 2;
static const rlt_batch_actions two = {1, &values};

typedef struct column {
    unsigned char *data;
    size_t size;
} column;

static void test_columns_are_apart(void **unused) {
    (void)unused;
    size_t size = rlt_segment_size(&spec), rows = 35, next = 40;
    void *block = rlt_alloc(size);
    rlt_segment s;
    rlt_segment_bind(&spec, block, &s);
    const column columns[] = {
        {(void *)s.header, sizeof(*s.header)},
        {(void *)s.obs, 4 * next * 3},
        {s.action, rows * 4},
        {(void *)s.log_prob, 4 * rows},
        {(void *)s.value, 4 * next},
        {(void *)s.reward, 4 * rows},
        {(void *)s.final_value, 4 * rows},
        {(void *)s.episode_return, 4 * rows},
        {(void *)s.episode_length, 4 * rows},
        {s.terminated, rows},
        {s.truncated, rows},
        {s.mask, rows * 2},
        {(void *)s.norm, 4 * 2 * 3},
        {s.env_state, 33},
        {(void *)s.memory, 4 * 2 * 5 * 6},
    };
    for (size_t i = 0; i < RLT_COUNT(columns); i++) {
        assert_int_equal((uintptr_t)columns[i].data % 64, 0);
        memset(columns[i].data, (int)i + 1, columns[i].size);
    }
    for (size_t i = 0; i < RLT_COUNT(columns); i++) {
        for (size_t k = 0; k < columns[i].size; k++) {
            assert_int_equal(columns[i].data[k], i + 1);
        }
        assert_true(columns[i].data + columns[i].size <= (unsigned char *)block + size);
    }
    rlt_free(block);
}

static void test_refuses_what_is_not_due(void **unused) {
    (void)unused;
    size_t size = rlt_segment_size(&spec);
    void *block = rlt_alloc(size);
    rlt_segment s;
    rlt_err err = {0};
    rlt_segment_bind(&spec, block, &s);
    rlt_segment_seal(&spec, &s, 2, 9, 4);
    memset(s.mask, 1, 70);
    assert_int_equal(rlt_segment_check(&spec, &s, size, 2, 9, two, &err), RLT_OK);
    assert_int_equal(rlt_segment_check(&spec, &s, size - 1, 2, 9, two, &err), RLT_EPROTO);
    assert_int_equal(rlt_segment_check(&spec, &s, size, 1, 9, two, &err), RLT_EPROTO);
    assert_int_equal(rlt_segment_check(&spec, &s, size, 2, 10, two, &err), RLT_EPROTO);
    ((int32_t *)s.action)[34] = 2;
    assert_int_equal(rlt_segment_check(&spec, &s, size, 2, 9, two, &err), RLT_EPROTO);
    ((int32_t *)s.action)[34] = -1;
    assert_int_equal(rlt_segment_check(&spec, &s, size, 2, 9, two, &err), RLT_EPROTO);
    ((int32_t *)s.action)[34] = 1;
    s.terminated[3] = 2;
    assert_int_equal(rlt_segment_check(&spec, &s, size, 2, 9, two, &err), RLT_EPROTO);
    s.terminated[3] = s.truncated[3] = 1; /* an episode ends in one way */
    assert_int_equal(rlt_segment_check(&spec, &s, size, 2, 9, two, &err), RLT_EPROTO);
    s.truncated[3] = 0;
    assert_int_equal(rlt_segment_check(&spec, &s, size, 2, 9, two, &err), RLT_OK);
    s.header->spec_hash ^= 1;
    assert_int_equal(rlt_segment_check(&spec, &s, size, 2, 9, two, &err), RLT_EPROTO);
    rlt_free(block);
}

/* Two components of 3 and 2 values: actions outside of them, and such as their mask forbids. */
static void test_refuses_forbidden_actions(void **unused) {
    (void)unused;
    const int counts[] = {3, 2};
    const rlt_batch_actions actions = {2, counts};
    rlt_batch_spec wide = spec;
    wide.action_bytes = 8;
    wide.mask_width = 5;
    size_t size = rlt_segment_size(&wide);
    void *block = rlt_alloc(size);
    rlt_segment s;
    rlt_err err = {0};
    rlt_segment_bind(&wide, block, &s);
    rlt_segment_seal(&wide, &s, 0, 0, 1);
    int32_t *last = (int32_t *)s.action + 68; /* of the last row */
    last[0] = 2;
    last[1] = 1;
    memset(s.mask, 1, 35 * 5);
    assert_int_equal(rlt_segment_check(&wide, &s, size, 0, 0, actions, &err), RLT_OK);
    last[1] = 2;
    assert_int_equal(rlt_segment_check(&wide, &s, size, 0, 0, actions, &err), RLT_EPROTO);
    last[1] = 1;
    s.mask[34 * 5 + 4] = 0; /* the value 1 of the second component */
    assert_int_equal(rlt_segment_check(&wide, &s, size, 0, 0, actions, &err), RLT_EPROTO);
    assert_non_null(strstr(err.message, "masks"));
    last[1] = 0;
    assert_int_equal(rlt_segment_check(&wide, &s, size, 0, 0, actions, &err), RLT_OK);
    s.mask[0] = 3; /* the first row took 0 */
    assert_int_equal(rlt_segment_check(&wide, &s, size, 0, 0, actions, &err), RLT_EPROTO);
    rlt_free(block);
    wide.mask_width = -1;
    assert_int_equal(rlt_segment_size(&wide), 0);
}

static void test_sizes_are_bounded(void **unused) {
    (void)unused;
    rlt_batch_spec bad = spec;
    bad.horizon = 0;
    assert_int_equal(rlt_segment_size(&bad), 0);
    bad = spec;
    bad.horizon = 1 << 20;
    bad.envs = 1 << 20;
    assert_int_equal(rlt_segment_size(&bad), 0);
    bad = spec;
    bad.horizon = 1 << 14;
    bad.envs = 1 << 14;
    bad.obs_width = 1 << 20;
    assert_int_equal(rlt_segment_size(&bad), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_apart),
        cmocka_unit_test(test_refuses_what_is_not_due),
        cmocka_unit_test(test_refuses_forbidden_actions),
        cmocka_unit_test(test_sizes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
