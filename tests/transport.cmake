set(transport_tsan "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
foreach(part msg memory channel fault)
  rlt_test(transport_${part}_test SOURCES tests/unit/transport_${part}_test.c DEPS transport core)
  set_tests_properties(transport_${part}_test PROPERTIES ENVIRONMENT "${transport_tsan}")
endforeach()
rlt_program(transport_peer tests SOURCES tests/e2e/transport_peer.c DEPS transport core)
add_test(NAME netns_transport_test COMMAND ${PROJECT_SOURCE_DIR}/tests/e2e/netns_transport.sh
                                           $<TARGET_FILE:transport_peer>)
set_tests_properties(netns_transport_test PROPERTIES TIMEOUT 60 SKIP_RETURN_CODE 77
                     ENVIRONMENT "${transport_tsan}")
rlt_fuzz(msg_fuzz SOURCES tests/fuzz/msg_fuzz.c DEPS transport core)
rlt_bench(transport_bench SOURCES bench/transport_bench.c DEPS measure transport core)
