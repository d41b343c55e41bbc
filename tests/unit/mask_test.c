/* Multi-discrete actions and masks from the environment's state to the gradient: what is forbidden
 * is never drawn, by a rollout, an evaluation or at random; segments say what was allowed; the
 * partition, the number of threads and a restart change nothing; and PPO learns. */
#include "learner/learner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- an environment: reward 1 for row == wanted, 1 for column == blocked + 1 (mod 4). The column
 * `blocked` and the row wanted + 1 (mod 3) are forbidden. ---- */

enum { ROWS = 3, COLUMNS = 4, WIDTH = ROWS + COLUMNS, LIMIT = 8 };
typedef struct lock_state {
    int32_t wanted, blocked, steps;
} lock_state;
static int illegal; /* actions that were forbidden */

static void observe(int32_t wanted, int32_t blocked, float *observation) {
    memset(observation, 0, sizeof(float) * WIDTH);
    observation[wanted] = 1;
    observation[ROWS + blocked] = 1;
}

static void lock_reset(void *context, void *state, rlt_rng *rng, float *observation) {
    (void)context;
    lock_state s = {(int32_t)rlt_rng_below(rng, ROWS), (int32_t)rlt_rng_below(rng, COLUMNS), 0};
    memcpy(state, &s, sizeof s);
    observe(s.wanted, s.blocked, observation);
}

static bool advance(lock_state *s, const int32_t *action, float *observation, float *reward) {
    illegal += action[0] == (s->wanted + 1) % ROWS || action[1] == s->blocked;
    *reward = (float)((action[0] == s->wanted) + (action[1] == (s->blocked + 1) % COLUMNS));
    s->wanted = (s->wanted * 2 + s->blocked + 1) % ROWS;
    s->blocked = (s->blocked + 1 + (action[1] & 1)) % COLUMNS;
    s->steps++;
    observe(s->wanted, s->blocked, observation);
    return s->steps >= LIMIT - 2 && s->blocked == 0;
}

static bool lock_step(void *context, void *state, rlt_rng *rng, const void *action,
                      float *observation, float *reward) {
    (void)context;
    (void)rng;
    lock_state s;
    memcpy(&s, state, sizeof s);
    bool terminated = advance(&s, action, observation, reward);
    memcpy(state, &s, sizeof s);
    return terminated;
}

static void lock_step_many(void *context, const rlt_env_block *b) {
    (void)context;
    int32_t *state = b->state;
    for (int i = 0; i < b->count; i++) {
        int32_t *wanted = state + i, *blocked = wanted + RLT_ENV_LANES;
        int32_t *steps = blocked + RLT_ENV_LANES;
        lock_state s = {*wanted, *blocked, *steps};
        b->terminated[i] = advance(&s, (const int32_t *)b->action + (ptrdiff_t)i * 2,
                                   b->observation + (ptrdiff_t)i * WIDTH, &b->reward[i]);
        *wanted = s.wanted;
        *blocked = s.blocked;
        *steps = s.steps;
    }
}

static void mask_of(int32_t wanted, int32_t blocked, uint8_t *mask) {
    memset(mask, 1, WIDTH);
    mask[(wanted + 1) % ROWS] = 0;
    mask[ROWS + blocked] = 0;
}

static void lock_mask(void *context, const void *state, uint8_t *mask) {
    (void)context;
    lock_state s;
    memcpy(&s, state, sizeof s);
    mask_of(s.wanted, s.blocked, mask);
}

static const int values[] = {ROWS, COLUMNS};
static const float low[WIDTH] = {0}, high[WIDTH] = {1, 1, 1, 1, 1, 1, 1};
static const rlt_env_def locks = {
    .api_version = RLT_ENV_API_VERSION,
    .name = "Locks",
    .help = "a row and a column",
    .observation_space = {RLT_SPACE_BOX, WIDTH, low, high, NULL},
    .action_space = {RLT_SPACE_MULTI_DISCRETE, 2, NULL, NULL, values},
    .max_episode_steps = LIMIT,
    .reward_threshold = NAN,
    .state_size = sizeof(lock_state),
    .reset = lock_reset,
    .step = lock_step,
    .step_many = lock_step_many,
    .lane_word = 4,
    .action_mask = lock_mask,
};

static rlt_run_config make_config(const char *json) {
    rlt_run_config config;
    rlt_err err = {0};
    if (rlt_run_config_parse(json, &config, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return config;
}

static rlt_run_config small(void) {
    return make_config("{\"env\": \"Locks\", \"envs_per_worker\": 64, \"ppo\": {\"horizon\": 16, "
                       "\"minibatch\": 200, \"epochs\": 2}, \"normalise\": {\"observation\": "
                       "true}}");
}

/* The mask that an observation calls for: the one-hot rows say the state. */
static void mask_from(const float *observation, uint8_t *mask) {
    int32_t wanted = 0, blocked = 0;
    for (int i = 0; i < WIDTH; i++) {
        wanted = i < ROWS && observation[i] == 1 ? i : wanted;
        blocked = i >= ROWS && observation[i] == 1 ? i - ROWS : blocked;
    }
    mask_of(wanted, blocked, mask);
}

/* ---- the vector environment ---- */

/* In every form, over ends of episodes, after a load: the mask is that of the state. */
static void test_masks_follow_the_states(void **unused) {
    (void)unused;
    enum { N = 75 };
    static float observation[N * WIDTH], final[N * WIDTH], reward[N], returns[N];
    static uint8_t terminated[N], truncated[N], mask[N * WIDTH], want[WIDTH];
    static int32_t length[N], action[N * 2];
    const rlt_step_out out = {observation, reward, terminated, truncated, final, returns, length};
    for (rlt_env_form form = RLT_ENV_FORM_SCALAR; form <= RLT_ENV_FORM_AVX512; form++) {
        rlt_vec_env *vec = NULL;
        rlt_err err = {0};
        assert_int_equal(rlt_vec_env_create(&locks, N, 0, 3, &vec, &err), RLT_OK);
        rlt_status status = rlt_vec_env_set_form(vec, form, &err);
        rlt_vec_env_reset(vec, observation);
        for (int t = 0; status == RLT_OK && t < 20; t++) {
            rlt_vec_env_mask(vec, mask);
            for (int i = 0; i < N; i++) {
                mask_from(observation + (ptrdiff_t)i * WIDTH, want);
                assert_memory_equal(mask + (ptrdiff_t)i * WIDTH, want, WIDTH);
                action[2 * i] = (t + i) % ROWS;
                action[2 * i + 1] = (2 * t + i) % COLUMNS;
            }
            rlt_vec_env_step(vec, action, &out);
        }
        rlt_vec_env_destroy(&vec);
    }
    assert_int_equal(rlt_env_mask_width(&locks), WIDTH);
    rlt_env_def open = locks;
    open.action_mask = NULL;
    assert_int_equal(rlt_env_mask_width(&open), 0);
}

/* ---- rollouts ---- */

typedef struct acting {
    rlt_run_config config;
    rlt_policy_spec spec;
    float *weights;
    rlt_weights_view view;
} acting;

static acting open_acting(void) {
    acting a = {.config = small()};
    rlt_err err = {0};
    assert_int_equal(rlt_policy_spec_make(&a.config, &locks, &a.spec, &err), RLT_OK);
    assert_int_equal(a.spec.action_dim, WIDTH);
    assert_int_equal(a.spec.component_count, 2);
    a.weights = rlt_alloc(sizeof(float) * rlt_weights_floats(&a.spec));
    a.view = rlt_weights_bind(&a.spec, a.weights);
    rlt_rng rng = rlt_rng_make(2, RLT_STREAM_TEST, 0);
    for (size_t i = 0; i < rlt_policy_param_count(&a.spec); i++) {
        a.view.params[i] = rlt_rng_uniform(&rng, -0.5f, 0.5f);
    }
    for (int i = 0; i < WIDTH; i++) {
        a.view.inv_std[i] = 1;
    }
    return a;
}

typedef struct segment_block {
    rlt_rollout *rollout;
    void *block;
    rlt_segment segment;
} segment_block;

static segment_block open_rollout(const acting *a, int envs, uint32_t first) {
    segment_block b = {0};
    rlt_err err = {0};
    assert_int_equal(rlt_rollout_create(&a->config, &locks, envs, first, &b.rollout, &err), RLT_OK);
    const rlt_batch_spec *spec = rlt_rollout_batch_spec(b.rollout);
    b.block = rlt_alloc(rlt_segment_size(spec));
    rlt_segment_bind(spec, b.block, &b.segment);
    return b;
}

static void close_rollout(segment_block *b) {
    rlt_rollout_destroy(&b->rollout);
    rlt_free(b->block);
}

static void collect(segment_block *b, const acting *a, uint64_t index) {
    rlt_err err = {0};
    assert_int_equal(rlt_rollout_collect(b->rollout, &a->view, 1, index, 1, &b->segment, &err),
                     RLT_OK);
}

/* The column is the states' masks, the actions are within, and the probabilities are those that the
 * update will compute: every ratio is 1. */
static void check_segment(const acting *a, segment_block *b, uint64_t index) {
    const rlt_batch_spec *spec = rlt_rollout_batch_spec(b->rollout);
    rlt_segment *s = &b->segment;
    int n = spec->envs * spec->horizon;
    rlt_err err = {0};
    rlt_batch_actions actions = rlt_env_batch_actions(&locks);
    size_t size = rlt_segment_size(spec);
    assert_int_equal(rlt_segment_check(spec, s, size, 1, index, actions, &err), RLT_OK);
    for (int i = 0; i < n; i++) {
        uint8_t want[WIDTH];
        mask_from(s->obs + (ptrdiff_t)i * WIDTH, want);
        assert_memory_equal(s->mask + (ptrdiff_t)i * WIDTH, want, WIDTH);
    }
    rlt_policy_workspace *ws = rlt_policy_workspace_create(&a->spec);
    size_t count = rlt_policy_param_count(&a->spec);
    float *grad = rlt_alloc(sizeof(float) * count), *zeros = rlt_alloc(sizeof(float) * (size_t)n);
    rlt_ppo_batch batch = {.n = n,
                           .obs = s->obs,
                           .action = s->action,
                           .old_log_prob = s->log_prob,
                           .old_value = zeros,
                           .advantage = zeros,
                           .ret = zeros,
                           .mask = s->mask};
    rlt_ppo_stats stats = {0};
    const rlt_ppo_coef coef = {.clip = 1e-4f};
    rlt_ppo_grad(ws, a->view.params, &batch, &coef, n, grad, &stats);
    assert_true(stats.clipped == 0 && fabs(stats.approx_kl) < 1e-4);
    rlt_policy_workspace_destroy(&ws);
    rlt_free(grad);
    rlt_free(zeros);
}

static void test_rollouts_act_within_masks(void **unused) {
    (void)unused;
    acting a = open_acting();
    a.config.normalise.observation = false;
    segment_block b = open_rollout(&a, 70, 5);
    illegal = 0;
    for (uint64_t index = 0; index < 4; index++) {
        collect(&b, &a, index);
        check_segment(&a, &b, index);
    }
    assert_int_equal(illegal, 0);
    close_rollout(&b);
    rlt_free(a.weights);
}

/* Columns of environments first .. first + envs - 1 of the whole are those of the part. */
static void check_part(const segment_block *whole, const segment_block *part, int first) {
    const rlt_batch_spec *w = rlt_rollout_batch_spec(whole->rollout);
    const rlt_batch_spec *p = rlt_rollout_batch_spec(part->rollout);
    for (int t = 0; t < w->horizon; t++) {
        size_t from = (size_t)(t * w->envs + first), to = (size_t)(t * p->envs);
        size_t n = (size_t)p->envs;
        assert_memory_equal(whole->segment.action + from * 8, part->segment.action + to * 8, 8 * n);
        assert_memory_equal(whole->segment.mask + from * WIDTH, part->segment.mask + to * WIDTH,
                            WIDTH * n);
        assert_memory_equal(whole->segment.log_prob + from, part->segment.log_prob + to, 4 * n);
    }
}

static void test_partition_and_restart_change_nothing(void **unused) {
    (void)unused;
    acting a = open_acting();
    segment_block whole = open_rollout(&a, 21, 0), low_part = open_rollout(&a, 8, 0);
    segment_block high_part = open_rollout(&a, 13, 8), again = open_rollout(&a, 13, 8);
    for (uint64_t index = 0; index < 3; index++) {
        collect(&whole, &a, index);
        collect(&low_part, &a, index);
        collect(&high_part, &a, index);
        check_part(&whole, &low_part, 0);
        check_part(&whole, &high_part, 8);
        if (index > 0) {
            collect(&again, &a, index);
            check_part(&whole, &again, 8);
        }
        const rlt_batch_spec *spec = rlt_rollout_batch_spec(again.rollout);
        void *state = rlt_alloc(rlt_segment_state_size(spec));
        rlt_err err = {0};
        rlt_segment_keep_state(spec, &high_part.segment, state);
        assert_int_equal(rlt_rollout_restore(again.rollout, state, &err), RLT_OK);
        rlt_free(state);
    }
    segment_block *const all[] = {&whole, &low_part, &high_part, &again};
    for (size_t i = 0; i < RLT_COUNT(all); i++) {
        close_rollout(all[i]);
    }
    rlt_free(a.weights);
}

/* ---- learning ---- */

typedef struct session {
    rlt_run_config config;
    rlt_trainer *trainer;
    rlt_source *source;
    rlt_train_stats stats;
} session;

static session open_session(const rlt_run_config *config, int threads) {
    session s = {.config = *config};
    rlt_err err = {0};
    int parts = rlt_local_parts((int)config->envs_per_worker);
    int envs = (int)config->envs_per_worker / parts;
    if (rlt_trainer_create(config, &locks, parts, envs, threads, NULL, &s.trainer, &err) !=
            RLT_OK ||
        rlt_source_local(config, &locks, 0, (int)config->envs_per_worker,
                         rlt_trainer_pool(s.trainer), &s.source, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
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

static double evaluate(session *s) {
    rlt_evaluation result;
    rlt_err err = {0};
    uint64_t version;
    rlt_weights_view weights = rlt_trainer_weights(s->trainer, &version);
    assert_int_equal(rlt_evaluate(&s->config, &locks, &weights, 100, 12345, &result, NULL, &err),
                     RLT_OK);
    return result.mean / result.mean_length; /* reward a step, 2 at most */
}

static void test_learns_on_five_seeds(void **unused) {
    (void)unused;
    rlt_run_config config = make_config(
        "{\"env\": \"Locks\", \"envs_per_worker\": 16, \"stop\": {\"steps\": 100000}, \"ppo\": "
        "{\"horizon\": 16, \"minibatch\": 64, \"epochs\": 4, \"lr\": 0.01, \"gamma\": 0}, "
        "\"model\": "
        "{\"hidden\": [32]}}");
    illegal = 0;
    for (int64_t seed = 1; seed <= 5; seed++) {
        config.seed = seed;
        session s = open_session(&config, 1);
        uint64_t allocations = 0;
        for (int i = 0; i < 40; i++) {
            iterate(&s, 1);
            allocations = i == 0 ? rlt_alloc_count() : allocations;
        }
        assert_int_equal(rlt_alloc_count(), allocations);
        double reward = evaluate(&s);
        print_message("seed %d: %.3f of 2 a step\n", (int)seed, reward);
        assert_true(reward > 1.99);
        close_session(&s);
    }
    assert_int_equal(illegal, 0);
}

static void test_threads_change_nothing(void **unused) {
    (void)unused;
    const char *const models[] = {"{\"hidden\": [12]}", "[[\"dense\", 8, \"tanh\"], [\"gru\", 8]]"};
    for (size_t m = 0; m < RLT_COUNT(models); m++) {
        char json[512];
        snprintf(json, sizeof json,
                 "{\"env\": \"Locks\", \"envs_per_worker\": 64, \"ppo\": {\"horizon\": 16, "
                 "\"minibatch\": 200, \"epochs\": 2}, \"model\": %s}",
                 models[m]);
        rlt_run_config config = make_config(json);
        session one = open_session(&config, 1), three = open_session(&config, 3);
        uint64_t version;
        iterate(&one, 4);
        iterate(&three, 4);
        size_t bytes = sizeof(float) * rlt_weights_floats(rlt_trainer_policy(one.trainer));
        assert_memory_equal(rlt_trainer_weights(one.trainer, &version).params,
                            rlt_trainer_weights(three.trainer, &version).params, bytes);
        close_session(&one);
        close_session(&three);
    }
}

/* ---- episodes one by one ---- */

static void test_random_episodes_act_within_masks(void **unused) {
    (void)unused;
    illegal = 0;
    int64_t steps = 0;
    for (uint32_t index = 0; index < 50; index++) {
        rlt_episode episode;
        rlt_err err = {0};
        assert_int_equal(rlt_episode_record(NULL, &locks, NULL, 4, index, 0, &episode, &err),
                         RLT_OK);
        steps += episode.steps;
        rlt_episode_fini(&episode);
    }
    assert_true(steps > 250);
    assert_int_equal(illegal, 0);
}

/* The episode that is drawn is the one that was evaluated. */
static void test_recorded_episode_is_the_evaluated_one(void **unused) {
    (void)unused;
    acting a = open_acting();
    double returns[10];
    rlt_evaluation result;
    rlt_err err = {0};
    assert_int_equal(rlt_evaluate(&a.config, &locks, &a.view, 10, 8, &result, returns, &err),
                     RLT_OK);
    for (uint32_t i = 0; i < 10; i++) {
        rlt_episode episode;
        assert_int_equal(rlt_episode_record(&a.config, &locks, &a.view, 8, i, 0, &episode, &err),
                         RLT_OK);
        assert_true(episode.total == returns[i]);
        rlt_episode_fini(&episode);
    }
    rlt_free(a.weights);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masks_follow_the_states),
        cmocka_unit_test(test_rollouts_act_within_masks),
        cmocka_unit_test(test_partition_and_restart_change_nothing),
        cmocka_unit_test(test_learns_on_five_seeds),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_random_episodes_act_within_masks),
        cmocka_unit_test(test_recorded_episode_is_the_evaluated_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
