foreach(part tuner_space tuner_sampler)
  rlt_test(${part}_test SOURCES tests/unit/${part}_test.c DEPS tuner config schema core
           LIBS jansson m)
endforeach()
