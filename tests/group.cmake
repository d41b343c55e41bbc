rlt_test(group_test SOURCES tests/unit/group_test.c DEPS group transport core LIBS pthread)
set_tests_properties(group_test PROPERTIES ENVIRONMENT
                     "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
