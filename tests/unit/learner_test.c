/* The trainer on its in-process source: it learns CartPole on every one of 5 seeds, repeats itself
 * bit for bit whatever the threads and parts, goes on from a checkpoint as if nothing had happened,
 * does not allocate while training, and refuses bad configurations by field. */
#include "envs/envs.h"
#include "learner/learner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static rlt_run_config config_of(const char *json) {
    rlt_run_config config;
    rlt_err err = {0};
    if (rlt_run_config_parse(json, &config, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return config;
}

/* The settings of configs/cartpole.lua. (RL Baselines3 Zoo's, with 20 epochs, collapse from about
 * one seed of fifty.) */
static rlt_run_config cartpole(uint64_t seed) {
    rlt_run_config c = config_of(
        "{\"env\": \"CartPole-v1\", \"envs_per_worker\": 32, \"stop\": {\"steps\": 50000},"
        " \"ppo\": {\"horizon\": 32, \"epochs\": 5, \"minibatch\": 128, \"gamma\": 0.99,"
        " \"lambda\": 0.9, \"lr\": 0.003}}");
    c.seed = (int64_t)seed;
    return c;
}

static const rlt_env_def *find(const char *name) {
    const rlt_env_def *def = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_env_find(rlt_envs, name, &def, &err), RLT_OK);
    return def;
}

typedef struct session {
    rlt_run_config config;
    const rlt_env_def *def;
    rlt_trainer *trainer;
    rlt_source *source;
    rlt_train_stats stats;
} session;

static session open_session(const rlt_run_config *config, int threads) {
    session s = {.config = *config, .def = find(config->env)};
    rlt_err err = {0};
    int parts = rlt_local_parts((int)config->envs_per_worker);
    int envs = (int)config->envs_per_worker / parts;
    if (rlt_trainer_create(config, s.def, parts, envs, threads, NULL, &s.trainer, &err) != RLT_OK ||
        rlt_source_local(config, s.def, 0, (int)config->envs_per_worker,
                         rlt_trainer_pool(s.trainer), &s.source, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    s.stats = *rlt_trainer_stats(s.trainer);
    return s;
}

static void close_session(session *s) {
    s->source->ops->destroy(s->source);
    rlt_trainer_destroy(&s->trainer);
}

static void iterate(session *s, int times) {
    for (int i = 0; i < times; i++) {
        rlt_err err = {0};
        const rlt_segment *segments = NULL;
        uint64_t version;
        rlt_weights_view weights = rlt_trainer_weights(s->trainer, &version);
        const rlt_source_ops *ops = s->source->ops;
        if (ops->publish(s->source, &weights, version, &err) != RLT_OK ||
            ops->collect(s->source, (uint64_t)s->stats.iteration, &segments, &err) != RLT_OK ||
            rlt_trainer_consume(s->trainer, segments, &s->stats, &err) != RLT_OK ||
            ops->release(s->source, &err) != RLT_OK) {
            fail_msg("%s", err.message);
        }
    }
}

static double evaluate(session *s, int episodes) {
    rlt_evaluation result;
    rlt_err err = {0};
    uint64_t version;
    rlt_weights_view weights = rlt_trainer_weights(s->trainer, &version);
    assert_int_equal(
        rlt_evaluate(&s->config, s->def, &weights, episodes, 12345, &result, NULL, &err), RLT_OK);
    return result.mean;
}

static void assert_same(session *a, session *b) {
    uint64_t va, vb;
    rlt_weights_view wa = rlt_trainer_weights(a->trainer, &va),
                     wb = rlt_trainer_weights(b->trainer, &vb);
    size_t floats = rlt_weights_floats(rlt_trainer_policy(a->trainer));
    assert_int_equal(va, vb);
    assert_memory_equal(wa.params, wb.params, sizeof(float) * floats);
    assert_memory_equal(&a->stats, &b->stats, sizeof(a->stats));
}

static void test_learns_cartpole_on_five_seeds(void **unused) {
    (void)unused;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* minutes under a sanitizer; the tests below walk the same code */
#endif
    for (uint64_t seed = 1; seed <= 5; seed++) {
        rlt_run_config config = cartpole(seed);
        session s = open_session(&config, 1);
        while (s.stats.steps + rlt_trainer_rows(s.trainer) <= config.stop.steps) {
            iterate(&s, 1);
        }
        double mean_return = evaluate(&s, 100);
        print_message("seed %d: mean return %.1f over 100 episodes\n", (int)seed, mean_return);
        assert_true(mean_return >= 475.0);
        close_session(&s);
    }
}

static const char *const small_configs[] = {
    "{\"env\": \"CartPole-v1\", \"envs_per_worker\": 64, \"ppo\": {\"horizon\": 16, "
    "\"minibatch\": 100, \"epochs\": 2}, \"normalise\": {\"observation\": true, \"reward\": true}}",
    "{\"env\": \"Pendulum-v1\", \"envs_per_worker\": 64, \"ppo\": {\"horizon\": 150, "
    "\"minibatch\": 512, \"epochs\": 1}, \"model\": {\"squash\": true}, "
    "\"normalise\": {\"observation\": true, \"reward\": true}}",
    "{\"env\": \"Taxi-v3\", \"envs_per_worker\": 64, \"ppo\": {\"horizon\": 16, "
    "\"minibatch\": 256, \"epochs\": 1, \"optimiser\": \"rmsprop\"}}",
    "{\"env\": \"CartPole-v1\", \"envs_per_worker\": 64, \"ppo\": {\"horizon\": 16, "
    "\"minibatch\": 100, \"epochs\": 2}, \"model\": [[\"dense\", 8, \"tanh\"], [\"lstm\", 8], "
    "[\"attention\", 2, 4], [\"gru\", 8]], \"normalise\": {\"observation\": true}}",
    "{\"env\": \"Pendulum-v1\", \"envs_per_worker\": 64, \"ppo\": {\"horizon\": 40, "
    "\"minibatch\": 512, \"epochs\": 1}, \"model\": {\"layers\": [[\"dense\", 16], "
    "[\"gated\", [[\"layer_norm\"], [\"attention\", 2, 8]]]], \"separate\": true}}",
};

/* What a rollout acted with, remembered over ends of episodes and of segments, is what the update
 * computes in one go from the memory at the segment's start: the first gradient's probabilities and
 * values are those of the rollout, so that the divergence is 0 before any step. */
static void test_sequences_are_those_of_the_rollout(void **unused) {
    (void)unused;
    rlt_run_config config =
        config_of("{\"env\": \"CartPole-v1\", \"envs_per_worker\": 32, \"ppo\": {\"horizon\": 48, "
                  "\"minibatch\": 1536, \"epochs\": 1, \"lr\": 0.01}, \"model\": [[\"lstm\", 8], "
                  "[\"attention\", 2, 4], [\"gru\", 8]]}");
    session s = open_session(&config, 1);
    for (int i = 0; i < 4; i++) {
        iterate(&s, 1);
        assert_true(fabs(s.stats.approx_kl) < 1e-6);
        assert_true(s.stats.clip_fraction == 0);
    }
    assert_true(s.stats.episodes > 32); /* or no end was within a sequence */
    close_session(&s);
}

static void test_threads_change_nothing(void **unused) {
    (void)unused;
    for (size_t i = 0; i < RLT_COUNT(small_configs); i++) {
        rlt_run_config config = config_of(small_configs[i]);
        session one = open_session(&config, 1), three = open_session(&config, 3);
        iterate(&one, 3);
        iterate(&three, 3);
        assert_same(&one, &three);
        close_session(&one);
        close_session(&three);
    }
}

/* I3: saved in the middle, loaded elsewhere, the same bits at the end. */
static void test_goes_on_from_a_checkpoint(void **unused) {
    (void)unused;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/rltune-learner-test-%d.safetensors", (int)getpid());
    for (size_t i = 0; i < RLT_COUNT(small_configs); i++) {
        rlt_run_config config = config_of(small_configs[i]);
        session whole = open_session(&config, 1), first = open_session(&config, 1);
        rlt_err err = {0};
        char sha256[RLT_SHA256_HEX];
        int64_t size = 0;
        iterate(&whole, 5);
        iterate(&first, 2);
        assert_int_equal(
            rlt_train_save(first.trainer, first.source, path, "{}", sha256, &size, &err), RLT_OK);
        close_session(&first);
        session second = open_session(&config, 2);
        if (rlt_train_load(second.trainer, second.source,
                           &(rlt_train_origin){path, sha256, NULL, NULL}, &err) != RLT_OK) {
            fail_msg("%s", err.message);
        }
        second.stats = *rlt_trainer_stats(second.trainer);
        iterate(&second, 3);
        assert_same(&whole, &second);
        close_session(&second);
        close_session(&whole);
        unlink(path);
    }
}

static void save(session *s, char path[64], char sha256[RLT_SHA256_HEX]) {
    static int number;
    int64_t size = 0;
    rlt_err err = {0};
    snprintf(path, 64, "/tmp/rltune-learner-test-%d-%d.safetensors", (int)getpid(), number++);
    assert_int_equal(rlt_train_save(s->trainer, s->source, path, "{}", sha256, &size, &err),
                     RLT_OK);
}

/* Weights of another trial: the policy is its, steps and environments are the trial's own. */
static void test_takes_over_the_weights_of_another(void **unused) {
    (void)unused;
    for (size_t i = 0; i < RLT_COUNT(small_configs); i++) {
        rlt_run_config config = config_of(small_configs[i]), other_config = config;
        char path[2][64], sha256[2][RLT_SHA256_HEX];
        other_config.seed = 77;
        session own = open_session(&config, 1), other = open_session(&other_config, 1);
        iterate(&own, 2);
        iterate(&other, 4);
        save(&own, path[0], sha256[0]);
        save(&other, path[1], sha256[1]);
        session third = open_session(&config, 1), fourth = open_session(&config, 1);
        const rlt_train_origin origin = {path[0], sha256[0], path[1], sha256[1]};
        rlt_err err = {0};
        assert_int_equal(rlt_train_load(third.trainer, third.source, &origin, &err), RLT_OK);
        third.stats = *rlt_trainer_stats(third.trainer);
        assert_int_equal(third.stats.steps, own.stats.steps);
        uint64_t version, ignored;
        rlt_weights_view a = rlt_trainer_weights(other.trainer, &ignored),
                         b = rlt_trainer_weights(third.trainer, &version);
        assert_int_equal(version, 3);
        assert_memory_equal(a.params, b.params,
                            sizeof(float) * rlt_weights_floats(rlt_trainer_policy(own.trainer)));
        size_t size[2];
        void *states[] = {own.source->ops->state(own.source, 0, &size[0]),
                          third.source->ops->state(third.source, 0, &size[1])};
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(states[0], states[1], size[0]);
        unlink(path[0]); /* and goes on from a checkpoint of its own */
        iterate(&third, 1);
        save(&third, path[0], sha256[0]);
        const rlt_train_origin later = {path[0], sha256[0], NULL, NULL};
        assert_int_equal(rlt_train_load(fourth.trainer, fourth.source, &later, &err), RLT_OK);
        fourth.stats = *rlt_trainer_stats(fourth.trainer);
        iterate(&third, 2);
        iterate(&fourth, 2);
        assert_same(&third, &fourth);
        session *const all[] = {&own, &other, &third, &fourth};
        for (size_t s = 0; s < RLT_COUNT(all); s++) {
            close_session(all[s]);
        }
        unlink(path[0]);
        unlink(path[1]);
    }
}

static void test_training_allocates_nothing(void **unused) {
    (void)unused;
    for (size_t i = 0; i < RLT_COUNT(small_configs); i++) {
        rlt_run_config config = config_of(small_configs[i]);
        session s = open_session(&config, 2);
        iterate(&s, 1);
        uint64_t allocations = rlt_alloc_count();
        iterate(&s, 3);
        assert_int_equal(rlt_alloc_count(), allocations);
        close_session(&s);
    }
}

static void test_checkpoint_of_another_shape_is_refused(void **unused) {
    (void)unused;
    char path[64], sha256[RLT_SHA256_HEX];
    int64_t size = 0;
    rlt_err err = {0};
    snprintf(path, sizeof(path), "/tmp/rltune-learner-test-%d.safetensors", (int)getpid());
    rlt_run_config config = config_of(small_configs[0]);
    session a = open_session(&config, 1);
    iterate(&a, 1);
    assert_int_equal(rlt_train_save(a.trainer, a.source, path, "{}", sha256, &size, &err), RLT_OK);
    config.model.hidden[0] = 32;
    session b = open_session(&config, 1);
    assert_int_equal(
        rlt_train_load(b.trainer, b.source, &(rlt_train_origin){path, sha256, NULL, NULL}, &err),
        RLT_ECORRUPT);
    assert_non_null(strstr(err.message, "actor.0.weight"));
    close_session(&b);
    config = config_of(small_configs[3]);
    b = open_session(&config, 1);
    assert_int_equal(
        rlt_train_load(b.trainer, b.source, &(rlt_train_origin){path, sha256, NULL, NULL}, &err),
        RLT_ECORRUPT);
    assert_non_null(strstr(err.message, "layer.1.dense.weight"));
    close_session(&a);
    close_session(&b);
    unlink(path);
}

static void test_bad_configurations_name_the_field(void **unused) {
    (void)unused;
    rlt_trainer *trainer = NULL;
    rlt_err err = {0};
    rlt_run_config config = cartpole(1);
    config.model.squash = true;
    assert_int_equal(
        rlt_trainer_create(&config, find("CartPole-v1"), 1, 64, 1, NULL, &trainer, &err),
        RLT_ECONFIG);
    assert_non_null(strstr(err.message, "model.squash"));
    config = cartpole(1);
    config.ppo.horizon = 1 << 22;
    assert_int_equal(
        rlt_trainer_create(&config, find("CartPole-v1"), 1, 64, 1, NULL, &trainer, &err),
        RLT_ECONFIG);
    assert_non_null(strstr(err.message, "ppo.horizon"));
    assert_null(trainer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns_cartpole_on_five_seeds),
        cmocka_unit_test(test_sequences_are_those_of_the_rollout),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_goes_on_from_a_checkpoint),
        cmocka_unit_test(test_takes_over_the_weights_of_another),
        cmocka_unit_test(test_training_allocates_nothing),
        cmocka_unit_test(test_checkpoint_of_another_shape_is_refused),
        cmocka_unit_test(test_bad_configurations_name_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
