rlt_test(env_test SOURCES tests/unit/env_test.c DEPS envs env core LIBS m)
rlt_test(envs_test SOURCES tests/unit/envs_test.c DEPS envs env core LIBS m)
