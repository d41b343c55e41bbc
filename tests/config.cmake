foreach(part config config_sampler config_population config_stopper)
  rlt_test(${part}_test SOURCES tests/unit/${part}_test.c DEPS config schema core LIBS m)
endforeach()
