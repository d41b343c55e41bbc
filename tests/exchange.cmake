rlt_test(optuna_test SOURCES tests/unit/optuna_test.c DEPS exchange store core LIBS sqlite3 jansson m)
rlt_test(katib_test SOURCES tests/unit/katib_test.c DEPS exchange store core LIBS jansson m)
rlt_fuzz(katib_fuzz SOURCES tests/fuzz/katib_fuzz.c DEPS exchange store core LIBS jansson)
