/* tuner: Parzen estimators against Optuna's (tests/golden/tpe.json, scripts/gen_golden_tpe.py), and
 * the sampler tpe against a plain rereading of its rules. */
#include "tuner_testing.h"

#include "tuner/samplers/parzen.h"

#include <stdio.h>

static json_t *golden(void) {
    json_error_t error;
    json_t *json = json_load_file(RLT_SOURCE_DIR "/tests/golden/tpe.json", 0, &error);
    if (json == NULL) {
        fail_msg("%s", error.text);
    }
    return json;
}

static double at2(const json_t *rows, size_t i, size_t j) {
    return json_number_value(json_array_get(json_array_get(rows, i), j));
}

/* ---- estimators ---- */

enum { DIMS_MAX = 8, LANES = 24 };
typedef struct space_dims {
    rlt_param params[DIMS_MAX];
    rlt_parzen_dim dims[DIMS_MAX];
    int source[DIMS_MAX], count; /* dimension d is parameter source[d] */
} space_dims;

static void make_dims(const json_t *spaces, space_dims *made) {
    *made = (space_dims){0};
    int count = (int)json_array_size(spaces);
    for (int i = 0; i < count; i++) {
        rlt_err err = {0};
        assert_int_equal(
            rlt_param_parse(json_array_get(spaces, (size_t)i), "x", &made->params[i], &err),
            RLT_OK);
    }
    for (int real = 1; real >= 0; real--) {
        for (int i = 0; i < count; i++) {
            rlt_parzen_dim dim = rlt_parzen_dim_of(&made->params[i]);
            if ((dim.kind == RLT_PARZEN_REAL) == (real == 1)) {
                made->source[made->count] = i;
                made->dims[made->count++] = dim;
            }
        }
    }
}

static void free_dims(space_dims *made) {
    for (int i = 0; i < made->count; i++) {
        rlt_param_fini(&made->params[i]);
    }
}

static double coordinate_of(const space_dims *made, int d, double number) {
    const rlt_param *param = &made->params[made->source[d]];
    rlt_value value = {.number = number, .choice = -1};
    if (made->dims[d].kind == RLT_PARZEN_CHOICE) {
        value = (rlt_value){.number = 0, .choice = (int)number};
    }
    return rlt_parzen_coordinate(param, &made->dims[d], value);
}

static void fill(const json_t *test, const space_dims *made, rlt_parzen *parzen) {
    rlt_parzen_options options = {
        json_number_value(json_object_get(test, "prior_weight")),
        json_is_true(json_object_get(test, "magic_clip")),
        json_is_true(json_object_get(test, "endpoints")),
    };
    rlt_parzen_init(parzen, made->dims, made->count, options);
    const json_t *observations = json_object_get(test, "observations");
    size_t count = json_array_size(observations);
    for (size_t i = 0; i < count; i++) { /* in an order of its own */
        size_t slot = (i * 7 + 3) % count;
        while (slot < parzen->capacity * 1ul && parzen->present[slot]) {
            slot = (slot + 1) % count;
        }
        double x[DIMS_MAX];
        for (int d = 0; d < made->count; d++) {
            x[d] = coordinate_of(made, d, at2(observations, slot, (size_t)made->source[d]));
        }
        rlt_parzen_insert(parzen, (int64_t)slot, x);
    }
    rlt_parzen_prepare(parzen);
}

static void check_kernels(const json_t *test, const space_dims *made, const rlt_parzen *parzen) {
    const json_t *weights = json_object_get(test, "weights");
    int64_t count = parzen->count;
    assert_int_equal(json_array_size(weights), count + 1);
    for (int64_t i = 0; i <= count; i++) {
        assert_near(parzen->weights[i] / parzen->weight_sum,
                    json_number_value(json_array_get(weights, (size_t)i)), 1e-15);
    }
    for (int d = 0; d < made->count; d++) {
        if (made->dims[d].kind == RLT_PARZEN_CHOICE) {
            continue;
        }
        size_t numeric = 0; /* Optuna's numeric parameters before this one */
        for (int i = 0; i < made->source[d]; i++) {
            numeric += made->params[i].kind != RLT_DIST_CHOICE;
        }
        for (int64_t i = 0; i <= count; i++) {
            bool prior = i == count;
            int64_t cell = prior ? d : i * made->count + d;
            double mu = (prior ? parzen->prior : parzen->mu)[cell];
            double sigma = prior ? parzen->prior[made->count + d] : parzen->sigma[cell];
            double range = made->dims[d].high - made->dims[d].low;
            assert_near(mu, at2(json_object_get(test, "mus"), numeric, (size_t)i), 1e-14 * range);
            assert_near(sigma, at2(json_object_get(test, "sigmas"), numeric, (size_t)i),
                        1e-14 * range);
        }
    }
}

static void check_log_pdf(const json_t *test, const space_dims *made, rlt_parzen *parzen) {
    const json_t *points = json_object_get(test, "points");
    double x[DIMS_MAX * LANES], got[LANES];
    assert_int_equal(json_array_size(points), LANES);
    for (int d = 0; d < made->count; d++) {
        for (size_t l = 0; l < LANES; l++) {
            x[(size_t)d * LANES + l] =
                coordinate_of(made, d, at2(points, l, (size_t)made->source[d]));
        }
    }
    rlt_parzen_log_pdf(parzen, 0, made->count, x, LANES, got);
    bool sheppard = made->dims[0].kind == RLT_PARZEN_REAL && made->dims[0].step > 0;
    for (size_t l = 0; l < LANES; l++) {
        double want = json_number_value(json_array_get(json_object_get(test, "log_pdf"), l));
        assert_near(got[l], want, (sheppard ? 1e-6 : 1e-9) * fmax(1, fabs(want)));
    }
}

static void test_estimators(void **unused) {
    (void)unused;
    json_t *json = golden(), *test;
    size_t i;
    json_array_foreach(json_object_get(json, "estimators"), i, test) {
        space_dims made;
        rlt_parzen parzen;
        make_dims(json_object_get(test, "spaces"), &made);
        fill(test, &made, &parzen);
        bool ties = made.count == 1 && made.dims[0].kind == RLT_PARZEN_CELLS &&
                    made.dims[0].count < 40; /* which of two equal ones is the wider is open */
        if (!ties) {
            check_kernels(test, &made, &parzen);
        }
        check_log_pdf(test, &made, &parzen);
        rlt_parzen_fini(&parzen);
        free_dims(&made);
    }
    assert_int_equal(i, 33);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_estimators)};
    return cmocka_run_group_tests_name("tuner_tpe", tests, NULL, NULL);
}
