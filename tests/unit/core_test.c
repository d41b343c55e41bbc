/* Tests of core. The Philox words are Random123's known answers (tests/kat_vectors there). The
 * binary starts itself as a child ("child" as first argument) to test process_spawn. */
#include "core/core.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void check_block(uint64_t seed, uint32_t stream, uint32_t substream, uint64_t block,
                        const uint32_t expected[4]) {
    uint32_t words[4];
    rlt_rng_block(seed, stream, substream, block, words);
    assert_memory_equal(words, expected, sizeof words);
}

static void test_philox_known_answers(void **state) {
    (void)state;
    check_block(0, 0, 0, 0, (uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    check_block(UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX,
                (uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    check_block(0x299f31d0a4093822u, 0x13198a2e, 0x03707344, 0x85a308d3243f6a88u,
                (uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

static void test_rng_is_a_function_of_its_index(void **state) {
    (void)state;
    for (uint64_t start = 0; start < 4; start++) {
        rlt_rng words = rlt_rng_make(7, RLT_STREAM_TEST, 3), pair = words;
        words.index = pair.index = start;
        uint64_t low = rlt_rng_u32(&words), high = rlt_rng_u32(&words);
        assert_true(rlt_rng_u64(&pair) == (low | high << 32));
        assert_true(pair.index == words.index);
    }
    rlt_rng other = rlt_rng_make(7, RLT_STREAM_TEST, 4), this = rlt_rng_make(7, RLT_STREAM_TEST, 3);
    assert_true(rlt_rng_u64(&other) != rlt_rng_u64(&this));
}

static void test_rng_fills(void **state) {
    (void)state;
    enum { COUNT = 700 };
    uint32_t words[COUNT], block[4];
    const uint64_t first = 0xFFFFFFF0u; /* the block's number carries into its upper half */
    for (size_t count = 0; count <= COUNT; count += count < 10 ? 1 : 138) {
        memset(words, 0, sizeof(words));
        rlt_rng_fill_u32(9, RLT_STREAM_TEST, 5, first, words, count);
        for (size_t i = 0; i < count; i++) {
            rlt_rng_block(9, RLT_STREAM_TEST, 5, first + i / 4, block);
            assert_int_equal(words[i], block[i % 4]);
        }
    }
    for (uint64_t start = 0; start < 4; start++) {
        for (size_t count = 0; count < 6; count++) {
            rlt_rng one = rlt_rng_make(9, RLT_STREAM_TEST, 6), many;
            double values[6];
            one.index = start;
            many = one;
            rlt_rng_fill_f64(&many, values, count);
            for (size_t i = 0; i < count; i++) {
                assert_true(values[i] == rlt_rng_f64(&one));
            }
            assert_int_equal(many.index, one.index);
        }
    }
}

static void test_rng_moments(void **state) {
    (void)state;
    enum { N = 200000 };
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_TEST, 0);
    double sum = 0, sum_squares = 0, sum_uniform = 0;
    for (int i = 0; i < N; i++) {
        double x = rlt_rng_normal(&rng);
        float u = rlt_rng_uniform(&rng, -1.0f, 3.0f);
        assert_true(u >= -1.0f && u < 3.0f);
        sum += x;
        sum_squares += x * x;
        sum_uniform += u;
    }
    assert_true(fabs(sum / N) < 5 / sqrt(N));
    assert_true(fabs(sum_squares / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(sum_uniform / N - 1) < 5 * sqrt(16.0 / 12 / N));
}

static void test_rng_below_is_even(void **state) {
    (void)state;
    enum { N = 60000, BOUND = 6 };
    int counts[BOUND] = {0};
    rlt_rng rng = rlt_rng_make(2, RLT_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        counts[rlt_rng_below(&rng, BOUND)]++;
    }
    for (int i = 0; i < BOUND; i++) {
        assert_in_range(counts[i], N / BOUND - 500, N / BOUND + 500);
    }
    int low_third = 0;
    for (int i = 0; i < N; i++) { /* a biased draw would put 1/2 here, not 1/3 */
        low_third += rlt_rng_below(&rng, 3u << 30) < 1u << 30;
    }
    assert_in_range(low_third, N / 3 - 700, N / 3 + 700);
}

static void test_status(void **state) {
    (void)state;
    assert_string_equal(rlt_status_name(RLT_EPROTO), "EPROTO");
    assert_string_equal(rlt_status_text(RLT_OK), "ok");
    assert_int_equal(rlt_status_exit_code(RLT_EINTERRUPTED), 130);
    assert_string_equal(rlt_status_name((rlt_status)9999), "UNKNOWN");
    rlt_err err = {0};
    assert_int_equal(rlt_fail(&err, RLT_EIO, "%s: %d", "here", 7), RLT_EIO);
    rlt_fail(&err, RLT_ECONFIG, "in x: %s", err.message);
    assert_string_equal(err.message, "in x: here: 7");
    assert_int_equal(rlt_fail(NULL, RLT_EIO, "no one listens"), RLT_EIO);
}

static void test_alloc(void **state) {
    (void)state;
    uint64_t before = rlt_alloc_count();
    for (size_t size = 0; size < 300; size += 37) {
        char *memory = rlt_alloc(size);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(memory[i], 0);
            memory[i] = 1;
        }
        rlt_free(memory);
    }
    assert_int_equal(rlt_alloc_count() - before, 9);
}

static void test_strings(void **state) {
    (void)state;
    assert_int_equal(rlt_str_distance("kitten", "sitting"), 3);
    assert_int_equal(rlt_str_distance("LR", "lr"), 0);
    assert_int_equal(rlt_str_distance("", "abc"), 3);
    assert_int_equal(rlt_str_distance("pop", "ppo"), 1);
    assert_int_equal(rlt_str_distance("ca", "abc"), 3); /* 2 if a swapped pair could be edited */
    assert_int_equal(rlt_str_distance("retrun_eval", "return_evla"), 2);
    static const char *const names[] = {"horizon", "epochs", "lr"};
    assert_string_equal(rlt_str_nearest("horzion", names, 3), "horizon");
    assert_string_equal(rlt_str_nearest("lt", names, 3), "lr");
    assert_null(rlt_str_nearest("banana", names, 3));
    static const char *const long_names[] = {"n_startup_trials", "n_ei_candidates", "gamma",
                                             "gamma_max"};
    assert_string_equal(rlt_str_nearest("N_startup", long_names, 4), "n_startup_trials");
    assert_string_equal(rlt_str_nearest("gamm", long_names, 4), "gamma"); /* a typo first */
    assert_null(rlt_str_nearest("n_s", long_names, 4));                   /* too short */
    assert_null(rlt_str_nearest("gam", long_names + 2, 2));
    rlt_buf buf = {0};
    for (int i = 0; i < 100; i++) {
        rlt_buf_printf(&buf, "%d,", i);
    }
    rlt_buf_append(&buf, "end", 3);
    assert_int_equal(buf.size, 10 * 2 + 90 * 3 + 3);
    assert_string_equal(buf.data + buf.size - 6, "99,end");
    rlt_buf_fini(&buf);
    assert_null(buf.data);
}

static void test_hash(void **state) {
    (void)state;
    assert_true(rlt_hash64("abc", 3, 0) == rlt_hash64("abc", 3, 0));
    assert_true(rlt_hash64("abc", 3, 0) != rlt_hash64("abc", 3, 1));
    assert_true(rlt_hash64("abc", 3, 0) != rlt_hash64("abd", 3, 0));
}

static void test_files(void **state) {
    (void)state;
    char folder[] = "/tmp/rlt_core_test_XXXXXX", path[128], nested[128];
    assert_non_null(mkdtemp(folder));
    snprintf(nested, sizeof nested, "%s/a/b", folder);
    snprintf(path, sizeof path, "%s/a/b/file", folder);
    rlt_err err = {0};
    char *data;
    size_t size;
    assert_int_equal(rlt_mkdirs(nested, &err), RLT_OK);
    assert_int_equal(rlt_mkdirs(nested, &err), RLT_OK);
    assert_int_equal(rlt_file_read(path, 10, &data, &size, &err), RLT_ENOTFOUND);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(rlt_file_write_atomic(path, "first", 5, &err), RLT_OK);
    assert_int_equal(rlt_file_write_atomic(path, "second", 6, &err), RLT_OK);
    assert_int_equal(rlt_file_read(path, 5, &data, &size, &err), RLT_ELIMIT);
    assert_int_equal(rlt_file_read(path, 6, &data, &size, &err), RLT_OK);
    assert_int_equal(size, 6);
    assert_string_equal(data, "second");
    rlt_free(data);
    assert_int_equal(rlt_file_read(nested, 10, &data, &size, &err), RLT_EIO);
    assert_int_equal(rlt_file_write_atomic(nested, "x", 1, &err), RLT_EIO); /* a folder */
    assert_int_equal(rlt_mkdirs(path, &err), RLT_EIO);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(nested), 0); /* no temporary file was left */
    snprintf(nested, sizeof nested, "%s/a", folder);
    rmdir(nested);
    rmdir(folder);
}

static void test_clock(void **state) {
    (void)state;
    uint64_t before = rlt_clock_ns();
    usleep(2000);
    uint64_t elapsed_ns = rlt_clock_ns() - before;
    assert_true(elapsed_ns >= 2000000 && elapsed_ns < 2000000000);
    assert_true(rlt_wall_ms() > 1600000000000);
}

static int child_main(char **argv) {
    int kept = atoi(argv[2]), closed = atoi(argv[3]);
    bool fine = write(kept, "hi", 2) == 2 && fcntl(closed, F_GETFD) < 0 && errno == EBADF;
    return fine ? 42 : 1;
}

static void test_spawn(void **state) {
    (void)state;
    int kept[2], other[2];
    assert_int_equal(pipe(kept), 0);
    assert_int_equal(pipe(other), 0);
    char kept_text[16], other_text[16], word[3] = "";
    snprintf(kept_text, sizeof kept_text, "%d", kept[1]);
    snprintf(other_text, sizeof other_text, "%d", other[1]);
    char *argv[] = {NULL, "child", kept_text, other_text, NULL};
    pid_t pid = 0;
    rlt_err err = {0};
    assert_int_equal(rlt_process_spawn(argv, &kept[1], 1, &pid, &err), RLT_OK);
    int result = 0;
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 42);
    assert_int_equal(read(kept[0], word, 2), 2);
    assert_string_equal(word, "hi");
    int missing = 9999;
    assert_int_equal(rlt_process_spawn(argv, &missing, 1, &pid, &err), RLT_EIO);
    for (int i = 0; i < 2; i++) {
        close(kept[i]);
        close(other[i]);
    }
}

/* The middle process starts a sleeper, tells its pid, and dies; the sleeper must follow. */
static int middle_main(void) {
    char *argv[] = {NULL, "sleep", NULL};
    pid_t pid = 0;
    if (rlt_process_spawn(argv, NULL, 0, &pid, NULL) != RLT_OK) {
        return 1;
    }
    bool told = write(STDOUT_FILENO, &pid, sizeof pid) == sizeof pid;
    raise(SIGKILL);
    return told;
}

static void test_child_dies_with_parent(void **state) {
    (void)state;
    int out[2], saved = dup(STDOUT_FILENO);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    fflush(stdout);
    dup2(out[1], STDOUT_FILENO);
    char *argv[] = {NULL, "middle", NULL};
    pid_t middle = 0, sleeper = 0;
    rlt_status status = rlt_process_spawn(argv, NULL, 0, &middle, NULL);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(out[1]);
    assert_int_equal(status, RLT_OK);
    assert_int_equal(read(out[0], &sleeper, sizeof sleeper), sizeof sleeper);
    assert_int_equal(waitpid(middle, NULL, 0), middle);
    /* The sleeper holds the pipe's other end as its stdout: end of file means that it is gone. */
    char byte;
    alarm(10);
    assert_int_equal(read(out[0], &byte, 1), 0);
    alarm(0);
    close(out[0]);
}

static char logged[256];
static void remember(void *user, rlt_log_level level, const char *id, const char *text) {
    (void)user;
    snprintf(logged, sizeof logged, "%d %s %s", (int)level, id, text);
}

static void test_log(void **state) {
    (void)state;
    rlt_log_set(RLT_LOG_WARN, remember, NULL);
    rlt_log(RLT_LOG_INFO, "test.quiet", "x");
    assert_string_equal(logged, "");
    rlt_log(RLT_LOG_WARN, "test.loud", "%d", 5);
    assert_string_equal(logged, "2 test.loud 5");
    rlt_log_set(RLT_LOG_INFO, NULL, NULL);
}

static void test_text_is_made_safe(void **state) {
    (void)state;
    static const struct {
        const char *text, *ascii, *utf8, *xml;
    } cases[] = {
        {"<script>&\"'", "<script>&\"'", "<script>&\"'", "&lt;script&gt;&amp;&quot;&#39;"},
        {"\033[31m\r\n", "?[31m??", "?[31m??", "?[31m??"},
        {"gr\u00f6\u00dfe", "gr??e", "gr\u00f6\u00dfe", "gr\u00f6\u00dfe"},
        {"\xff\xc3_\xe0\x80\x80\xed\xa0\x80", "??_??????", "??_??????", "??_??????"},
        {"\xc2\x9b[m", "?[m", "?[m", "?[m"},
        {"\xef\xbf\xbf\xf4\x90\x80\x80", "???????", "???????", "???????"},
    };
    for (size_t i = 0; i < RLT_COUNT(cases); i++) {
        const char *expected[] = {cases[i].ascii, cases[i].utf8, cases[i].xml};
        for (int form = RLT_TEXT_ASCII; form <= RLT_TEXT_XML; form++) {
            rlt_buf out = {0};
            rlt_buf_text(&out, cases[i].text, 100, (rlt_text_form)form);
            assert_string_equal(out.data, expected[form]);
            rlt_buf_fini(&out);
        }
    }
}

int main(int argc, char **argv) {
    if (argc > 3 && strcmp(argv[1], "child") == 0) {
        return child_main(argv);
    }
    if (argc > 1 && strcmp(argv[1], "middle") == 0) {
        return middle_main();
    }
    if (argc > 1 && strcmp(argv[1], "sleep") == 0) {
        sleep(30);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_known_answers),
        cmocka_unit_test(test_rng_is_a_function_of_its_index),
        cmocka_unit_test(test_rng_fills),
        cmocka_unit_test(test_rng_moments),
        cmocka_unit_test(test_rng_below_is_even),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_spawn),
        cmocka_unit_test(test_child_dies_with_parent),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_text_is_made_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
