rlt_test(driver_test SOURCES tests/unit/driver_test.c DEPS driver LIBS m)
# Whole runs: the real binary, real processes.
set(run_support tests/support/run.c tests/support/invariants.c)
function(rlt_run_test name)
  rlt_test(${name} SOURCES ${ARGN} ${run_support} DEPS checkpoint tuner core LIBS sqlite3 jansson m)
  add_dependencies(${name} rltune)
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS slow
                       RESOURCE_LOCK processes) # one of these at a time, beside the small ones
endfunction()
rlt_run_test(run_kill_test tests/fault/run_kill_test.c)
rlt_run_test(program_test tests/e2e/program_test.c)
rlt_run_test(front_test tests/e2e/front_test.c)
rlt_run_test(run_stop_test tests/fault/run_stop_test.c)
rlt_run_test(missing_metric_test tests/e2e/missing_metric_test.c)
rlt_run_test(run_halving_test tests/fault/run_halving_test.c)
rlt_run_test(configs_test tests/e2e/configs_test.c)
rlt_run_test(resume_test tests/e2e/resume_test.c)
rlt_run_test(run_failure_test tests/fault/run_failure_test.c)
rlt_run_test(search_resume_test tests/e2e/search_resume_test.c)
rlt_run_test(run_limits_test tests/fault/run_limits_test.c)
rlt_run_test(run_checkpoint_test tests/fault/run_checkpoint_test.c)
if(RLT_SANITIZE STREQUAL "") # their libraries must come first
  add_library(jumping_clock MODULE ${PROJECT_SOURCE_DIR}/tests/support/jumping_clock.c)
  rlt_run_test(run_clock_test tests/fault/run_clock_test.c)
  target_compile_definitions(run_clock_test
                             PRIVATE RLT_JUMPING_CLOCK="$<TARGET_FILE:jumping_clock>")
  add_dependencies(run_clock_test jumping_clock)
endif()
