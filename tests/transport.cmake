foreach(part msg memory channel fault)
  rlt_test(transport_${part}_test SOURCES tests/unit/transport_${part}_test.c DEPS transport core)
  set_tests_properties(transport_${part}_test PROPERTIES ENVIRONMENT
                       "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
endforeach()
rlt_fuzz(msg_fuzz SOURCES tests/fuzz/msg_fuzz.c DEPS transport core)
