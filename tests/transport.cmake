rlt_test(transport_channel_test SOURCES tests/unit/transport_channel_test.c DEPS transport core)
