rlt_test(nn_test SOURCES tests/unit/nn_test.c DEPS nn core LIBS m)
