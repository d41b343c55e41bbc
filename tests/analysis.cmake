rlt_test(analysis_test SOURCES tests/unit/analysis_test.c DEPS analysis core LIBS jansson m)
rlt_test(analysis_property_test SOURCES tests/unit/analysis_property_test.c DEPS analysis core LIBS m)
foreach(name analysis_cli_test charts_test charts_random_test)
  rlt_test(${name} SOURCES tests/e2e/${name}.c tests/support/searches.c tests/support/pictures.c DEPS store core
           LIBS jansson m)
  add_dependencies(${name} rltune)
  set_tests_properties(${name} PROPERTIES TIMEOUT 180)
endforeach()
