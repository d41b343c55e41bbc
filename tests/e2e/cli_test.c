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
static int run_with(const char *environment, const char *args, char *out, size_t size) {
    char command[512];
    snprintf(command, sizeof(command), "%s%s %s 2>&1", environment, RLT_BINARY, args);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(out, 1, size - 1, pipe);
    out[got] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run(const char *args, char *out, size_t size) {
    return run_with("", args, out, size);
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
    assert_non_null(strstr(out, "\"gpus\": ["));
    static const char *const libraries[] = {"zeromq", "msgpack", "lua", "sqlite",
                                            "sodium", "jansson", "png"};
    for (size_t i = 0; i < RLT_COUNT(libraries); i++) { /* each with a version */
        char start[32];
        snprintf(start, sizeof(start), "\"%s\": \"", libraries[i]);
        const char *at = strstr(out, start);
        assert_non_null(at);
        assert_in_range(at[strlen(start)], '0', '9');
    }
    assert_int_equal(run_with("RLTUNE_CUDA_MODULE=/none.so ", "doctor", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "no GPU to train on: no CUDA module at /none.so"));
    assert_non_null(strstr(out, "(CURVE)"));
    assert_int_equal(run_with("RLTUNE_DB=/none/x.db ", "doctor", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "/none/x.db: cannot be written; name another with --db"));
}

static void test_bench(void **state) {
    (void)state;
    char out[16384];
    assert_int_equal(run("bench transport --seconds 0.01 --json", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "\"name\": \"control message there and back, encrypted\""));
    assert_non_null(strstr(out, "\"limit_name\": \"a bare pipe\""));
    assert_int_equal(run("bench store --seconds 0.01 --folder /tmp", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "database:\n  metric points, 1000 a commit"));
    assert_non_null(strstr(out, "% of "));
    assert_int_equal(run("bench nn --seconds 0.01", out, sizeof(out)), 0);
    assert_non_null(strstr(out, "(multiply-adds of one core)"));
    assert_int_equal(run("bench trian", out, sizeof(out)), 2);
    assert_non_null(strstr(out, "no part 'trian' (did you mean 'train'?)"));
    assert_int_equal(run("bench nn --seconds 0", out, sizeof(out)), 2);
    assert_non_null(strstr(out, "--seconds is '0'; allowed: 0.01 to 60"));
    assert_int_equal(run("bench store --folder /none", out, sizeof(out)), 5);
    assert_non_null(strstr(out, "/none: could not measure the disk there"));
}

static void test_log_level(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(run_with("RLTUNE_LOG=loud ", "version", out, sizeof(out)), 2);
    assert_non_null(strstr(out, "RLTUNE_LOG is 'loud'; allowed: debug, info, warn, error"));
    assert_int_equal(run_with("RLTUNE_LOG=debug ", "version", out, sizeof(out)), 0);
}

/* Every command has its usage line, a sentence, and examples that begin with its name. */
static void test_every_command_has_examples(void **state) {
    (void)state;
    char help[8192], out[8192], name[32], args[64], example[64];
    assert_int_equal(run("--help", help, sizeof(help)), 0);
    int commands = 0;
    for (const char *line = strstr(help, "commands:\n  "); line != NULL;
         line = strchr(line, '\n')) {
        line++;
        if (sscanf(line, "  %31[a-z]", name) != 1 || strncmp(line, "  ", 2) != 0) {
            continue;
        }
        snprintf(args, sizeof(args), "%s --help", name);
        snprintf(example, sizeof(example), "\nexamples:\n  rltune %s", name);
        assert_int_equal(run(args, out, sizeof(out)), 0);
        if (strstr(out, example) == NULL) {
            fail_msg("no example of %s in:\n%s", name, out);
        }
        commands++;
    }
    assert_true(commands >= 20);
}

static void test_envs(void **state) {
    (void)state;
    static char out[1 << 16];
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
        cmocka_unit_test(test_bench),
        cmocka_unit_test(test_log_level),
        cmocka_unit_test(test_every_command_has_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
