rlt_test(batch_test SOURCES tests/unit/batch_test.c DEPS batch core)
