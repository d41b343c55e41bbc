rlt_test(plot_test SOURCES tests/unit/plot_test.c DEPS plot core LIBS m)
