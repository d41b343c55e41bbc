# The CUDA backend without a GPU: its .cu files compiled as C++ against an emulation of CUDA's
# execution model, so that the ordinary suite runs every kernel.
enable_language(CXX)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
if(NOT CMAKE_CXX_FLAGS_RELEASE MATCHES "-O3 -g")
  set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g -DNDEBUG")
endif()
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")

# rlt_cuda_emulate(target files...): .cu files, by their path from the root, into the target.
function(rlt_cuda_emulate target)
  list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
  # expf and the like without errno; "#pragma unroll" is nvcc's; shared arrays lie in a section of
  # their own, which AddressSanitizer must be told to watch
  set(options -fno-math-errno -Wno-unknown-pragmas)
  if(RLT_SANITIZE STREQUAL "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND options -fsanitize-sections=rlt_shared)
  endif()
  set_source_files_properties(${files} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${options}")
  target_sources(${target} PRIVATE ${files})
endfunction()

add_library(rlt_cuda_emulated STATIC ${PROJECT_SOURCE_DIR}/tests/support/cuda_emulation.cpp
            ${PROJECT_SOURCE_DIR}/tests/support/cuda_emulation_api.cpp)
target_include_directories(rlt_cuda_emulated PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
target_compile_definitions(rlt_cuda_emulated PUBLIC RLT_CUDA_EMULATED)
include(${PROJECT_SOURCE_DIR}/src/nn/cuda/sources.cmake)
list(TRANSFORM RLT_CUDA_SOURCES PREPEND src/nn/cuda/ OUTPUT_VARIABLE emulated_sources)
rlt_cuda_emulate(rlt_cuda_emulated ${emulated_sources})
target_sources(rlt_cuda_emulated PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/cuda_emulated_libs.cpp)

if(RLT_PARTS STREQUAL "all") # the reduced build has no cmocka
  rlt_test(cuda_emulation_test SOURCES tests/unit/cuda_emulation_test.cpp DEPS cuda_emulated)
  if(RLT_SANITIZE STREQUAL "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/unit/cuda_emulation_test.cpp PROPERTIES
                                COMPILE_OPTIONS -fsanitize-sections=rlt_shared)
  endif()
endif()

if(RLT_PARTS STREQUAL "all")
  add_library(cuda_other_module MODULE tests/support/cuda_other_module.c)
  rlt_test(cuda_load_test SOURCES tests/unit/cuda_load_test.c DEPS nn core)
  target_compile_definitions(cuda_load_test PRIVATE
    OTHER_MODULE="$<TARGET_FILE:cuda_other_module>" BUILD_FOLDER="${CMAKE_BINARY_DIR}")
  add_dependencies(cuda_load_test cuda_other_module)
endif()

# The parity suite (tests/gpu/parity.h): over the emulated backend always; over the module where
# there is a device, else it reports itself skipped. Without cmocka: the reduced build runs it too.
set(parity_sources tests/gpu/parity.c tests/gpu/parity_op.c tests/gpu/parity_feedforward.c
    tests/gpu/parity_memory.c tests/gpu/parity_sequence.c tests/gpu/parity_update.c
    tests/gpu/parity_call.c tests/gpu/parity_functions.c tests/gpu/parity_losses.c
    bench/gpu/update.c)
rlt_program(gpu_parity tests SOURCES ${parity_sources} DEPS nn LIBS m)
rlt_program(gpu_parity_emulated tests SOURCES ${parity_sources} DEPS nn LIBS
            $<LINK_LIBRARY:WHOLE_ARCHIVE,rlt_cuda_emulated> m stdc++)
target_compile_definitions(gpu_parity_emulated PRIVATE RLT_PARITY_EMULATED)
foreach(precision fp32 tf32 bf16)
  add_test(NAME gpu_parity_emulated_${precision}
           COMMAND gpu_parity_emulated --precision ${precision})
  add_test(NAME gpu_parity_${precision} COMMAND gpu_parity --precision ${precision})
  set_tests_properties(gpu_parity_${precision} PROPERTIES SKIP_RETURN_CODE 77
    ENVIRONMENT RLTUNE_CUDA_MODULE=${CMAKE_BINARY_DIR}/librltune_cuda.so)
  set_tests_properties(gpu_parity_${precision} gpu_parity_emulated_${precision} PROPERTIES
                       TIMEOUT ${RLT_TEST_TIMEOUT_S})
endforeach()

rlt_bench(gpu_bench SOURCES bench/gpu/gpu_bench.c bench/gpu/update.c DEPS nn LIBS m)
rlt_bench(gpu_train SOURCES bench/gpu/gpu_train.c bench/gpu/update.c DEPS envs env nn LIBS m)

# The whole update, by the emulated backend.
if(RLT_PARTS STREQUAL "all")
  rlt_test(ppo_emulated_test SOURCES tests/unit/ppo_device_test.c DEPS ppo nn core LIBS
           $<LINK_LIBRARY:WHOLE_ARCHIVE,rlt_cuda_emulated> m stdc++)
  target_compile_definitions(ppo_emulated_test PRIVATE RLT_PARITY_EMULATED)
endif()
