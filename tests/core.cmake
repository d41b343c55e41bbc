rlt_test(core_test SOURCES tests/unit/core_test.c DEPS core)
rlt_test(pool_test SOURCES tests/unit/pool_test.c DEPS core)
