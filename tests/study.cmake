rlt_test(study_test SOURCES tests/unit/study_test.c DEPS study core LIBS jansson pthread)
find_program(RLT_PYTHON python3)
if(RLT_PYTHON)
  add_test(NAME python_test COMMAND ${RLT_PYTHON} -W error::ResourceWarning ${PROJECT_SOURCE_DIR}/tests/python/study_test.py)
  add_test(NAME python_tutorial_test COMMAND ${RLT_PYTHON} -W error::ResourceWarning
           ${PROJECT_SOURCE_DIR}/tests/python/tutorial_test.py)
  set_tests_properties(python_test python_tutorial_test PROPERTIES TIMEOUT 300 ENVIRONMENT
    "RLTUNE=$<TARGET_FILE:rltune>;PYTHONPATH=${PROJECT_SOURCE_DIR}/python;PYTHONDONTWRITEBYTECODE=1")
endif()
