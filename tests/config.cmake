rlt_test(config_test SOURCES tests/unit/config_test.c DEPS config schema core LIBS m)
