rlt_test(learner_test SOURCES tests/unit/learner_test.c DEPS learner envs nn env core LIBS m)
set_tests_properties(learner_test PROPERTIES TIMEOUT 300)
rlt_bench(train_bench SOURCES bench/train_bench.c DEPS learner envs nn env core LIBS m)
