rlt_test(ppo_test SOURCES tests/unit/ppo_test.c DEPS ppo nn core LIBS m)
rlt_bench(seq_bench SOURCES bench/seq_bench.c DEPS measure nn core LIBS m)
rlt_bench(train_bench SOURCES bench/train_bench.c bench/rollout.c DEPS measure ppo nn envs env core LIBS m)
rlt_bench(conv_bench SOURCES bench/conv_bench.c DEPS measure nn core LIBS m)
