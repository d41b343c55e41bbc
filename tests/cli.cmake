rlt_test(cli_test SOURCES tests/e2e/cli_test.c DEPS core)
add_dependencies(cli_test rltune)
rlt_test(report_test SOURCES tests/e2e/report_test.c DEPS store core LIBS jansson m)
add_dependencies(report_test rltune)
