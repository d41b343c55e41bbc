rlt_test(plot_test SOURCES tests/unit/plot_test.c DEPS plot core LIBS m)
rlt_test(plot_kinds_test SOURCES tests/unit/plot_kinds_test.c tests/support/pictures.c DEPS plot core LIBS m)
