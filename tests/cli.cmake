rlt_test(cli_test SOURCES tests/e2e/cli_test.c DEPS core)
add_dependencies(cli_test rltune)
