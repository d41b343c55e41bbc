/* ppo against torch's three clipped Adam steps and against a plain loop over the same minibatches;
 * independence of threads; early end; divergence; resuming from the saved optimiser state. */
#include "algos/ppo/ppo_impl.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 70, OBS = 5, COUNT_MAX = 1024 };
static const rlt_ppo_coef coef = {0.2f, 0.3f, 0.5f, 0.01f};
#define ADAM                                                                                       \
    { .kind = RLT_OPT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-5f }
static const rlt_optimiser_spec adam = ADAM;

typedef struct fixture { /* tests/golden/nn_<head>_tanh.bin, see scripts/gen_golden_nn.py */
    rlt_policy_spec spec;
    float *data, params[COUNT_MAX];
    const float *params_after;
    rlt_ppo_rows rows;
    int32_t action[ROWS];
    size_t count;
} fixture;

static void load(bool discrete, fixture *f) {
    f->spec = (rlt_policy_spec){.obs_dim = OBS,
                                .discrete = discrete,
                                .action_dim = discrete ? 3 : 2,
                                .hidden = {17, 9},
                                .hidden_count = 2};
    char path[128], *bytes = NULL;
    snprintf(path, sizeof path, "tests/golden/nn_%s_tanh.bin", discrete ? "discrete" : "gaussian");
    size_t size = 0, actions = discrete ? 1 : 2;
    rlt_err err = {0};
    assert_int_equal(rlt_file_read(path, 1 << 20, &bytes, &size, &err), RLT_OK);
    f->count = rlt_policy_param_count(&f->spec);
    assert_int_equal(size, 4 * (3 * f->count + ROWS * (OBS + actions + 4) + 6));
    const float *at = f->data = (float *)bytes;
    memcpy(f->params, at, 4 * f->count);
    f->rows = (rlt_ppo_rows){.rows = ROWS, .obs = at += f->count};
    at += ROWS * OBS;
    for (int i = 0; discrete && i < ROWS; i++) {
        f->action[i] = (int32_t)at[i];
    }
    f->rows.action = discrete ? (const void *)f->action : (const void *)at;
    f->rows.log_prob = at += ROWS * actions;
    f->rows.value = at += ROWS;
    f->rows.advantage = at += ROWS;
    f->rows.ret = at += ROWS;
    f->params_after = at + ROWS + 5 + f->count + 1;
}

static rlt_ppo *make(const fixture *f, const rlt_ppo_options *options, rlt_pool *pool) {
    rlt_ppo *ppo = NULL;
    rlt_err err = {0};
    assert_int_equal(rlt_ppo_create(&f->spec, options, ROWS, pool, &ppo, &err), RLT_OK);
    return ppo;
}

static void assert_near(const float *got, const float *want, size_t n, double tolerance) {
    for (size_t i = 0; i < n; i++) {
        if (fabs((double)got[i] - (double)want[i]) > tolerance * (1 + fabs((double)want[i]))) {
            fail_msg("entry %zu: got %.9g, expected %.9g", i, (double)got[i], (double)want[i]);
        }
    }
}

/* Three epochs of one minibatch of all rows are torch's three steps, whatever the order. */
static void test_golden(void **unused) {
    (void)unused;
    for (int discrete = 0; discrete < 2; discrete++) {
        fixture f;
        load(discrete, &f);
        rlt_ppo_options options = {
            .epochs = 3, .minibatch = 1000, .max_grad_norm = 0.5f, .optimiser = adam, .seed = 5};
        rlt_ppo *ppo = make(&f, &options, NULL);
        rlt_ppo_result result;
        rlt_err err = {0};
        uint64_t allocations = rlt_alloc_count();
        assert_int_equal(rlt_ppo_update(ppo, f.params, &f.rows, 1e-2f, &coef, 0, &result, &err),
                         RLT_OK);
        assert_int_equal(rlt_alloc_count(), allocations);
        assert_near(f.params, f.params_after, f.count, 2e-5);
        assert_int_equal(result.epochs, 3);
        assert_int_equal(*rlt_ppo_step(ppo), 3);
        assert_true(result.grad_norm > 0 && result.clip_fraction > 0.1);
        rlt_ppo_destroy(&ppo);
        rlt_free(f.data);
    }
}

/* The same epochs by plain loops, without shards. */
static void plain_update(fixture *f, const rlt_ppo_options *o) {
    rlt_policy_workspace *ws = rlt_policy_workspace_create(&f->spec);
    static float grad[COUNT_MAX], m[COUNT_MAX], v[COUNT_MAX];
    memset(m, 0, sizeof m);
    memset(v, 0, sizeof v);
    int64_t step = 0;
    for (int64_t epoch = 0; epoch < o->epochs; epoch++) {
        uint32_t order[ROWS];
        rlt_ppo_shuffle(o->seed, 7, epoch, ROWS, order);
        for (int at = 0; at < ROWS; at += (int)o->minibatch) {
            int n = ROWS - at < o->minibatch ? ROWS - at : (int)o->minibatch;
            float obs[ROWS * OBS], log_prob[ROWS], value[ROWS], advantage[ROWS], ret[ROWS];
            int32_t action[ROWS];
            double mean = 0, variance = 0;
            for (int i = 0; i < n; i++) {
                uint32_t r = order[at + i];
                memcpy(obs + i * OBS, f->rows.obs + r * OBS, sizeof(float) * OBS);
                action[i] = f->action[r];
                log_prob[i] = f->rows.log_prob[r];
                value[i] = f->rows.value[r];
                advantage[i] = f->rows.advantage[r];
                ret[i] = f->rows.ret[r];
                mean += (double)advantage[i] / n;
            }
            for (int i = 0; i < n; i++) {
                variance += pow((double)advantage[i] - mean, 2) / (n - 1);
            }
            for (int i = 0; i < n; i++) {
                advantage[i] = (float)(((double)advantage[i] - mean) / (sqrt(variance) + 1e-8));
            }
            rlt_ppo_batch batch = {.n = n,
                                   .obs = obs,
                                   .action = action,
                                   .old_log_prob = log_prob,
                                   .old_value = value,
                                   .advantage = advantage,
                                   .ret = ret};
            rlt_ppo_stats stats = {0};
            memset(grad, 0, sizeof grad);
            rlt_ppo_grad(ws, f->params, &batch, &coef, n, grad, &stats);
            rlt_grad_clip(grad, f->count, o->max_grad_norm);
            rlt_optimiser_step(&o->optimiser, f->params, grad, m, v, f->count, 1e-2f, 1, ++step);
        }
    }
    rlt_policy_workspace_destroy(&ws);
}

static void test_minibatches(void **unused) {
    (void)unused;
    fixture f, plain;
    load(true, &f);
    load(true, &plain);
    rlt_ppo_options options = {.epochs = 5,
                               .minibatch = 32, /* 32, 32 and 6 rows */
                               .norm_advantage = true,
                               .max_grad_norm = 0.5f,
                               .optimiser = adam,
                               .seed = 3};
    rlt_ppo *ppo = make(&f, &options, NULL);
    rlt_ppo_result result;
    rlt_err err = {0};
    assert_int_equal(rlt_ppo_update(ppo, f.params, &f.rows, 1e-2f, &coef, 7, &result, &err),
                     RLT_OK);
    plain_update(&plain, &options);
    assert_near(f.params, plain.params, f.count, 2e-5);
    assert_int_equal(*rlt_ppo_step(ppo), 15);
    rlt_ppo_destroy(&ppo);
    rlt_free(f.data);
    rlt_free(plain.data);
}

static void test_threads_do_not_matter(void **unused) {
    (void)unused;
    rlt_ppo_options options = {.epochs = 6,
                               .minibatch = 33,
                               .norm_advantage = true,
                               .max_grad_norm = 0.5f,
                               .optimiser = adam};
    float first[COUNT_MAX];
    rlt_ppo_result first_result;
    for (int threads = 1; threads <= 3; threads++) {
        rlt_pool *pool = NULL;
        rlt_err err = {0};
        assert_int_equal(rlt_pool_create(threads, &pool, &err), RLT_OK);
        fixture f;
        load(true, &f);
        rlt_ppo *ppo = make(&f, &options, pool);
        rlt_ppo_result result;
        for (int iteration = 0; iteration < 3; iteration++) {
            assert_int_equal(
                rlt_ppo_update(ppo, f.params, &f.rows, 1e-3f, &coef, iteration, &result, &err),
                RLT_OK);
        }
        if (threads == 1) {
            memcpy(first, f.params, sizeof first);
            first_result = result;
        }
        assert_memory_equal(f.params, first, 4 * f.count);
        assert_memory_equal(&result, &first_result, sizeof result);
        rlt_ppo_destroy(&ppo);
        rlt_pool_destroy(&pool);
        rlt_free(f.data);
    }
}

/* Members of a team as threads; the gather is a copy between two barriers. */
typedef struct team_shared {
    pthread_barrier_t meet;
    int count;
    const void *mine[4];
} team_shared;
typedef struct team_member {
    team_shared *shared;
    int rank;
    fixture f;
    rlt_ppo_result result;
    pthread_t thread;
} team_member;

static rlt_status team_gather(void *user, const void *mine, void *all, size_t bytes, rlt_err *err) {
    (void)err;
    team_member *m = user;
    m->shared->mine[m->rank] = mine;
    pthread_barrier_wait(&m->shared->meet);
    for (int r = 0; r < m->shared->count; r++) {
        memcpy((char *)all + (size_t)r * bytes, m->shared->mine[r], bytes);
    }
    pthread_barrier_wait(&m->shared->meet);
    return RLT_OK;
}

static const rlt_ppo_options team_options = {.epochs = 3,
                                             .minibatch = 17,
                                             .norm_advantage = true,
                                             .max_grad_norm = 0.5f,
                                             .optimiser = ADAM,
                                             .seed = 4};

static void *run_member(void *user) {
    team_member *m = user;
    rlt_ppo_options options = team_options;
    options.team = (rlt_ppo_team){m->rank, m->shared->count, team_gather, m};
    rlt_ppo *ppo = NULL;
    rlt_err err = {0};
    if (rlt_ppo_create(&m->f.spec, &options, ROWS, NULL, &ppo, &err) == RLT_OK) {
        for (int i = 0; i < 2; i++) {
            rlt_ppo_update(ppo, m->f.params, &m->f.rows, 1e-2f, &coef, i, &m->result, &err);
        }
    }
    rlt_ppo_destroy(&ppo);
    return NULL;
}

/* Two and four learners of one trial: each ends with the bits of one learner alone. */
static void test_teams_change_nothing(void **unused) {
    (void)unused;
    fixture alone;
    load(true, &alone);
    rlt_ppo *ppo = make(&alone, &team_options, NULL);
    rlt_ppo_result result;
    rlt_err err = {0};
    for (int i = 0; i < 2; i++) {
        rlt_ppo_update(ppo, alone.params, &alone.rows, 1e-2f, &coef, i, &result, &err);
    }
    rlt_ppo_destroy(&ppo);
    for (int count = 2; count <= 4; count *= 2) {
        team_shared shared = {.count = count};
        static team_member members[4];
        pthread_barrier_init(&shared.meet, NULL, (unsigned)count);
        for (int r = 0; r < count; r++) {
            members[r] = (team_member){.shared = &shared, .rank = r};
            load(true, &members[r].f);
            pthread_create(&members[r].thread, NULL, run_member, &members[r]);
        }
        for (int r = 0; r < count; r++) {
            pthread_join(members[r].thread, NULL);
            assert_memory_equal(members[r].f.params, alone.params, sizeof(float) * alone.count);
            assert_memory_equal(&members[r].result, &result, sizeof result);
            rlt_free(members[r].f.data);
        }
        pthread_barrier_destroy(&shared.meet);
    }
    rlt_free(alone.data);
}

/* An update from the saved state goes on bit for bit. */
static void test_resume(void **unused) {
    (void)unused;
    fixture f, g;
    load(false, &f);
    load(false, &g);
    rlt_ppo_options options = {.epochs = 2, .minibatch = 20, .optimiser = adam, .seed = 1};
    rlt_ppo *whole = make(&f, &options, NULL), *resumed = make(&f, &options, NULL);
    rlt_ppo_result result;
    rlt_err err = {0};
    rlt_ppo_update(whole, f.params, &f.rows, 1e-2f, &coef, 0, &result, &err);
    size_t count, resumed_count;
    const float *state = rlt_ppo_state(whole, &count);
    memcpy(rlt_ppo_state(resumed, &resumed_count), state, 4 * count);
    assert_int_equal(resumed_count, count);
    *rlt_ppo_step(resumed) = *rlt_ppo_step(whole);
    memcpy(g.params, f.params, sizeof g.params);
    rlt_ppo_update(whole, f.params, &f.rows, 1e-2f, &coef, 1, &result, &err);
    rlt_ppo_update(resumed, g.params, &g.rows, 1e-2f, &coef, 1, &result, &err);
    assert_memory_equal(f.params, g.params, 4 * f.count);
    rlt_ppo_destroy(&whole);
    rlt_ppo_destroy(&resumed);
    rlt_free(f.data);
    rlt_free(g.data);
}

/* The old log-probabilities are far off: the first minibatch is past any small target. */
static void test_target_kl(void **unused) {
    (void)unused;
    fixture f;
    load(true, &f);
    float before[COUNT_MAX];
    memcpy(before, f.params, sizeof before);
    rlt_ppo_options options = {.epochs = 9, .minibatch = 35, .target_kl = 1e-3f, .optimiser = adam};
    rlt_ppo *ppo = make(&f, &options, NULL);
    rlt_ppo_result result;
    rlt_err err = {0};
    assert_int_equal(rlt_ppo_update(ppo, f.params, &f.rows, 1e-2f, &coef, 0, &result, &err),
                     RLT_OK);
    assert_int_equal(result.epochs, 1);
    assert_int_equal(*rlt_ppo_step(ppo), 0);
    assert_memory_equal(f.params, before, 4 * f.count);
    assert_true(result.approx_kl > 1.5e-3 && result.grad_norm == 0);
    rlt_ppo_destroy(&ppo);
    options.target_kl = 1e3f;
    ppo = make(&f, &options, NULL);
    rlt_ppo_update(ppo, f.params, &f.rows, 1e-2f, &coef, 0, &result, &err);
    assert_int_equal(result.epochs, 9);
    rlt_ppo_destroy(&ppo);
    rlt_free(f.data);
}

static void check_diverged(float *poisoned, float value, fixture *f, const char *term) {
    float kept = *poisoned, before[COUNT_MAX];
    *poisoned = value;
    memcpy(before, f->params, sizeof before);
    rlt_ppo_options options = {.epochs = 2, .minibatch = 70, .optimiser = adam};
    rlt_ppo *ppo = make(f, &options, NULL);
    rlt_ppo_result result;
    rlt_err err = {0};
    assert_int_equal(rlt_ppo_update(ppo, f->params, &f->rows, 1e-2f, &coef, 4, &result, &err),
                     RLT_EDIVERGED);
    assert_non_null(strstr(err.message, term));
    assert_non_null(strstr(err.message, "iteration 4, optimiser step 1"));
    assert_memory_equal(f->params, before, 4 * f->count);
    assert_int_equal(*rlt_ppo_step(ppo), 0);
    rlt_ppo_destroy(&ppo);
    *poisoned = kept;
}

static void test_divergence_is_named(void **unused) {
    (void)unused;
    fixture f;
    load(true, &f);
    check_diverged((float *)f.rows.obs + 3 * OBS, NAN, &f, "the policy loss is not finite");
    check_diverged((float *)f.rows.advantage + 69, NAN, &f, "the policy loss is not finite");
    check_diverged((float *)f.rows.ret, INFINITY, &f, "the value loss is not finite");
    check_diverged((float *)f.rows.ret, 1e30f, &f, "the value loss is not finite");
    rlt_free(f.data);
}

static void test_shuffle(void **unused) {
    (void)unused;
    uint32_t a[100], b[100], seen[100] = {0};
    rlt_ppo_shuffle(1, 2, 3, 100, a);
    for (int i = 0; i < 100; i++) {
        assert_true(a[i] < 100 && seen[a[i]]++ == 0);
    }
    rlt_ppo_shuffle(1, 2, 3, 100, b);
    assert_memory_equal(a, b, sizeof a);
    const int64_t others[3][3] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    for (int i = 0; i < 3; i++) {
        rlt_ppo_shuffle((uint64_t)others[i][0], others[i][1], others[i][2], 100, b);
        assert_memory_not_equal(a, b, sizeof a);
    }
    rlt_rng rng = rlt_rng_make(1, RLT_STREAM_SHUFFLE, 3); /* the same words as core's generator */
    rng.index = (uint64_t)2 << 32;
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t j = rlt_rng_below(&rng, i + 1);
        b[i] = b[j];
        b[j] = i;
    }
    assert_memory_equal(a, b, sizeof a);
}

static void test_bad_options(void **unused) {
    (void)unused;
    fixture f;
    load(true, &f);
    rlt_ppo *ppo = NULL;
    rlt_err err = {0};
    rlt_ppo_options options = {.epochs = 0, .minibatch = 70, .optimiser = adam};
    assert_int_equal(rlt_ppo_create(&f.spec, &options, ROWS, NULL, &ppo, &err), RLT_EINVAL);
    assert_string_equal(err.message, "ppo.epochs: 0 is out of bounds; allowed: 1 to 1e+06");
    options.epochs = 1;
    options.target_kl = NAN;
    assert_int_equal(rlt_ppo_create(&f.spec, &options, ROWS, NULL, &ppo, &err), RLT_EINVAL);
    assert_null(ppo);
    options.target_kl = 0;
    ppo = make(&f, &options, NULL);
    f.rows.rows = ROWS + 1;
    rlt_ppo_result result;
    assert_int_equal(rlt_ppo_update(ppo, f.params, &f.rows, 1e-2f, &coef, 0, &result, &err),
                     RLT_EINVAL);
    assert_string_equal(err.message, "ppo: a batch of 71 rows; allowed: 1 to 70");
    rlt_ppo_destroy(&ppo);
    rlt_free(f.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_minibatches),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_teams_change_nothing),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_target_kl),
        cmocka_unit_test(test_divergence_is_named),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
