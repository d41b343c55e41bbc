/* The learner acting for workers that ask: on a device as on the CPU, to rounding, memory and masks
 * included; questions that cannot be are refused; a worker is let go when nobody answers. */
#include "envs/envs.h"
#include "learner/acting.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 3, ENVS = 5, STEPS = 4 };

typedef struct place {
    rlt_run_config config;
    const rlt_env_def *def;
    rlt_batch_spec batch;
    void *memory;
    rlt_asking asking;
    void *slots[WORKERS];
    rlt_segment segments[WORKERS];
    rlt_acting *acting;
    float *block;
    rlt_weights_view view;
} place;

static void *slot_of(void *user, int worker, uint32_t slot) {
    place *p = user;
    return slot == 0 ? p->slots[worker] : NULL;
}

static void open_place(place *p, const char *json, const char *device) {
    rlt_err err = {0};
    rlt_policy_spec spec;
    *p = (place){0};
    assert_int_equal(rlt_run_config_parse(json, &p->config, &err), RLT_OK);
    assert_int_equal(rlt_env_find(rlt_envs, p->config.env, &p->def, &err), RLT_OK);
    assert_int_equal(rlt_policy_spec_make(&p->config, p->def, &spec, &err), RLT_OK);
    rlt_rollout *probe = NULL;
    assert_int_equal(rlt_rollout_create(&p->config, p->def, ENVS, 0, &probe, &err), RLT_OK);
    p->batch = *rlt_rollout_batch_spec(probe);
    rlt_rollout_destroy(&probe);
    p->memory = rlt_alloc(rlt_asking_size(WORKERS, ENVS, p->batch.memory_width));
    rlt_asking_bind(p->memory, WORKERS, ENVS, p->batch.memory_width, &p->asking);
    p->block = rlt_alloc(sizeof(float) * rlt_weights_floats(&spec));
    p->view = rlt_weights_bind(&spec, p->block);
    rlt_policy_init(&spec, 3, p->view.params);
    rlt_rng rng = rlt_rng_make(8, RLT_STREAM_TEST, 0);
    for (int i = 0; i < p->batch.obs_width; i++) {
        p->view.mean[i] = 0.1f * rlt_rng_f32(&rng);
        p->view.inv_std[i] = 1 + rlt_rng_f32(&rng);
    }
    for (int w = 0; w < WORKERS; w++) {
        p->slots[w] = rlt_alloc(rlt_segment_size(&p->batch));
        rlt_segment_bind(&p->batch, p->slots[w], &p->segments[w]);
        for (int i = 0; i < (STEPS + 1) * ENVS * p->batch.obs_width; i++) {
            p->segments[w].obs[i] = (float)rlt_rng_normal(&rng);
        }
    }
    rlt_acting_options options = {.config = &p->config,
                                  .batch = p->batch,
                                  .workers = WORKERS,
                                  .first_env = 2,
                                  .device = device,
                                  .asking = &p->asking,
                                  .slot = slot_of,
                                  .user = p};
    if (rlt_acting_create(&options, p->def, &p->acting, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
}

static void close_place(place *p) {
    rlt_acting_destroy(&p->acting);
    for (int w = 0; w < WORKERS; w++) {
        rlt_free(p->slots[w]);
    }
    rlt_free(p->block);
    rlt_free(p->memory);
}

typedef struct asker {
    place *place;
    int worker;
    uint32_t slot;
    double patience_s;
    rlt_status status;
    rlt_err err;
    pthread_t thread;
} asker;

static void *run_asker(void *user) {
    asker *a = user;
    for (uint32_t step = 0; step < STEPS && a->status == RLT_OK; step++) {
        a->status = rlt_ask(&a->place->asking, a->worker, (rlt_question){2, a->slot, step},
                            a->patience_s, &a->err);
    }
    return NULL;
}

static void answer_all(place *p) {
    asker askers[WORKERS];
    for (int w = 0; w < WORKERS; w++) {
        askers[w] = (asker){.place = p, .worker = w, .patience_s = 20};
        pthread_create(&askers[w].thread, NULL, run_asker, &askers[w]);
    }
    for (int left = WORKERS * STEPS; left > 0;) {
        unsigned bell = rlt_asking_bell(&p->asking);
        int answered = 0;
        rlt_err err = {0};
        assert_int_equal(rlt_acting_answer(p->acting, &p->view, 1, &answered, &err), RLT_OK);
        left -= answered;
        if (answered == 0) {
            rlt_asking_wait(&p->asking, bell, 100);
        }
    }
    for (int w = 0; w < WORKERS; w++) {
        pthread_join(askers[w].thread, NULL);
        assert_int_equal(askers[w].status, RLT_OK);
    }
}

static void assert_near(const float *got, const float *want, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)got[i] - (double)want[i]) <= 2e-5 * (1 + fabs((double)want[i])))) {
            fail_msg("entry %zu: %g, expected %g", i, (double)got[i], (double)want[i]);
        }
    }
}

static void compare(const char *json) {
    place cpu, device;
    open_place(&cpu, json, NULL);
    open_place(&device, json, "cpu");
    answer_all(&cpu);
    answer_all(&device);
    size_t rows = STEPS * ENVS, memory = (size_t)ENVS * (size_t)cpu.batch.memory_width;
    for (int w = 0; w < WORKERS; w++) {
        const rlt_segment *a = &device.segments[w], *b = &cpu.segments[w];
        assert_near(a->value, b->value, rows);
        assert_near(a->log_prob, b->log_prob, rows);
        if (cpu.def->action_space.kind == RLT_SPACE_DISCRETE) {
            assert_memory_equal(a->action, b->action, rows * cpu.batch.action_bytes);
        } else {
            assert_near((const float *)a->action, (const float *)b->action, rows);
        }
        assert_near(rlt_asking_memory(&device.asking, w), rlt_asking_memory(&cpu.asking, w),
                    memory);
        assert_true(a->value[0] != 0);
    }
    close_place(&cpu);
    close_place(&device);
}

#define COMMON                                                                                     \
    "\"workers\": 3, \"envs_per_worker\": 5, \"inference\": \"learner\", \"ppo\": {\"horizon\": "  \
    "4}, \"normalise\": {\"observation\": true}"

static void test_device_acts_as_the_cpu(void **unused) {
    (void)unused;
    compare("{\"env\": \"CartPole-v1\", " COMMON "}");
    compare("{\"env\": \"Pendulum-v1\", " COMMON "}");
    compare("{\"env\": \"CartPole-v1\", \"model\": [[\"lstm\", 6], [\"dense\", 5]], " COMMON "}");
}

static void test_impossible_questions_are_refused(void **unused) {
    (void)unused;
    place p;
    open_place(&p, "{\"env\": \"CartPole-v1\", " COMMON "}", NULL);
    asker asker = {.place = &p, .worker = 1, .slot = 7, .patience_s = 20};
    pthread_create(&asker.thread, NULL, run_asker, &asker);
    rlt_err err = {0};
    int answered = 0;
    rlt_status status = RLT_OK;
    while (status == RLT_OK) {
        status = rlt_acting_answer(p.acting, &p.view, 1, &answered, &err);
    }
    assert_int_equal(status, RLT_EPROTO);
    assert_non_null(strstr(err.message, "worker 1 asks for step 0 of slot 7"));
    rlt_asking_close(&p.asking);
    pthread_join(asker.thread, NULL);
    assert_int_equal(asker.status, RLT_EINTERRUPTED);
    close_place(&p);
}

static void test_nobody_waits_for_ever(void **unused) {
    (void)unused;
    place p;
    open_place(&p, "{\"env\": \"CartPole-v1\", " COMMON "}", NULL);
    asker asker = {.place = &p, .worker = 0, .patience_s = 0.05};
    run_asker(&asker);
    assert_int_equal(asker.status, RLT_ETIMEOUT);
    rlt_question q;
    assert_true(rlt_asked(&p.asking, 0, &q));
    rlt_asking_forget(&p.asking, 0);
    assert_false(rlt_asked(&p.asking, 0, &q));
    close_place(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device_acts_as_the_cpu),
        cmocka_unit_test(test_impossible_questions_are_refused),
        cmocka_unit_test(test_nobody_waits_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
