rlt_test(store_test SOURCES tests/unit/store_test.c DEPS store core LIBS m)
