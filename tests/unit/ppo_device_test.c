/* PPO on a device against PPO by threads: the same minibatches, so the same parameters to rounding,
 * for rows and sequences, whole and uneven minibatches, ends by target_kl and by divergence; and
 * again after the moments went through host memory. The device is the CPU; built with
 * RLT_PARITY_EMULATED it is the CUDA backend, emulated. */
#include "algos/ppo/ppo.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#ifdef RLT_PARITY_EMULATED
const rlt_backend *rlt_cuda_backend_entry(uint32_t api_version);
#endif

enum { ENVS = 12, HORIZON = 6, ROWS = ENVS * HORIZON, OBS = 5, ACTIONS = 4 };
#define ADAM                                                                                       \
    { .kind = RLT_OPT_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-5f }
static const rlt_ppo_coef coef = {0.2f, 0.3f, 0.5f, 0.01f};

static rlt_device *open_device(void) {
    rlt_device *device = NULL;
    rlt_err err = {0};
#ifdef RLT_PARITY_EMULATED
    const rlt_backend *backend = rlt_cuda_backend_entry(RLT_BACKEND_API_VERSION);
    assert_int_equal(backend->open(0, RLT_PRECISION_FP32, &device, &err), RLT_OK);
#else
    assert_int_equal(rlt_device_open("cpu", RLT_PRECISION_FP32, &device, &err), RLT_OK);
#endif
    return device;
}

typedef struct fixture {
    rlt_policy_spec spec;
    rlt_ppo_rows rows;
    float *params;
    size_t count;
    float obs[ROWS * OBS], log_prob[ROWS], value[ROWS], advantage[ROWS], ret[ROWS];
    float memory[ENVS * 64];
    unsigned char action[ROWS * 4 * ACTIONS];
    uint8_t reset[ROWS], mask[ROWS * ACTIONS];
} fixture;

static void draw_actions(fixture *f, rlt_rng *rng) {
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < ACTIONS; k++) {
            int32_t choice =
                (int32_t)rlt_rng_below(rng, k == 0 && f->spec.component_count == 0 ? ACTIONS : 2);
            float real = rlt_rng_uniform(rng, -0.9f, 0.9f);
            size_t words = rlt_policy_action_bytes(&f->spec) / 4;
            if ((size_t)k < words) {
                memcpy(f->action + 4 * ((size_t)i * words + (size_t)k),
                       f->spec.discrete ? (void *)&choice : (void *)&real, 4);
            }
        }
    }
}

/* About half of all values are allowed, those taken among them. */
static void draw_masks(fixture *f, rlt_rng *rng) {
    int components = f->spec.component_count > 0 ? f->spec.component_count : 1;
    for (int i = 0; f->spec.discrete && i < ROWS; i++) {
        for (int k = 0; k < ACTIONS; k++) {
            f->mask[i * ACTIONS + k] = rlt_rng_below(rng, 2) == 0;
        }
        for (int c = 0; c < components; c++) {
            int32_t taken;
            memcpy(&taken, f->action + 4 * (i * components + c), 4);
            f->mask[i * ACTIONS + c * 2 + taken] = 1;
        }
    }
}

static fixture *make(rlt_policy_spec spec, uint64_t seed) {
    fixture *f = rlt_alloc(sizeof *f);
    rlt_rng rng = rlt_rng_make(seed, RLT_STREAM_TEST, 0);
    f->spec = spec;
    f->count = rlt_policy_param_count(&spec);
    f->params = rlt_alloc(sizeof(float) * f->count);
    rlt_policy_init(&spec, seed, f->params);
    for (int i = 0; i < ROWS; i++) {
        f->log_prob[i] = -1.2f - rlt_rng_f32(&rng);
        f->value[i] = rlt_rng_uniform(&rng, -1, 1);
        f->advantage[i] = (float)rlt_rng_normal(&rng);
        f->ret[i] = f->value[i] + (float)rlt_rng_normal(&rng);
        f->reset[i] = rlt_rng_below(&rng, 5) == 0;
    }
    for (int i = 0; i < ROWS * OBS; i++) {
        f->obs[i] = (float)rlt_rng_normal(&rng);
    }
    for (int i = 0; i < ENVS * 64; i++) {
        f->memory[i] = 0.5f * (float)rlt_rng_normal(&rng);
    }
    draw_actions(f, &rng);
    draw_masks(f, &rng);
    f->rows = (rlt_ppo_rows){.rows = ROWS,
                             .obs = f->obs,
                             .action = f->action,
                             .log_prob = f->log_prob,
                             .value = f->value,
                             .advantage = f->advantage,
                             .ret = f->ret,
                             .reset = f->reset,
                             .memory = f->memory,
                             .mask = f->mask};
    return f;
}

static void release(fixture *f) {
    rlt_free(f->params);
    rlt_free(f);
}

static rlt_ppo *create(const fixture *f, rlt_ppo_options options, rlt_device *device) {
    rlt_ppo *ppo = NULL;
    rlt_err err = {0};
    options.device = device;
    if (rlt_ppo_create(&f->spec, &options, ROWS, NULL, &ppo, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return ppo;
}

static void assert_near(const float *got, const float *want, size_t n, double tolerance) {
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance * (1 + fabs((double)want[i])))) {
            fail_msg("entry %zu: got %.9g, expected %.9g", i, (double)got[i], (double)want[i]);
        }
    }
}

static rlt_ppo_result update(rlt_ppo *ppo, fixture *f, float *params, int64_t iteration) {
    rlt_ppo_result result;
    rlt_err err = {0};
    if (rlt_ppo_update(ppo, params, &f->rows, 3e-3f, &coef, iteration, &result, &err) != RLT_OK) {
        fail_msg("%s", err.message);
    }
    return result;
}

/* Three updates both ways; before the last one the moments go through the host. */
static void compare(rlt_policy_spec spec, rlt_ppo_options options) {
    fixture *f = make(spec, 3);
    rlt_ppo *host = create(f, options, NULL), *device = create(f, options, open_device());
    float *copy = rlt_alloc(sizeof(float) * f->count);
    memcpy(copy, f->params, sizeof(float) * f->count);
    for (int64_t i = 0; i < 3; i++) {
        rlt_ppo_result a = update(host, f, f->params, i), b = update(device, f, copy, i);
        assert_near(copy, f->params, f->count, 1e-4);
        assert_int_equal(a.epochs, b.epochs);
        const float want[] = {(float)a.policy_loss, (float)a.value_loss,    (float)a.entropy,
                              (float)a.approx_kl,   (float)a.clip_fraction, (float)a.grad_norm};
        const float got[] = {(float)b.policy_loss, (float)b.value_loss,    (float)b.entropy,
                             (float)b.approx_kl,   (float)b.clip_fraction, (float)b.grad_norm};
        assert_near(got, want, RLT_COUNT(want), 1e-3);
        assert_int_equal(*rlt_ppo_step(host), *rlt_ppo_step(device));
        if (i == 1) {
            size_t count = 0;
            float *moments = rlt_ppo_state(device, &count);
            assert_near(moments, rlt_ppo_state(host, &count), count, 1e-4);
        }
    }
    rlt_ppo_destroy(&host);
    rlt_ppo_destroy(&device);
    rlt_free(copy);
    release(f);
}

static rlt_policy_spec mlp(void) {
    return (rlt_policy_spec){.obs_dim = OBS,
                             .discrete = true,
                             .action_dim = ACTIONS,
                             .hidden = {17, 9},
                             .hidden_count = 2};
}

static rlt_policy_spec gaussian(bool squash) {
    rlt_policy_spec spec = mlp();
    spec.discrete = false;
    spec.action_dim = 2;
    spec.squash = squash;
    return spec;
}

static rlt_policy_spec multi(void) {
    rlt_policy_spec spec = mlp();
    spec.component_count = 2;
    spec.components[0] = spec.components[1] = 2;
    return spec;
}

static rlt_policy_spec recurrent(void) {
    rlt_policy_spec spec = mlp();
    spec.layer_count = 3;
    spec.layers[0] = (rlt_layer){.kind = RLT_LAYER_DENSE, .units = 12, .act = RLT_ACT_TANH};
    spec.layers[1] = (rlt_layer){.kind = RLT_LAYER_LSTM, .units = 10};
    spec.layers[2] = (rlt_layer){.kind = RLT_LAYER_GRU, .units = 7};
    return spec;
}

static const rlt_ppo_options uneven = {/* 72 rows: 4 minibatches of 17 and one of 4 */
                                       .epochs = 3,           .minibatch = 17,
                                       .max_grad_norm = 0.5f, .norm_advantage = true,
                                       .optimiser = ADAM,     .seed = 9};

static void test_rows(void **unused) {
    (void)unused;
    compare(mlp(), uneven);
    compare(gaussian(false), uneven);
    compare(gaussian(true), uneven);
    compare(multi(), uneven);
    rlt_ppo_options many = uneven;
    many.minibatch = 2; /* more minibatches than a graph has */
    many.epochs = 1;
    compare(mlp(), many);
}

static void test_sequences(void **unused) {
    (void)unused;
    rlt_ppo_options options = uneven;
    options.steps = HORIZON;
    options.minibatch = 5 * HORIZON; /* 12 sequences: two minibatches of 5 and one of 2 */
    compare(recurrent(), options);
}

static void test_masks(void **unused) {
    (void)unused;
    rlt_ppo_options options = uneven;
    options.masked = true;
    compare(mlp(), options);
    compare(multi(), options);
    options.steps = HORIZON;
    options.minibatch = 5 * HORIZON;
    compare(recurrent(), options);
}

static void test_target_kl(void **unused) {
    (void)unused;
    rlt_ppo_options options = uneven;
    options.epochs = 9;
    options.target_kl = 1e-3f;
    compare(mlp(), options);
}

static void test_divergence_names_the_term(void **unused) {
    (void)unused;
    fixture *f = make(mlp(), 4);
    rlt_ppo *ppo = create(f, uneven, open_device());
    rlt_ppo_result result;
    rlt_err err = {0};
    update(ppo, f, f->params, 0);
    float *before = rlt_alloc(sizeof(float) * f->count);
    memcpy(before, f->params, sizeof(float) * f->count);
    for (int i = 0; i < ROWS; i++) {
        f->ret[i] = NAN;
    }
    assert_int_equal(rlt_ppo_update(ppo, f->params, &f->rows, 1e-3f, &coef, 1, &result, &err),
                     RLT_EDIVERGED);
    assert_non_null(strstr(err.message, "value loss is not finite"));
    assert_non_null(strstr(err.message, "iteration 1, optimiser step 16"));
    assert_memory_equal(before, f->params, sizeof(float) * f->count);
    rlt_ppo_destroy(&ppo);
    rlt_free(before);
    release(f);
}

#ifndef RLT_PARITY_EMULATED
static size_t memory_left;

static rlt_status alloc_little(rlt_device *device, size_t bytes, void **memory, rlt_err *err) {
    if (bytes > memory_left) {
        return rlt_fail(err, RLT_ENOMEM, "no memory");
    }
    memory_left -= bytes;
    return rlt_backend_cpu.alloc(device, bytes, memory, err);
}

/* Wherever memory runs out: a limit with its figures, which no retry can mend, and nothing leaks.
 */
static void test_too_little_memory(void **unused) {
    (void)unused;
    fixture *f = make(mlp(), 5);
    rlt_backend little = rlt_backend_cpu;
    little.alloc = alloc_little;
    rlt_ppo_options options = uneven;
    for (size_t limit = 16; limit < 40000; limit = limit * 3 / 2) {
        rlt_ppo *ppo = NULL;
        rlt_err err = {0};
        options.device = open_device();
        options.device->backend = &little;
        memory_left = limit;
        rlt_status status = rlt_ppo_create(&f->spec, &options, ROWS, NULL, &ppo, &err);
        if (status == RLT_OK) {
            assert_true(limit > 10000);
        } else {
            assert_int_equal(status, RLT_ELIMIT);
            assert_non_null(strstr(err.message, "the network needs"));
        }
        rlt_ppo_destroy(&ppo);
    }
    release(f);
}
#endif

#ifndef RLT_PARITY_EMULATED
/* Two learners as threads, whose backend adds by meeting; work is done while it is recorded, so
 * that one minibatch of one epoch is an update. */
typedef struct meeting {
    pthread_barrier_t barrier;
    void *theirs[2];
} meeting;
static meeting shared;
static _Thread_local int my_rank;
static rlt_backend meeting_backend;

static rlt_status make_id(rlt_reduce_id *id, rlt_err *err) {
    (void)err;
    id->bytes[5] = 77;
    return RLT_OK;
}

static rlt_status check_id(rlt_device *device, int rank, int count, const rlt_reduce_id *id,
                           rlt_err *err) {
    (void)device;
    (void)err;
    assert_true(rank == my_rank && count == 2 && id->bytes[5] == 77);
    return RLT_OK;
}

static void meet(void *mine) {
    shared.theirs[my_rank] = mine;
    pthread_barrier_wait(&shared.barrier);
}

static void mean_of_both(rlt_device *device, float *grad, size_t count) {
    (void)device;
    float *sum = rlt_alloc(sizeof(float) * count);
    meet(grad);
    for (size_t i = 0; i < count; i++) {
        sum[i] = 0.5f * (((float *)shared.theirs[0])[i] + ((float *)shared.theirs[1])[i]);
    }
    pthread_barrier_wait(&shared.barrier);
    memcpy(grad, sum, sizeof(float) * count);
    rlt_free(sum);
}

static void sum_of_both(rlt_device *device, double *sums, size_t count) {
    (void)device;
    double sum[16];
    meet(sums);
    for (size_t i = 0; i < count; i++) {
        sum[i] = ((double *)shared.theirs[0])[i] + ((double *)shared.theirs[1])[i];
    }
    pthread_barrier_wait(&shared.barrier);
    memcpy(sums, sum, sizeof(double) * count);
}

static rlt_status gather_both(void *user, const void *mine, void *all, size_t bytes, rlt_err *err) {
    (void)user;
    (void)err;
    meet((void *)mine);
    memcpy(all, shared.theirs[0], bytes);
    memcpy((char *)all + bytes, shared.theirs[1], bytes);
    pthread_barrier_wait(&shared.barrier);
    return RLT_OK;
}

static rlt_status no_record(rlt_device *device, rlt_err *err) {
    (void)device;
    (void)err;
    return RLT_OK;
}

static rlt_status no_graph(rlt_device *device, rlt_graph **graph, rlt_err *err) {
    (void)err;
    *graph = (rlt_graph *)device;
    return RLT_OK;
}

static void no_run(rlt_device *device, rlt_graph *graph) {
    (void)device;
    (void)graph;
}

static void no_free(rlt_device *device, rlt_graph **graph) {
    (void)device;
    *graph = NULL;
}

static const rlt_ppo_options one_minibatch = {.epochs = 1,
                                              .minibatch = ROWS,
                                              .max_grad_norm = 0.5f,
                                              .norm_advantage = true,
                                              .optimiser = ADAM,
                                              .seed = 2};

typedef struct learner {
    int rank;
    fixture *f;
    rlt_ppo_result result;
    pthread_t thread;
} learner;

static void *run_learner(void *user) {
    learner *l = user;
    rlt_ppo_options options = one_minibatch;
    my_rank = l->rank;
    options.team = (rlt_ppo_team){l->rank, 2, gather_both, NULL};
    rlt_device *device = open_device();
    device->backend = &meeting_backend;
    rlt_ppo *ppo = create(l->f, options, device);
    l->result = update(ppo, l->f, l->f->params, 0);
    rlt_ppo_destroy(&ppo);
    return NULL;
}

/* Each computes half of the minibatch; the step is that of the whole. */
static void test_two_devices_are_as_one(void **unused) {
    (void)unused;
    meeting_backend = rlt_backend_cpu;
    meeting_backend.reduce_id = make_id;
    meeting_backend.all_reduce_init = check_id;
    meeting_backend.all_reduce = mean_of_both;
    meeting_backend.all_reduce_sums = sum_of_both;
    meeting_backend.record_begin = no_record;
    meeting_backend.record_end = no_graph;
    meeting_backend.graph_run = no_run;
    meeting_backend.graph_free = no_free;
    fixture *alone = make(gaussian(false), 6);
    rlt_ppo *ppo = create(alone, one_minibatch, open_device());
    rlt_ppo_result result = update(ppo, alone, alone->params, 0);
    pthread_barrier_init(&shared.barrier, NULL, 2);
    learner learners[2];
    for (int r = 0; r < 2; r++) {
        learners[r] = (learner){.rank = r, .f = make(gaussian(false), 6)};
        pthread_create(&learners[r].thread, NULL, run_learner, &learners[r]);
    }
    for (int r = 0; r < 2; r++) {
        pthread_join(learners[r].thread, NULL);
        assert_near(learners[r].f->params, alone->params, alone->count, 1e-5);
        assert_true(fabs(learners[r].result.value_loss - result.value_loss) < 1e-6);
        assert_true(fabs(learners[r].result.entropy - result.entropy) < 1e-6);
        release(learners[r].f);
    }
    pthread_barrier_destroy(&shared.barrier);
    rlt_ppo_destroy(&ppo);
    release(alone);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_target_kl),
        cmocka_unit_test(test_divergence_names_the_term),
#ifndef RLT_PARITY_EMULATED
        cmocka_unit_test(test_too_little_memory),
        cmocka_unit_test(test_two_devices_are_as_one),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
