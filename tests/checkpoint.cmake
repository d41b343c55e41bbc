rlt_test(checkpoint_test SOURCES tests/unit/checkpoint_test.c DEPS checkpoint core LIBS jansson)
rlt_fuzz(checkpoint_fuzz SOURCES tests/fuzz/checkpoint_fuzz.c DEPS checkpoint core)
