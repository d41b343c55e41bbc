rlt_test(analysis_test SOURCES tests/unit/analysis_test.c DEPS analysis core LIBS jansson m)
