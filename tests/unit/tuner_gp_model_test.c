/* tuner: Gaussian process regression against scikit-learn and numpy (tests/golden/gp.json), its
 * gradients against differences, log expected improvement against mpmath, and the minimiser. */
#include "tuner/minimise.h"
#include "tuner/samplers/gp_lanes.h"
#include "tuner_testing.h"

enum { DIMS_MAX = 8 };

static json_t *golden(const char *key) {
    json_error_t error;
    json_t *json = json_load_file(RLT_SOURCE_DIR "/tests/golden/gp.json", 0, &error);
    if (json == NULL) {
        fail_msg("%s", error.text);
    }
    json_t *part = json_incref(json_object_get(json, key));
    json_decref(json);
    return part;
}

static int numbers(const json_t *list, double *out) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        out[i] = json_is_boolean(item) ? json_is_true(item) : json_number_value(item);
    }
    return (int)json_array_size(list);
}

static void close_to(const char *what, double got, double want) {
    if (!(fabs(got - want) <= 1e-8 * fmax(1, fabs(want)))) {
        fail_msg("%s: %.15g, not %.15g", what, got, want);
    }
}

typedef struct model {
    rlt_gp gp;
    bool categorical[DIMS_MAX];
    double theta[DIMS_MAX + 2], queries[8][DIMS_MAX];
    int query_count;
} model;

static void make_model(const json_t *json, model *made, int capacity) {
    const json_t *points = json_object_get(json, "x"), *queries = json_object_get(json, "queries");
    double x[DIMS_MAX], y[64];
    int d = numbers(json_object_get(json, "categorical"), x);
    for (int j = 0; j < d; j++) {
        made->categorical[j] = x[j] != 0;
    }
    int n = numbers(json_object_get(json, "y"), y);
    rlt_gp_init(&made->gp, d, made->categorical, capacity > 0 ? capacity : n + 1);
    for (int i = 0; i < n; i++) {
        assert_int_equal(numbers(json_array_get(points, (size_t)i), x), d);
        rlt_gp_add(&made->gp, x, y[i]);
    }
    numbers(json_object_get(json, "theta"), made->theta);
    made->query_count = (int)json_array_size(queries);
    for (int i = 0; i < made->query_count; i++) {
        numbers(json_array_get(queries, (size_t)i), made->queries[i]);
    }
}

static void check_predictions(model *at, const json_t *json, const char *means,
                              const char *variances) {
    double mean[8], variance[8], x8[DIMS_MAX * 8] = {0}, mean8[8], variance8[8];
    numbers(json_object_get(json, means), mean);
    numbers(json_object_get(json, variances), variance);
    for (int i = 0; i < at->query_count; i++) {
        double m, v;
        rlt_gp_predict(&at->gp, at->queries[i], &m, &v, NULL, NULL);
        close_to("mean", m, mean[i]);
        close_to("variance", v, variance[i]);
        for (int j = 0; j < at->gp.d; j++) {
            x8[j * 8 + i] = at->queries[i][j];
        }
    }
    rlt_gp_predict8(&at->gp, x8, mean8, variance8);
    for (int i = 0; i < at->query_count; i++) {
        close_to("mean of eight", mean8[i], mean[i]);
        close_to("variance of eight", variance8[i], variance[i]);
    }
}

static void test_golden(void **unused) {
    (void)unused;
    json_t *cases = golden("cases");
    assert_int_equal(json_array_size(cases), 6);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *json = json_array_get(cases, i);
        model at = {0};
        make_model(json, &at, 0);
        rlt_gp_set(&at.gp, at.theta);
        rlt_gp_factor(&at.gp);
        close_to("likelihood", rlt_gp_log_likelihood(&at.gp),
                 json_number_value(json_object_get(json, "likelihood")));
        check_predictions(&at, json, "mean", "variance");
        rlt_gp_pend(&at.gp, at.queries[0]);
        check_predictions(&at, json, "pending_mean", "pending_variance");
        rlt_gp_fini(&at.gp);
    }
    json_decref(cases);
}

/* A model that was larger before, cleared and filled anew, has nothing left of what it held. */
static void test_reuse(void **unused) {
    (void)unused;
    json_t *cases = golden("cases");
    const json_t *json = json_array_get(cases, 3);
    model at = {0};
    make_model(json, &at, 64);
    rlt_gp_set(&at.gp, at.theta);
    rlt_gp_factor(&at.gp);
    double place[3] = {0.5, 0.5, 0.5}, first[2], again[2];
    rlt_gp_predict(&at.gp, place, &first[0], &first[1], NULL, NULL);
    rlt_gp_clear(&at.gp);
    for (int i = 0; i < 50; i++) {
        rlt_gp_add(&at.gp, (double[]){i / 50.0, 0.3, i % 7 / 7.0}, 1e6 * i);
    }
    rlt_gp_factor(&at.gp);
    rlt_gp_clear(&at.gp);
    double x[DIMS_MAX], y[64];
    int n = numbers(json_object_get(json, "y"), y);
    for (int i = 0; i < n; i++) {
        numbers(json_array_get(json_object_get(json, "x"), (size_t)i), x);
        rlt_gp_add(&at.gp, x, y[i]);
    }
    rlt_gp_factor(&at.gp);
    rlt_gp_predict(&at.gp, place, &again[0], &again[1], NULL, NULL);
    assert_true(first[0] == again[0] && first[1] == again[1]);
    rlt_gp_fini(&at.gp);
    json_decref(cases);
}

static void test_loss_gradient(void **unused) {
    (void)unused;
    json_t *cases = golden("cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        model at = {0};
        make_model(json_array_get(cases, i), &at, 0);
        double gradient[DIMS_MAX + 2], other[DIMS_MAX + 2];
        rlt_gp_loss(&at.gp, at.theta, gradient);
        for (int j = 0; j < at.gp.d + 2; j++) {
            double here = at.theta[j], step = 1e-5;
            at.theta[j] = here + step;
            double up = rlt_gp_loss(&at.gp, at.theta, other);
            at.theta[j] = here - step;
            double down = rlt_gp_loss(&at.gp, at.theta, other);
            at.theta[j] = here;
            assert_near(gradient[j], (up - down) / (2 * step), 1e-5 * fmax(1, fabs(gradient[j])));
        }
        rlt_gp_fini(&at.gp);
    }
    json_decref(cases);
}

/* At a point of the data too, where the distance has no derivative but the kernel has. */
static void check_slopes(model *at, double *x) {
    double mean, variance, mean_slope[DIMS_MAX], variance_slope[DIMS_MAX];
    rlt_gp_predict(&at->gp, x, &mean, &variance, mean_slope, variance_slope);
    for (int j = 0; j < at->gp.d; j++) {
        if (at->categorical[j]) {
            assert_true(mean_slope[j] == 0 && variance_slope[j] == 0);
            continue;
        }
        double here = x[j], step = 1e-5, up[2], down[2];
        x[j] = here + step;
        rlt_gp_predict(&at->gp, x, &up[0], &up[1], NULL, NULL);
        x[j] = here - step;
        rlt_gp_predict(&at->gp, x, &down[0], &down[1], NULL, NULL);
        x[j] = here;
        double scale = fmax(1, at->gp.scale);
        assert_near(mean_slope[j], (up[0] - down[0]) / (2 * step), 2e-4 * scale);
        assert_near(variance_slope[j], (up[1] - down[1]) / (2 * step), 2e-4 * scale);
    }
}

static void test_slopes(void **unused) {
    (void)unused;
    json_t *cases = golden("cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        model at = {0};
        double x[DIMS_MAX];
        const json_t *json = json_array_get(cases, i);
        make_model(json, &at, 0);
        rlt_gp_set(&at.gp, at.theta);
        rlt_gp_factor(&at.gp);
        for (int q = 0; q < at.query_count; q++) {
            check_slopes(&at, at.queries[q]);
        }
        numbers(json_array_get(json_object_get(json, "x"), 0), x);
        check_slopes(&at, x);
        rlt_gp_fini(&at.gp);
    }
    json_decref(cases);
}

/* The fit finds what the data were made with: a coordinate that matters, one that does not, and
 * how much noise there is. */
static void check_fit(double noise) {
    enum { N = 60 };
    static const bool categorical[3] = {false, false, true};
    rlt_rng rng = rlt_rng_make(2, RLT_STREAM_TEST, 0);
    rlt_gp gp;
    rlt_gp_init(&gp, 3, categorical, N);
    for (int i = 0; i < N; i++) {
        double x[3] = {rlt_rng_f64(&rng), rlt_rng_f64(&rng), rlt_rng_below(&rng, 3)};
        rlt_gp_add(&gp, x, sin(8 * x[0]) + noise * rlt_rng_normal(&rng));
    }
    double theta[5] = {0}, gradient[5];
    double before = rlt_gp_loss(&gp, theta, gradient);
    rlt_gp_fit(&gp, 100);
    for (int j = 0; j < 3; j++) {
        theta[j] = log(gp.weights[j]);
    }
    theta[3] = log(gp.scale);
    theta[4] = log(gp.noise - RLT_GP_NOISE_MIN);
    assert_true(rlt_gp_loss(&gp, theta, gradient) < before - 10);
    for (int j = 0; j < 5; j++) {
        assert_near(gradient[j], 0, 0.3);
    }
    assert_true(gp.weights[0] > 4 && gp.weights[1] < 0.5 && gp.weights[2] < 0.5);
    assert_true(gp.noise > 0.4 * noise * noise && gp.noise < 2.5 * noise * noise + 1e-3);
    rlt_gp_fini(&gp);
}

static void test_fit(void **unused) {
    (void)unused;
    check_fit(0.001);
    check_fit(0.3);
}

/* Every vector unit gives the same bits. */
static void test_forms(void **unused) {
    (void)unused;
    json_t *cases = golden("cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        double first[30], here[30];
        for (int f = 0; f < 3; f++) {
            model at = {0};
            make_model(json_array_get(cases, i), &at, 0);
            if (rlt_gp_form_at(f) != NULL) {
                at.gp.form = rlt_gp_form_at(f);
                rlt_gp_fit(&at.gp, 30);
                rlt_gp_pend(&at.gp, at.queries[0]);
                memset(here, 0, sizeof here);
                here[0] = at.gp.noise;
                rlt_gp_predict(&at.gp, at.queries[1], here + 1, here + 2, here + 3, here + 9);
                double x8[DIMS_MAX * 8];
                for (int j = 0; j < at.gp.d * 8; j++) {
                    x8[j] = at.queries[j % 5][j / 8];
                }
                rlt_gp_predict8(&at.gp, x8, here + 14, here + 22);
                memcpy(f == 0 ? first : here, here, sizeof here);
                assert_memory_equal(first, here, sizeof here);
            }
            rlt_gp_fini(&at.gp);
        }
    }
    json_decref(cases);
}

static void test_log_h(void **unused) {
    (void)unused;
    json_t *table = golden("log_h");
    for (size_t i = 0; i < json_array_size(table); i++) {
        double row[2], slope, other;
        numbers(json_array_get(table, i), row);
        double got = rlt_log_h(row[0], &slope);
        if (!(fabs(got - row[1]) <= 4e-15 * fmax(1, fabs(row[1])))) {
            fail_msg("log h(%g) is %.17g, not %.17g", row[0], got, row[1]);
        }
        double step = 1e-5 * fmax(1, fabs(row[0]));
        double by_difference =
            (rlt_log_h(row[0] + step, &other) - rlt_log_h(row[0] - step, &other)) / (2 * step);
        assert_near(slope / by_difference, 1, 1e-6);
    }
    json_decref(table);
    double slope;
    assert_true(isfinite(rlt_log_h(-1e150, &slope)) && isfinite(slope));
}

/* ---- the minimiser ---- */

typedef struct task {
    int n, calls;
    double bend;
} task;

/* Rosenbrock's valley */
static double valley(void *user, const double *x, double *gradient) {
    task *at = user;
    double sum = 0;
    at->calls++;
    memset(gradient, 0, sizeof(double) * (size_t)at->n);
    for (int i = 0; i + 1 < at->n; i++) {
        double bend = x[i + 1] - x[i] * x[i];
        sum += at->bend * bend * bend + (1 - x[i]) * (1 - x[i]);
        gradient[i] += -4 * at->bend * bend * x[i] - 2 * (1 - x[i]);
        gradient[i + 1] += 2 * at->bend * bend;
    }
    return sum;
}

static void test_minimise(void **unused) {
    (void)unused;
    enum { N = 10 };
    double low[N], high[N], x[N];
    task at = {.n = N, .bend = 100};
    for (int i = 0; i < N; i++) {
        low[i] = -5;
        high[i] = 5;
        x[i] = i % 2 == 0 ? -1.2 : 1;
    }
    rlt_minimise_options options = {low, high, 1e-8, 0, 400};
    assert_true(rlt_minimise(valley, &at, N, &options, x) < 1e-12 || fabs(x[0] + 1) < 0.1);
    assert_true(at.calls <= 400);
    /* bounds that cut the valley: at the least point each bound that is touched is pushed against
     */
    for (int i = 0; i < N; i++) {
        high[i] = i == 3 ? 0.5 : 5;
        x[i] = i == 7 ? 9 : 0.1;
    }
    at.calls = 0;
    rlt_minimise(valley, &at, N, &options, x);
    double gradient[N];
    valley(&at, x, gradient);
    assert_true(x[3] == 0.5 && gradient[3] < 0);
    for (int i = 0; i < N; i++) {
        assert_true(x[i] >= low[i] && x[i] <= high[i]);
        assert_true(i == 3 || fabs(gradient[i]) < 1e-5);
    }
}

static double cliff(void *user, const double *x, double *gradient) {
    (void)user;
    gradient[0] = -1;
    return x[0] > 0.3 ? NAN : -x[0];
}

static double undefined(void *user, const double *x, double *gradient) {
    (void)user;
    (void)x;
    gradient[0] = NAN;
    return NAN;
}

static void test_minimise_undefined(void **unused) {
    (void)unused;
    double x = 0.1;
    rlt_minimise_options options = {(double[]){0}, (double[]){1}, 1e-8, 0, 100};
    double value = rlt_minimise(cliff, NULL, 1, &options, &x);
    assert_true(x <= 0.3 && x > 0.2 && value == -x);
    x = 0.1;
    assert_true(isnan(rlt_minimise(undefined, NULL, 1, &options, &x)));
    assert_true(x == 0.1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_loss_gradient),
        cmocka_unit_test(test_slopes),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_log_h),
        cmocka_unit_test(test_minimise),
        cmocka_unit_test(test_minimise_undefined),
    };
    return cmocka_run_group_tests_name("tuner_gp_model", tests, NULL, NULL);
}
