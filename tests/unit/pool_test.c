/* The pool: every task runs exactly once, results are visible to the caller, idle threads wake,
 * bad sizes are refused. Data races are for the thread sanitizer to find. */
#include "core/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { TASKS_MAX = 64 };
typedef struct counts {
    int runs[TASKS_MAX]; /* plain: the pool must order the accesses */
    int round;
} counts;

static void count(void *user, int index) {
    counts *c = user;
    c->runs[index] += c->round;
}

static void check_rounds(rlt_pool *pool, int rounds, const struct timespec *pause) {
    counts c = {0};
    int expected[TASKS_MAX] = {0};
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    for (c.round = 1; c.round <= rounds; c.round++) {
        int tasks = (int)rlt_rng_below(&rng, TASKS_MAX + 1);
        for (int i = 0; i < tasks; i++) {
            expected[i] += c.round;
        }
        rlt_pool_run(pool, tasks, count, &c);
        assert_memory_equal(c.runs, expected, sizeof expected);
        if (pause != NULL) {
            nanosleep(pause, NULL);
        }
    }
}

static void test_each_task_once(void **unused) {
    (void)unused;
    for (int threads = 1; threads <= 5; threads += 2) {
        rlt_pool *pool = NULL;
        rlt_err err = {0};
        assert_int_equal(rlt_pool_create(threads, &pool, &err), RLT_OK);
        assert_int_equal(rlt_pool_threads(pool), threads);
        check_rounds(pool, 2000, NULL);
        rlt_pool_destroy(&pool);
        assert_null(pool);
    }
    check_rounds(NULL, 100, NULL);
    assert_int_equal(rlt_pool_threads(NULL), 1);
}

/* Pauses longer than the spin, so that the threads sleep between runs. */
static void test_sleepers_wake(void **unused) {
    (void)unused;
    rlt_pool *pool = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_pool_create(3, &pool, &err), RLT_OK);
    check_rounds(pool, 50, &(struct timespec){.tv_nsec = 500000});
    rlt_pool_destroy(&pool);
}

static void sleep_a_little(void *user, int index) {
    counts *c = user;
    nanosleep(&(struct timespec){.tv_nsec = 1000000 * (1 + index)}, NULL);
    c->runs[index]++;
}

/* Tasks longer than the caller's spin: it sleeps until the last one returns. */
static void test_caller_waits(void **unused) {
    (void)unused;
    rlt_pool *pool = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_pool_create(4, &pool, &err), RLT_OK);
    counts c = {0};
    for (int round = 1; round <= 10; round++) {
        rlt_pool_run(pool, 4, sleep_a_little, &c);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(c.runs[i], round);
        }
    }
    rlt_pool_destroy(&pool);
}

static void test_sizes(void **unused) {
    (void)unused;
    rlt_pool *pool = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_pool_create(0, &pool, &err), RLT_EINVAL);
    assert_string_equal(err.message, "0 threads; allowed: 1 to 256");
    assert_int_equal(rlt_pool_create(257, &pool, &err), RLT_EINVAL);
    assert_null(pool);
    rlt_pool_destroy(&pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_task_once),
        cmocka_unit_test(test_sleepers_wake),
        cmocka_unit_test(test_caller_waits),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
