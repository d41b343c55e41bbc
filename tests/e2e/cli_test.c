/* The real binary as a user and a script meet it: output, error paragraphs, exit codes. */
#include "core/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

/* Runs `rltune ARGS` with stderr joined to stdout; returns the exit code. */
static int run(const char *args, char *out, size_t size) {
    char command[512];
    snprintf(command, sizeof(command), "%s %s 2>&1", RLT_BINARY, args);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(out, 1, size - 1, pipe);
    out[got] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_version(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(run("version", out, sizeof(out)), 0);
    assert_int_equal(strncmp(out, "rltune 0.", 9), 0);
    assert_int_equal(run("version --json", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "\"commit\": \""));
}

static void test_doctor(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(run("doctor", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "cores, vector unit"));
    assert_int_equal(run("doctor --json", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "\"cuda_devices\": "));
}

static void test_envs(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(run("envs", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "CartPole-v1"));
    assert_non_null(strstr(out, "Box(4)"));
    assert_int_equal(run("envs --json", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "\"reward_threshold\": null")); /* Pendulum has none */
}

static void test_help_everywhere(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(run("--help", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "doctor"));
    assert_int_equal(run("doctor --help", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "examples:\n  rltune doctor"));
}

static void test_usage_errors(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(run("", out, sizeof(out)), 2);
    assert_int_equal(run("docter", out, sizeof(out)), 2);
    assert_non_null(strstr(out, "unknown command 'docter' (did you mean 'doctor'?)"));
    assert_int_equal(run("doctor --jsno", out, sizeof(out)), 2);
    assert_non_null(
        strstr(out, "unknown option '--jsno' (did you mean '--json'?); allowed: --json"));
}

static void test_closed_output_is_an_error(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(run("version >/dev/full", out, sizeof(out)), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_doctor),
        cmocka_unit_test(test_help_everywhere),
        cmocka_unit_test(test_usage_errors),
        cmocka_unit_test(test_closed_output_is_an_error),
        cmocka_unit_test(test_envs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
