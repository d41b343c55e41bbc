rlt_test(render_test SOURCES tests/unit/render_test.c DEPS renders envs env render core LIBS m)
