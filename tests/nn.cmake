rlt_test(nn_test SOURCES tests/unit/nn_test.c DEPS nn core LIBS m)
rlt_test(nn_kernels_test SOURCES tests/unit/nn_kernels_test.c DEPS nn core LIBS m)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/unit/nn_math_test.c PROPERTIES
                              COMPILE_OPTIONS "-mavx2;-mfma;-ffp-contract=off")
  rlt_test(nn_math_test SOURCES tests/unit/nn_math_test.c LIBS m)
endif()
rlt_test(nn_net_test SOURCES tests/unit/nn_net_test.c DEPS nn core LIBS m)
