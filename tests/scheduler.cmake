rlt_test(scheduler_test SOURCES tests/unit/scheduler_test.c DEPS scheduler core)
