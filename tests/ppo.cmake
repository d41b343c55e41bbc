rlt_test(ppo_test SOURCES tests/unit/ppo_test.c DEPS ppo nn core LIBS m)
