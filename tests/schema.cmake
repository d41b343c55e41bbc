rlt_test(schema_test SOURCES tests/unit/schema_test.c DEPS schema core LIBS m)
