# Whole runs: the real binary, real processes.
set(run_support tests/support/run.c tests/support/invariants.c)
function(rlt_run_test name)
  rlt_test(${name} SOURCES ${ARGN} ${run_support} DEPS checkpoint tuner core LIBS sqlite3 jansson m)
  add_dependencies(${name} rltune)
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS slow)
endfunction()
rlt_run_test(run_kill_test tests/fault/run_kill_test.c)
rlt_run_test(run_stop_test tests/fault/run_stop_test.c)
