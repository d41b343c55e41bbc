/* The fence of a trial's owner (I2): what a learner of an earlier attempt says, or says in the name
 * of a later one, changes nothing; the present owner is heard. */
#include "driver/driver_impl.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CHECK(call) assert_int_equal(call, RLT_OK)

typedef struct fixture {
    char folder[64], db[96];
    rlt_driver_options options;
    rlt_driver driver;
    rlt_driver_entry *trial;
} fixture;

static void change(fixture *f, rlt_trial_state to) {
    rlt_err err = {0};
    CHECK(rlt_driver_change(&f->driver, f->trial, to, "", &err));
}

/* A driver with one trial in its second attempt, as after the death of its first learner. */
static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    rlt_driver *d = &f->driver;
    rlt_err err = {0};
    snprintf(f->folder, sizeof f->folder, "/tmp/rltune-driver-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->db, sizeof f->db, "%s/a.db", f->folder);
    f->options.db_path = f->db;
    d->o = &f->options;
    CHECK(rlt_store_open(f->db, RLT_STORE_WRITE, &d->store, &err));
    rlt_experiment_row experiment = {.name = "fence", .metric = "eval_return", .maximise = true};
    CHECK(rlt_store_experiment_create(d->store, &experiment, &d->experiment, &err));
    rlt_channel_options options = {0};
    CHECK(rlt_channel_bind(&d->channel, &options, &err));
    rlt_driver_entry *t = f->trial = rlt_driver_add(d);
    t->final = true; /* no tuner has to be told */
    rlt_trial_row row = {.experiment = d->experiment, .role = "final"};
    CHECK(rlt_store_trial_create(d->store, &row, &t->id, &err));
    change(f, RLT_TRIAL_RUNNING);
    change(f, RLT_TRIAL_PENDING);
    change(f, RLT_TRIAL_RUNNING);
    assert_int_equal(t->attempt, 2);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    char command[128];
    rlt_driver_close(&f->driver);
    snprintf(command, sizeof command, "rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void end(rlt_channel *client, rlt_msg_writer *writer) {
    rlt_err err = {0};
    CHECK(rlt_msg_end(writer, &err));
    CHECK(rlt_channel_send(client, NULL, writer, NULL, 0, 5000, &err));
}

/* A result, a checkpoint and the last word, all of them excellent. */
static void speak(fixture *f, const char *name, uint64_t epoch) {
    rlt_channel *client = NULL;
    rlt_channel_options options = {.endpoint = rlt_channel_endpoint(f->driver.channel),
                                   .name = name,
                                   .keys = rlt_channel_keys(f->driver.channel)};
    rlt_msg_writer writer = {0};
    rlt_err err = {0};
    const double value = 1e9;
    char sha256[65] = "";
    memset(sha256, 'a', 64);
    CHECK(rlt_channel_connect(&client, &options, &err));
    rlt_msg_begin(&writer, RLT_MSG_METRICS, epoch, 1);
    rlt_msg_put_i64(&writer, "step", 640);
    rlt_msg_put_str(&writer, "names", "eval_return");
    rlt_msg_put_f64s(&writer, "values", &value, 1);
    rlt_msg_put_f64(&writer, "value", value);
    rlt_msg_put_i64(&writer, "milestone", 0);
    rlt_msg_put_f64(&writer, "ran_s", 1);
    end(client, &writer);
    rlt_msg_begin(&writer, RLT_MSG_CHECKPOINT, epoch, 2);
    rlt_msg_put_i64(&writer, "step", 640);
    rlt_msg_put_i64(&writer, "size", 1);
    rlt_msg_put_str(&writer, "path", "e1-t1-s640.safetensors");
    rlt_msg_put_str(&writer, "sha256", sha256);
    end(client, &writer);
    rlt_msg_begin(&writer, RLT_MSG_DONE, epoch, 3);
    rlt_msg_put_str(&writer, "state", "completed");
    rlt_msg_put_str(&writer, "reason", "done");
    rlt_msg_put_i64(&writer, "step", 640);
    rlt_msg_put_f64(&writer, "value", value);
    rlt_msg_put_f64(&writer, "eval_mean", value);
    rlt_msg_put_f64(&writer, "eval_std", 0);
    end(client, &writer);
    rlt_channel_close(client, 2000);
    rlt_msg_writer_fini(&writer);
}

/* Until all that was sent must have come. */
static void hear(fixture *f) {
    rlt_poll_item item = {.channel = f->driver.channel};
    rlt_err err = {0};
    int ready;
    for (int quiet = 0; quiet < 2; quiet += ready == 0) {
        CHECK(rlt_channel_poll(&item, 1, 100, &ready, &err));
        CHECK(rlt_driver_drain(&f->driver, &err));
    }
}

static void expect(fixture *f, const char *state, double value, bool checkpoint) {
    rlt_trial_row row;
    rlt_checkpoint_row newest;
    rlt_err err = {0};
    CHECK(rlt_store_trial_get(f->driver.store, f->trial->id, &row, &err));
    assert_string_equal(row.state, state);
    assert_true(isnan(value) ? isnan(row.value) : row.value == value);
    rlt_trial_row_fini(&row);
    rlt_status status =
        rlt_store_checkpoint_latest(f->driver.store, f->trial->id, INT64_MAX, &newest, &err);
    assert_int_equal(status, checkpoint ? RLT_OK : RLT_ENOTFOUND);
}

static void earlier_owner_is_not_heard(void **state) {
    fixture *f = *state;
    speak(f, "t1-1", 1);
    hear(f);
    expect(f, "running", NAN, false);
}

static void earlier_owner_that_claims_the_new_epoch_is_not_heard(void **state) {
    fixture *f = *state;
    speak(f, "t1-1", 2);
    hear(f);
    expect(f, "running", NAN, false);
}

static void words_with_an_old_epoch_are_not_heard(void **state) {
    fixture *f = *state;
    speak(f, "t1-2", 1);
    hear(f);
    expect(f, "running", NAN, false);
}

static void strangers_are_not_heard(void **state) {
    fixture *f = *state;
    speak(f, "t2-2", 2);
    speak(f, "worker", 2);
    hear(f);
    expect(f, "running", NAN, false);
}

static void owner_is_heard_until_its_last_word(void **state) {
    fixture *f = *state;
    speak(f, "t1-2", 2);
    hear(f);
    expect(f, "completed", 1e9, true);
    speak(f, "t1-2", 2);
    hear(f);
    expect(f, "completed", 1e9, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(earlier_owner_is_not_heard),
        TEST(earlier_owner_that_claims_the_new_epoch_is_not_heard),
        TEST(words_with_an_old_epoch_are_not_heard),
        TEST(strangers_are_not_heard),
        TEST(owner_is_heard_until_its_last_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
