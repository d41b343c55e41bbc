/* Tests of schema: every field type, bounds open and closed, aliases, unknown keys, defaults. */
#include "schema/schema.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct record {
    bool flag, up;
    int64_t count;
    double rate, goal;
    char text[8], kind[8];
    int colour;
    int64_t sizes[3];
    int size_count;
} record;

#define AT(member) RLT_FIELD_AT(record, member)
static const char *const colours[] = {"red", "green", "blue", NULL};
static const char *const modes[] = {"min", "max", NULL};
static const rlt_field fields[] = {
    {"flag", RLT_FIELD_BOOL, AT(flag), .initial = "true", .help = ""},
    {"mode", RLT_FIELD_ENUM, AT(up), .initial = "max", .choices = modes, .help = ""},
    {"count", RLT_FIELD_INT, AT(count), .initial = "3", .min = 1, .max = 10, .help = ""},
    {"rate", RLT_FIELD_DOUBLE, AT(rate), .initial = "0.5", .min = 0, .max = 1,
     .flags = RLT_FIELD_OPEN_MIN, .aliases = "speed learning_rate", .help = ""},
    {"goal", RLT_FIELD_DOUBLE, AT(goal), .initial = "null", .min = -INFINITY, .max = INFINITY,
     .flags = RLT_FIELD_OPTIONAL, .help = ""},
    {"text", RLT_FIELD_STRING, AT(text), .initial = "abc", .help = ""},
    {"kind", RLT_FIELD_STRING, AT(kind), .initial = "red", .choices = colours, .help = ""},
    {"colour", RLT_FIELD_ENUM, AT(colour), .initial = "green", .choices = colours, .help = ""},
    {"sizes", RLT_FIELD_INT_LIST, AT(sizes), offsetof(record, size_count), .initial = "[4, 5]",
     .min = 1, .max = 100, .help = ""},
    {0}};

/* Loads text; RLT_OK fills *out, else err. */
static rlt_status load(const char *text, record *out, rlt_err *err, char *failed) {
    json_t *table = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    assert_true(text == NULL || table != NULL);
    static const char *const others[] = {"section", NULL};
    rlt_schema_reader reader = {.path = "ppo", .other_keys = others};
    json_t *normalised = json_object();
    rlt_status status = rlt_schema_normalise(fields, &reader, table, normalised, err);
    if (status == RLT_OK) {
        assert_int_equal(json_object_size(normalised), RLT_COUNT(fields) - 1);
        rlt_schema_store(fields, normalised, out);
    }
    if (failed != NULL) {
        strcpy(failed, reader.failed);
    }
    json_decref(normalised);
    json_decref(table);
    return status;
}

static void refused(const char *text, const char *expected) {
    record out;
    rlt_err err = {0};
    assert_int_equal(load(text, &out, &err, NULL), RLT_ECONFIG);
    if (strstr(err.message, expected) == NULL) {
        fail_msg("%s\ngave:     %s\nexpected: %s", text, err.message, expected);
    }
}

static void test_defaults(void **state) {
    (void)state;
    static const char *const empties[] = {NULL, "{}"};
    for (size_t i = 0; i < RLT_COUNT(empties); i++) {
        record out = {0};
        rlt_err err = {0};
        assert_int_equal(load(empties[i], &out, &err, NULL), RLT_OK);
        assert_true(out.flag && out.up && out.count == 3 && out.rate == 0.5 && isnan(out.goal));
        assert_string_equal(out.text, "abc");
        assert_string_equal(out.kind, "red");
        assert_true(out.colour == 1 && out.size_count == 2 && out.sizes[0] == 4);
        assert_true(out.sizes[1] == 5 && out.sizes[2] == 0);
    }
}

static void test_values(void **state) {
    (void)state;
    record out = {0};
    rlt_err err = {0};
    const char *text =
        "{\"flag\": false, \"mode\": \"min\", \"count\": 1e1, \"rate\": 1, \"goal\": -7,"
        "\"text\": \"1234567\", \"kind\": \"blue\", \"colour\": \"blue\","
        "\"sizes\": [1, 2.0, 100], \"section\": 9}";
    assert_int_equal(load(text, &out, &err, NULL), RLT_OK);
    assert_true(!out.flag && !out.up && out.count == 10 && out.rate == 1 && out.goal == -7);
    assert_string_equal(out.text, "1234567");
    assert_true(out.colour == 2 && out.size_count == 3 && out.sizes[1] == 2);
    assert_int_equal(load("{\"speed\": 0.25, \"goal\": null}", &out, &err, NULL), RLT_OK);
    assert_true(out.rate == 0.25 && isnan(out.goal));
}

static void test_refusals(void **state) {
    (void)state;
    refused("7", "ppo: a table of named values");
    refused("{\"flag\": 1}", "ppo.flag: 1 is not allowed; allowed: true or false");
    refused("{\"count\": 0}", "ppo.count: 0 is not allowed; allowed: an integer from 1 to 10");
    refused("{\"count\": 11}", "from 1 to 10");
    refused("{\"count\": 2.5}", "ppo.count: 2.5 is not allowed");
    refused("{\"count\": 1e300}", "ppo.count");
    refused("{\"count\": \"3\"}", "ppo.count: \"3\" is not allowed");
    refused("{\"rate\": 0}", "a number more than 0 and at most 1");
    refused("{\"rate\": 1.01}", "ppo.rate: 1.01");
    refused("{\"rate\": null}", "ppo.rate: null");
    refused("{\"goal\": true}", "ppo.goal: true is not allowed; allowed: a number");
    refused("{\"text\": \"12345678\"}", "text of 1 to 7 bytes");
    refused("{\"text\": \"\"}", "text of 1 to 7 bytes");
    refused("{\"kind\": \"pink\"}", "one of 'red', 'green', 'blue'");
    refused("{\"colour\": 1}", "one of 'red', 'green', 'blue'");
    refused("{\"sizes\": []}", "a list of 1 to 3 integers from 1 to 100");
    refused("{\"sizes\": [1,2,3,4]}", "a list of 1 to 3 integers");
    refused("{\"sizes\": [0]}", "ppo.sizes: [0]");
    refused("{\"sizes\": 5}", "ppo.sizes: 5");
    refused("{\"coun\": 5}", "ppo.coun: unknown key (did you mean 'count'?); `rltune explain ppo`");
    refused("{\"zzzzzzz\": 5}", "ppo.zzzzzzz: unknown key; `rltune explain ppo`");
    refused("{\"secton\": 5}", "did you mean 'section'");
    refused("{\"rate\": 0.5, \"speed\": 0.5}", "given twice");
}

static void test_failed_path(void **state) {
    (void)state;
    record out;
    rlt_err err;
    char failed[RLT_FIELD_PATH_MAX];
    load("{\"learning_rate\": 3}", &out, &err, failed);
    assert_string_equal(failed, "ppo.learning_rate");
    load("{\"lol\": 3}", &out, &err, failed);
    assert_string_equal(failed, "ppo.lol");
}

/* An object value stands for a value not known yet. */
static rlt_status take_object(void *user, const rlt_field *field, const char *path,
                              const json_t *value, json_t **canonical, rlt_err *err) {
    (*(int *)user)++;
    if (json_is_object(value)) {
        *canonical = json_deep_copy(value);
    }
    return strcmp(field->name, "flag") == 0 ? rlt_fail(err, RLT_ECONFIG, "%s: no", path) : RLT_OK;
}

static void test_special_values(void **state) {
    (void)state;
    int asked = 0;
    rlt_schema_reader reader = {.path = "", .special = take_object, .user = &asked};
    json_t *table = json_loads("{\"rate\": {\"x\": 1}, \"count\": 5}", 0, NULL);
    json_t *out = json_object();
    rlt_err err = {0};
    assert_int_equal(rlt_schema_normalise(fields, &reader, table, out, &err), RLT_OK);
    assert_int_equal(asked, 2);
    record loaded = {0};
    rlt_schema_store(fields, out, &loaded);
    assert_true(loaded.rate == 0.5 && loaded.count == 5);
    json_object_set_new(table, "flag", json_true());
    assert_int_equal(rlt_schema_normalise(fields, &reader, table, out, &err), RLT_ECONFIG);
    assert_string_equal(err.message, "flag: no");
    json_decref(table);
    json_decref(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_failed_path),
        cmocka_unit_test(test_special_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
