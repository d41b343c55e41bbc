/* The CUDA module is found, or the message says what is missing: no file, no library, a library
 * that is no module, another version, no driver. Each leaves a program that can go on without. */
#include "nn/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect(const char *module, const char *needle) {
    rlt_err err = {0};
    if (module == NULL) {
        unsetenv("RLTUNE_CUDA_MODULE");
    } else {
        setenv("RLTUNE_CUDA_MODULE", module, 1);
    }
    assert_null(rlt_backend_cuda(&err));
    if (strstr(err.message, needle) == NULL) {
        fail_msg("no \"%s\" in: %s", needle, err.message);
    }
}

static void test_what_is_missing(void **state) {
    (void)state;
    expect("/none/module.so", "no CUDA module at /none/module.so");
    expect(RLT_SOURCE_DIR "/README.md", "does not load");
    expect("/proc/self/exe", "does not load");
    expect(OTHER_MODULE, "is no CUDA module of this rltune");
    expect(NULL, "librltune_cuda.so is not installed"); /* none beside the tests */
    expect("", "RLTUNE_CUDA_MODULE names another place");
}

static void test_device_names(void **state) {
    (void)state;
    rlt_err err = {0};
    rlt_device *device = NULL;
    setenv("RLTUNE_CUDA_MODULE", "/none/module.so", 1);
    assert_int_equal(rlt_device_check("cpu", &err), RLT_OK);
    assert_int_equal(rlt_device_check("auto", &err), RLT_OK);
    assert_int_equal(rlt_device_check("cuda:1", &err), RLT_ECONFIG);
    assert_non_null(strstr(err.message, "device = \"cuda:1\": no CUDA module"));
    assert_int_equal(rlt_device_check("cuda:x", &err), RLT_ECONFIG);
    assert_int_equal(rlt_device_open("auto", RLT_PRECISION_FP32, &device, &err), RLT_OK);
    assert_string_equal(device->backend->name, "cpu");
    rlt_device_close(&device);
}

/* The module itself, where it is built: without a driver the message is about the driver. */
static void test_module(void **state) {
    (void)state;
    const char *path = BUILD_FOLDER "/librltune_cuda.so";
    rlt_err err = {0};
    setenv("RLTUNE_CUDA_MODULE", path, 1);
    if (access(path, R_OK) != 0) {
        skip();
    }
    const rlt_backend *backend = rlt_backend_cuda(&err);
    if (backend == NULL) {
        assert_non_null(strstr(err.message, "no NVIDIA driver"));
        return;
    }
    assert_string_equal(backend->name, "cuda");
    assert_ptr_equal(rlt_backend_cuda(&err), backend);
    for (int i = 0; i < RLT_OP_COUNT; i++) {
        assert_non_null(backend->forward[i]);
        assert_non_null(backend->backward[i]);
    }
    assert_true(backend->count(&err) > 0 || strstr(err.message, "no CUDA device") != NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_missing),
        cmocka_unit_test(test_device_names),
        cmocka_unit_test(test_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
