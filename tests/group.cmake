rlt_test(group_test SOURCES tests/unit/group_test.c DEPS group transport core LIBS pthread)
