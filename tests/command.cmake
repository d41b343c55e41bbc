rlt_test(command_test SOURCES tests/unit/command_test.c DEPS command core LIBS jansson m)
rlt_fuzz(report_fuzz SOURCES tests/fuzz/report_fuzz.c DEPS command core)
