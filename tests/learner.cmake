rlt_test(learner_test SOURCES tests/unit/learner_test.c DEPS learner envs LIBS m)
set_tests_properties(learner_test PROPERTIES TIMEOUT 300)
