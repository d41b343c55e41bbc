rlt_test(command_test SOURCES tests/unit/command_test.c DEPS command core LIBS jansson m)
