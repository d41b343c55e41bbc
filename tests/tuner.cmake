foreach(part tuner_space tuner_sampler tuner_stopper tuner_golden tuner_rules tuner_halving tuner_population tuner_pb2 tuner_restore tuner_tpe tuner_design tuner_pareto tuner_several tuner_motpe tuner_nsga tuner_evolution tuner_oneshot tuner_seeds tuner_race tuner)
  rlt_test(${part}_test SOURCES tests/unit/${part}_test.c DEPS tuner config schema core
           LIBS jansson m)
endforeach()
foreach(part tuner_cma tuner_cmaes tuner_gp_model tuner_gp tuner_gp_boxes tuner_gp_several tuner_source tuner_bohb tuner_replay tuner_group tuner_gp_limits tuner_refusal tuner_timed)
  rlt_test(${part}_test SOURCES tests/unit/${part}_test.c DEPS tuner config schema core
           LIBS jansson m)
endforeach()
rlt_bench(tuner_bench SOURCES bench/tuner_bench.c DEPS measure tuner store config schema core LIBS jansson m)
rlt_bench(replay_bench SOURCES bench/replay_bench.c DEPS measure tuner config schema core LIBS jansson m)
rlt_bench(sampler_bench SOURCES bench/sampler_bench.c bench/sampler_functions.c
          DEPS tuner config schema core LIBS jansson m)
rlt_bench(gp_cma_bench SOURCES bench/gp_cma_bench.c bench/sampler_functions.c
          DEPS tuner config schema core LIBS jansson m)
rlt_bench(front_bench SOURCES bench/front_bench.c DEPS tuner config schema core LIBS jansson m)
rlt_bench(seeds_bench SOURCES bench/seeds_bench.c bench/sampler_functions.c
          DEPS tuner config schema core LIBS jansson m)
