rlt_test(core_test SOURCES tests/unit/core_test.c DEPS core)
