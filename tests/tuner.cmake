foreach(part tuner_space tuner_sampler tuner_stopper tuner)
  rlt_test(${part}_test SOURCES tests/unit/${part}_test.c DEPS tuner config schema core
           LIBS jansson m)
endforeach()
