rlt_test(lua_test SOURCES tests/unit/lua_test.c DEPS lua envs env config schema core LIBS m)
rlt_test(lua_model_test SOURCES tests/unit/lua_model_test.c DEPS lua config schema core LIBS m)
rlt_test(lua_mask_test SOURCES tests/unit/lua_mask_test.c DEPS lua env config schema core LIBS m)
rlt_fuzz(config_fuzz SOURCES tests/fuzz/config_fuzz.c DEPS lua config schema core)
