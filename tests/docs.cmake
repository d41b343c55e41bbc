# What the documents tell readers to type. Once, in the optimised build: it is about the documents.
if(RLT_SANITIZE STREQUAL "")
  add_test(NAME docs_test
           COMMAND ${PROJECT_SOURCE_DIR}/tests/docs/run_docs ${PROJECT_SOURCE_DIR} ${CMAKE_BINARY_DIR})
  set_tests_properties(docs_test PROPERTIES TIMEOUT 300 ENVIRONMENT_MODIFICATION
                       "PATH=path_list_prepend:${CMAKE_BINARY_DIR};RLTUNE_DB=unset:")
endif()
