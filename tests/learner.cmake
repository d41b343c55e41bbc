rlt_test(learner_test SOURCES tests/unit/learner_test.c DEPS learner envs LIBS m)
set_tests_properties(learner_test PROPERTIES TIMEOUT 300)
rlt_test(episode_test SOURCES tests/unit/episode_test.c DEPS worker envs LIBS m)
rlt_test(normaliser_test SOURCES tests/unit/normaliser_test.c DEPS learner)
